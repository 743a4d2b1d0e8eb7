// SPDX-License-Identifier: GPL-2.0

//! Damaged volumes by the thousand; `PROPTEST_CASES` says how many.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::mend::{mend, Mended};
use rdaxfs_mutate::trial::{run, Tally};
use rdaxfs_mutate::Memory;

/// A few seconds' worth; `examples/campaign.rs` goes on for as long as it is told to.
const CASES: u32 = 500;

#[test]
fn what_is_not_damaged_needs_no_mending() {
    for base in corpus() {
        let rounds = mend(&Memory::new(base.bytes.clone()));
        assert_eq!(rounds, Mended::Good(0), "{}", base.name);
    }
}

#[test]
fn whatever_is_damaged_ends_and_can_be_mended() {
    let bases = corpus();
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config.failure_persistence = None;
    let tally = RefCell::new(Tally::default());
    let data = prop::collection::vec(any::<u8>(), 8..48);
    let result = TestRunner::new(config).run(&data, |data| {
        run(&bases, &data, &mut tally.borrow_mut());
        Ok::<(), TestCaseError>(())
    });
    let tally = *tally.borrow();
    println!("{tally:?}");
    result.expect("each ends");
    assert!(tally.mounted > tally.volumes / 2);
    assert!(tally.mended > tally.volumes * 9 / 10);
    assert!(tally.unfinished * 50 <= tally.volumes);
}
