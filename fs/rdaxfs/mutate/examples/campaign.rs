// SPDX-License-Identifier: GPL-2.0

//! Damages volumes for so many seconds: `campaign SECONDS [SEED [QUICK]]`, with QUICK quick trials (9 if not
//! given) for each full one. Says every minute how many trials there were, where they panicked and with which
//! bytes they first did, and exits with status 1 if they did at all.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rdaxfs_mutate::campaign::Campaign;

/// How often it says how far it is.
const REPORT: Duration = Duration::from_secs(60);

fn number(at: usize, default: u64) -> u64 {
    let argument = std::env::args().nth(at);
    argument.map_or(default, |text| text.parse().expect("it is a number"))
}

fn main() -> ExitCode {
    let seconds = Duration::from_secs(number(1, 60));
    let seed = number(2, 1);
    let quick = number(3, 9);
    let mut campaign = Campaign::new(seed);
    let begun = Instant::now();
    let mut said = begun;
    while begun.elapsed() < seconds {
        if let Some(failure) = campaign.step(quick) {
            println!("{failure}");
        }
        if said.elapsed() >= REPORT {
            said = Instant::now();
            println!("seed {seed}, {:?}: {:?}", begun.elapsed(), campaign.tally);
        }
    }
    println!("seed {seed}, {:?}: {:?}", begun.elapsed(), campaign.tally);
    for failure in campaign.failures.values() {
        println!("{failure}");
    }
    ExitCode::from(u8::from(!campaign.failures.is_empty()))
}
