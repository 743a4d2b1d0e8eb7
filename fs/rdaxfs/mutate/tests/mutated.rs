// SPDX-License-Identifier: GPL-2.0

//! Damaged volumes by the ten thousand. `RDAXFS_MUTATE_TRIALS` says how many; `examples/campaign.rs` goes on for as
//! long as it is told to, and `make fuzz` lets libFuzzer choose.

use rdaxfs_mutate::campaign::Campaign;
use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::repair::{repair, Repaired};

/// Some ten seconds' worth.
const TRIALS: u64 = 40_000;
/// For each full trial.
const QUICK: u64 = 9;
const SEED: u64 = 4;

#[test]
fn what_is_not_damaged_needs_no_repair() {
    for base in corpus() {
        let rounds = repair(base.undamaged());
        assert_eq!(rounds, Repaired::Good(0), "{}", base.name);
    }
}

#[test]
fn whatever_is_damaged_ends_and_can_be_repaired() {
    let trials = std::env::var("RDAXFS_MUTATE_TRIALS");
    let trials = trials.map_or(TRIALS, |text| text.parse().expect("it is a number"));
    let mut campaign = Campaign::new(SEED);
    for _ in 0..trials {
        campaign.step(QUICK);
    }
    let tally = campaign.tally;
    println!("seed {SEED}: {tally:?}");
    for failure in campaign.failures.values() {
        println!("{failure}");
    }
    assert_eq!(campaign.failures.len(), 0, "see above");
    // Most of the damage leaves something to do.
    assert!(tally.mounted > trials / 2 && tally.wrong > trials / 3);
    assert!(tally.repaired > tally.full * 19 / 10 && tally.succeeded > tally.operations / 4);
    // What is not touched is lost when no superblock is left, and for next to no other reason.
    assert!(tally.lossy * 1000 < tally.full, "{tally:?}");
}
