// SPDX-License-Identifier: GPL-2.0

//! A list of at most 512 entries that is asked for any number of bad sectors, against all of them at once.

use proptest::prelude::*;
use rpmem_regions::windows::in_windows;
use std::collections::BTreeSet;

/// Entries of libnvdimm's list; sectors that always fit one.
const ENTRIES: usize = 512;
const LEAST: u64 = 512;

/// What comes of asking for `total` sectors, and how often `ask` was called.
fn asked(total: u64, bad: &BTreeSet<u64>) -> (Vec<u64>, u32) {
    let (mut found, mut calls) = (Vec::new(), 0);
    in_windows::<()>(total, LEAST, |first, sectors| {
        calls += 1;
        assert!(sectors > 0 && first + sectors <= total);
        let here: Vec<u64> = bad
            .range(first..first + sectors)
            .copied()
            .take(ENTRIES)
            .collect();
        if here.len() == ENTRIES && sectors > LEAST {
            return Ok(false);
        }
        found.extend(here);
        Ok(true)
    })
    .unwrap();
    (found, calls)
}

fn all_are_found(total: u64, bad: BTreeSet<u64>) -> u32 {
    let (found, calls) = asked(total, &bad);
    assert!(
        found.iter().eq(bad.iter()),
        "{} of {}",
        found.len(),
        bad.len()
    );
    calls
}

#[test]
fn few_are_asked_for_at_once() {
    assert_eq!(
        all_are_found(1 << 31, BTreeSet::from([0, 7, (1 << 31) - 1])),
        1
    );
    assert_eq!(all_are_found(0, BTreeSet::new()), 0);
    assert_eq!(all_are_found(1, BTreeSet::from([0])), 1);
}

#[test]
fn more_than_the_list_holds() {
    // Every other sector of the last MiB of a TiB.
    let total = 1_u64 << 31;
    let calls = all_are_found(total, (total - 2048..total).step_by(2).collect());
    assert!(calls < 100, "{calls} calls");
    // All sectors, and exactly as many as the list has entries.
    all_are_found(10_000, (0..10_000).collect());
    all_are_found(100_000, (0..100_000).step_by(196).take(ENTRIES).collect());
    all_are_found(
        100_000,
        (0..100_000).step_by(196).take(ENTRIES - 1).collect(),
    );
}

#[test]
fn an_error_ends_it() {
    let mut calls = 0;
    let outcome = in_windows(5000, LEAST, |first, _| {
        calls += 1;
        if first == 0 {
            Ok(calls > 1)
        } else {
            Err("no memory")
        }
    });
    assert_eq!((outcome, calls), (Err("no memory"), 3));
}

proptest! {
    #[test]
    fn any_set(
        total in 1_u64..40_000,
        seeds in prop::collection::vec((0_u64..40_000, 1_u64..3000), 0..8),
    ) {
        let bad: BTreeSet<u64> = seeds
            .iter()
            .flat_map(|&(start, length)| start..start + length)
            .filter(|&sector| sector < total)
            .collect();
        all_are_found(total, bad);
    }
}
