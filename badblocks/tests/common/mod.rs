// SPDX-License-Identifier: GPL-2.0

//! What the tests share: a map on the heap, and the plainest model of one.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use badblocks::{index_words_needed, words_needed, AtomicU64, Badblocks, Extent, Index};

pub(crate) type Map = Badblocks<Vec<AtomicU64>>;
pub(crate) type MapIndex = Index<Vec<u64>>;

/// A map in storage that is dirty and larger than need be.
pub(crate) fn map(sectors: u64) -> (Map, MapIndex) {
    let words = words_needed(sectors).unwrap() + 3;
    let map = (0..words).map(|_| AtomicU64::new(!0)).collect();
    let index = vec![!0; index_words_needed(sectors).unwrap() + 1];
    Badblocks::new(map, index, sectors).unwrap()
}

/// Three reads of one truth: a bool a sector.
pub(crate) struct Model(pub(crate) Vec<bool>);

impl Model {
    pub(crate) fn new(sectors: u64) -> Self {
        Self(vec![false; sectors as usize])
    }

    /// Makes the sectors bad or good; how many were not yet.
    pub(crate) fn change(&mut self, sector: u64, sectors: u64, bad: bool) -> u64 {
        let mut changed = 0;
        for is_bad in &mut self.0[sector as usize..(sector + sectors) as usize] {
            changed += u64::from(*is_bad != bad);
            *is_bad = bad;
        }
        changed
    }

    /// The maximal ranges.
    pub(crate) fn ranges(&self) -> Vec<Extent> {
        self.ranges_in(0, self.0.len() as u64)
    }

    /// The runs of bad sectors in `sector..end`, cut to it.
    pub(crate) fn ranges_in(&self, sector: u64, end: u64) -> Vec<Extent> {
        let mut ranges = Vec::new();
        let mut start = None;
        for at in sector..=end {
            let bad = at < end && self.0.get(at as usize).copied().unwrap_or(false);
            match (bad, start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    ranges.push(Extent::new(from, at - from).unwrap());
                    start = None;
                }
                _ => {}
            }
        }
        ranges
    }

    pub(crate) fn text(&self) -> String {
        self.ranges().iter().map(|r| format!("{r}\n")).collect()
    }
}

/// All ranges that `map` reports, one search after another.
pub(crate) fn ranges(map: &Map) -> Vec<Extent> {
    let mut from = 0;
    std::iter::from_fn(|| {
        let range = map.next_range(from)?;
        from = range.end();
        Some(range)
    })
    .collect()
}

/// The whole text, read as `cat` does with a buffer of `room` bytes.
pub(crate) fn text(map: &Map, index: &mut MapIndex, cookie: u64, room: usize) -> String {
    let mut text = Vec::new();
    let mut buf = vec![0; room];
    loop {
        let len = map.read_text(index, cookie, text.len() as u64, &mut buf);
        if len == 0 {
            return String::from_utf8(text).unwrap();
        }
        text.extend_from_slice(&buf[..len]);
    }
}
