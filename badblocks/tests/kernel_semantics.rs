// SPDX-License-Identifier: GPL-2.0

//! The kernel's own meaning of injecting and clearing, where the two agree.
//!
//! A small model of what `block/badblocks.c` promises: a sorted list of ranges; setting merges with
//! all that it overlaps or touches, clearing trims, removes or splits. Left out, because the map has
//! nothing of the kind: the limit of 512 ranges, the cutting of ranges longer than 512 sectors
//! (BB_MAX_LEN) and the acknowledged bit that keeps touching ranges apart.

mod common;

use badblocks::Extent;
use common::{map, ranges};
use proptest::prelude::*;

fn extent(start: u64, end: u64) -> Extent {
    Extent::new(start, end - start).unwrap()
}

fn set(list: &mut Vec<Extent>, start: u64, end: u64) {
    let (mut start, mut end) = (start, end);
    list.retain(|old| {
        let touches = old.start() <= end && start <= old.end();
        if touches {
            start = start.min(old.start());
            end = end.max(old.end());
        }
        !touches
    });
    list.push(extent(start, end));
    list.sort();
}

fn clear(list: &mut Vec<Extent>, start: u64, end: u64) {
    let old = std::mem::take(list);
    for range in old {
        if range.end() <= start || end <= range.start() {
            list.push(range);
            continue;
        }
        if range.start() < start {
            list.push(extent(range.start(), start));
        }
        if end < range.end() {
            list.push(extent(end, range.end()));
        }
    }
}

/// The cases that the comment at the head of badblocks.c enumerates, one by one.
#[test]
fn case_by_case() {
    type Edit = (bool, u64, u64);
    type Case = (&'static str, &'static [Edit], &'static [(u64, u64)]);
    let cases: &[Case] = &[
        ("into the empty list", &[(true, 10, 4)], &[(10, 4)]),
        (
            "before the first",
            &[(true, 10, 4), (true, 0, 4)],
            &[(0, 4), (10, 4)],
        ),
        (
            "after the last",
            &[(true, 10, 4), (true, 20, 4)],
            &[(10, 4), (20, 4)],
        ),
        (
            "touching the front",
            &[(true, 10, 4), (true, 8, 2)],
            &[(8, 6)],
        ),
        (
            "touching the back",
            &[(true, 10, 4), (true, 14, 2)],
            &[(10, 6)],
        ),
        ("over the front", &[(true, 10, 4), (true, 8, 4)], &[(8, 6)]),
        ("over the back", &[(true, 10, 4), (true, 12, 4)], &[(10, 6)]),
        ("inside", &[(true, 10, 4), (true, 11, 2)], &[(10, 4)]),
        ("around", &[(true, 10, 4), (true, 8, 8)], &[(8, 8)]),
        ("the same", &[(true, 10, 4), (true, 10, 4)], &[(10, 4)]),
        (
            "between two",
            &[(true, 0, 4), (true, 8, 4), (true, 4, 4)],
            &[(0, 12)],
        ),
        (
            "over several",
            &[(true, 0, 2), (true, 4, 2), (true, 8, 2), (true, 1, 8)],
            &[(0, 10)],
        ),
        ("clear in the empty list", &[(false, 10, 4)], &[]),
        (
            "clear beside",
            &[(true, 10, 4), (false, 14, 4), (false, 0, 10)],
            &[(10, 4)],
        ),
        (
            "clear the front",
            &[(true, 10, 4), (false, 8, 4)],
            &[(12, 2)],
        ),
        (
            "clear the back",
            &[(true, 10, 4), (false, 12, 4)],
            &[(10, 2)],
        ),
        (
            "clear the middle: a split",
            &[(true, 10, 6), (false, 12, 2)],
            &[(10, 2), (14, 2)],
        ),
        ("clear all of one", &[(true, 10, 4), (false, 10, 4)], &[]),
        ("clear around", &[(true, 10, 4), (false, 8, 8)], &[]),
        (
            "clear over several",
            &[(true, 0, 4), (true, 8, 4), (true, 16, 4), (false, 2, 16)],
            &[(0, 2), (18, 2)],
        ),
    ];
    for (name, edits, expected) in cases {
        let (map, mut index) = map(1000);
        for &(bad, sector, sectors) in *edits {
            if bad {
                map.set(&mut index, sector, sectors).unwrap();
            } else {
                map.clear(&mut index, sector, sectors).unwrap();
            }
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|&(s, n)| Extent::new(s, n).unwrap())
            .collect();
        assert_eq!(ranges(&map), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn merging_and_splitting(
        edits in prop::collection::vec((any::<bool>(), 0..9_000u64, 1..600u64), 1..80)
    ) {
        let (map, mut index) = map(10_000);
        let mut list = Vec::new();
        for (bad, sector, sectors) in edits {
            if bad {
                map.set(&mut index, sector, sectors).unwrap();
                set(&mut list, sector, sector + sectors);
            } else {
                map.clear(&mut index, sector, sectors).unwrap();
                clear(&mut list, sector, sector + sectors);
            }
            prop_assert_eq!(&ranges(&map), &list);
        }
    }
}
