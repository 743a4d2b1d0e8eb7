// SPDX-License-Identifier: GPL-2.0

//! Damages volumes for so many seconds: `campaign SECONDS [SEED]`. Says where it panicked, how often, and
//! with which bytes it first did, and exits with status 1 if it did at all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::trial::{run, Tally};

thread_local! {
    static PANIC: RefCell<(String, String)> = RefCell::default();
}

/// xorshift64*.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

fn number(at: usize, default: u64) -> u64 {
    let argument = std::env::args().nth(at);
    argument.map_or(default, |text| text.parse().expect("it is a number"))
}

fn main() -> ExitCode {
    let seconds = Duration::from_secs(number(1, 60));
    let seed = number(2, 1);
    let bases = corpus();
    set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        PANIC.with_borrow_mut(|panic| *panic = (place, info.to_string()));
    }));
    let mut found: BTreeMap<String, (u64, String, Vec<u8>)> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let begun = Instant::now();
    while begun.elapsed() < seconds {
        let len = 8 + next(&mut state) % 56;
        let data: Vec<u8> = (0..len).map(|_| (next(&mut state) >> 56) as u8).collect();
        let result = catch_unwind(AssertUnwindSafe(|| run(&bases, &data, &mut tally)));
        if result.is_err() {
            let (place, message) = PANIC.take();
            let (times, ..) = found.entry(place).or_insert((0, message, data));
            *times += 1;
        }
    }
    println!("seed {seed}: {tally:?}");
    for (place, (times, message, data)) in &found {
        println!("{place}: {times} times\n  {message}\n  {data:?}");
    }
    ExitCode::from(u8::from(!found.is_empty()))
}
