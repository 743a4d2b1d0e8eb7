// SPDX-License-Identifier: GPL-2.0

//! Readers without a lock beside a writer: what the crate's documentation promises them, in every
//! order of the steps and with every value that the memory model lets a load see.
//!
//! `make test-host` runs this twice: with loom, which tries them all up to a number of preemptions,
//! and with the machine's own threads. `make miri` runs it in Miri, which picks them by a seed.
//!
//! A test whose name ends in `_is_caught` breaks a rule on purpose: it passes when the checker finds
//! that out. Only loom is sure to.

#[path = "../common/mod.rs"]
mod common;
mod explore;
mod promises;
mod repair;
mod text;

use badblocks::Extent;
use common::{map, Map, MapIndex};
use explore::{Arc, AtomicU64};
use std::sync::atomic::Ordering::{Acquire, Release};

/// One word of sectors under one summary word.
const ONE_WORD: u64 = 64;
/// Three words of sectors under one summary word.
const TWO_LEVELS: u64 = 130;
/// The least that has two levels of summaries.
const THREE_LEVELS: u64 = 64 * 64 + 1;

/// A map in which these ranges are bad, for threads to share.
fn with_bad(sectors: u64, bad: &[(u64, u64)]) -> (Arc<Map>, MapIndex) {
    let (map, mut index) = map(sectors);
    for &(sector, len) in bad {
        map.set(&mut index, sector, len).unwrap();
    }
    (Arc::new(map), index)
}

/// How one thread tells another that it is done.
#[derive(Clone)]
struct Word(Arc<AtomicU64>);

impl Word {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(0)))
    }

    fn send(&self) {
        self.0.store(1, Release);
    }

    fn has_come(&self) -> bool {
        self.0.load(Acquire) == 1
    }
}

/// Whether the runs of `sector..end`, looked up one after another as the DAX path does, have `wanted`.
fn runs_have(map: &Map, sector: u64, end: u64, wanted: u64) -> bool {
    let mut from = sector;
    while let Some(run) = map.first_in(from, end - from) {
        assert!(run.start() >= from && run.end() <= end);
        if run.start() <= wanted && wanted < run.end() {
            return true;
        }
        from = run.end();
    }
    false
}

fn extent(sector: u64, sectors: u64) -> Extent {
    Extent::new(sector, sectors).unwrap()
}
