// SPDX-License-Identifier: GPL-2.0

//! Recording and clearing.

use core::ops::{Deref, DerefMut};

use crate::error::RangeError;
use crate::extent::Extent;
use crate::index::Index;
use crate::map::Badblocks;
use crate::search::{Tree, Words};
use crate::sync::{AtomicU64, Relaxed, Release};

impl<S: Deref<Target = [AtomicU64]>> Badblocks<S> {
    /// Records `sectors` sectors from `sector` on as bad, and says how many of them were not yet.
    ///
    /// Once this returns, readers see them. Allocates nothing and cannot run out of room.
    ///
    /// # Errors
    ///
    /// If the range is empty, wraps or leaves the device, or `index` belongs to another map. Then
    /// nothing has changed.
    pub fn set<T>(&self, index: &mut Index<T>, sector: u64, sectors: u64) -> Result<u64, RangeError>
    where
        T: DerefMut<Target = [u64]>,
    {
        let new = self.writable(index, sector, sectors)?;
        let words = self.words();

        // All that touches the new range is one range with it from now on.
        let start = words.start_of_bad(new.start());
        let end = words.end_of_bad(new.end(), self.sectors);
        let merged = Extent::between(start, end).ok_or(RangeError::Empty)?;

        let mut tally = index.tally();
        let mut already = 0u64;
        let mut from = start;
        while let Some(old) = self.next_before(from, end) {
            if old == merged {
                return Ok(0);
            }
            tally.remove(old);
            already = already.wrapping_add(old.sectors());
            from = old.end();
        }
        tally.add(merged);
        tally.flush();

        change(&words, new, true);
        let added = merged.sectors().wrapping_sub(already);
        self.bad.fetch_add(added, Release);
        Ok(added)
    }

    /// Makes `sectors` sectors from `sector` on good, exactly those, and says how many were bad.
    ///
    /// A range that reaches beyond them keeps what lies outside.
    ///
    /// # Errors
    ///
    /// If the range is empty, wraps or leaves the device, or `index` belongs to another map. Then
    /// nothing has changed.
    pub fn clear<T>(
        &self,
        index: &mut Index<T>,
        sector: u64,
        sectors: u64,
    ) -> Result<u64, RangeError>
    where
        T: DerefMut<Target = [u64]>,
    {
        let gone = self.writable(index, sector, sectors)?;
        let words = self.words();

        let mut tally = index.tally();
        let mut cleared = 0u64;
        let mut from = gone.start();
        while let Some(bad) = self.next_before(from, gone.end()) {
            // The whole range as it was, of which `bad` is the part to go.
            let before = Extent::between(words.start_of_bad(bad.start()), bad.start());
            let after = Extent::between(bad.end(), words.end_of_bad(bad.end(), self.sectors));
            let start = before.map_or(bad.start(), Extent::start);
            let end = after.map_or(bad.end(), Extent::end);
            if let Some(old) = Extent::between(start, end) {
                tally.remove(old);
            }
            for rest in [before, after].into_iter().flatten() {
                tally.add(rest);
            }
            change(&words, bad, false);
            cleared = cleared.wrapping_add(bad.sectors());
            from = bad.end();
        }
        tally.flush();
        self.bad.fetch_sub(cleared, Release);
        Ok(cleared)
    }

    /// The range, if `index` is this map's and the device has it.
    fn writable<T>(
        &self,
        index: &Index<T>,
        sector: u64,
        sectors: u64,
    ) -> Result<Extent, RangeError> {
        if index.map != self.id {
            return Err(RangeError::ForeignIndex);
        }
        if sectors == 0 {
            return Err(RangeError::Empty);
        }
        let range = Extent::new(sector, sectors).ok_or(RangeError::Wraps)?;
        if range.end() > self.sectors {
            return Err(RangeError::BeyondDevice {
                sectors: self.sectors,
            });
        }
        Ok(range)
    }
}

/// Sets or clears the bits of `range`, then the summaries upwards.
///
/// One of the two trees *spreads*: a word that was untouched has its bit changed as soon as one of
/// its own bits is. The other *gathers*: a word has its bit changed once all of its own bits are.
/// Setting spreads in *any* and gathers in *full*, clearing the other way round.
fn change(words: &Words<'_>, range: Extent, bad: bool) {
    let first = range.start();
    let last = range.end().wrapping_sub(1);
    let (spread, gather) = if bad {
        (Tree::Any, Tree::Full)
    } else {
        (Tree::Full, Tree::Any)
    };

    let mut pristine = change_bits(words, Tree::Any, 0, first, last, bad);
    let (mut low, mut high) = (first, last);
    for level in 1..words.layout.depth {
        // A word that had such bits already has told the levels above.
        if !pristine {
            break;
        }
        low /= 64;
        high /= 64;
        pristine = change_bits(words, spread, level, low, high, bad);
    }

    let whole = if bad { !0 } else { 0 };
    let is_whole = |level, word| {
        words
            .word(gather, level, word)
            .is_some_and(|w| w.load(Relaxed) == whole)
    };
    let (mut low, mut high) = (first, last);
    for level in 1..words.layout.depth {
        // All words between the first and the last are whole by now.
        low /= 64;
        high /= 64;
        if !is_whole(level.wrapping_sub(1), low) {
            low = low.wrapping_add(1);
        }
        if low <= high && !is_whole(level.wrapping_sub(1), high) {
            // Not below 0: `low` is 0 here only if its own word is whole.
            high = high.wrapping_sub(1);
        }
        if low > high || high == u64::MAX {
            break;
        }
        change_bits(words, gather, level, low, high, bad);
    }
}

/// Sets or clears bits `first` to `last`, both included, of one level.
///
/// Says whether one of the words had only bits of the other kind before.
fn change_bits(
    words: &Words<'_>,
    tree: Tree,
    level: usize,
    first: u64,
    last: u64,
    bad: bool,
) -> bool {
    let pristine = if bad { 0 } else { !0 };
    let mut any_pristine = false;
    for number in first / 64..=last / 64 {
        let Some(word) = words.word(tree, level, number) else {
            break;
        };
        let mut mask = !0;
        if number == first / 64 {
            mask &= !0 << (first % 64);
        }
        if number == last / 64 {
            mask &= !0 >> (63 - last % 64);
        }
        // There is one writer, so the word does not change between the load and the store.
        let old = word.load(Relaxed);
        any_pristine |= old == pristine;
        if bad && old & mask != mask {
            word.store(old | mask, Release);
        } else if !bad && old & mask != 0 {
            word.store(old & !mask, Release);
        }
    }
    any_pristine
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use crate::index::{blocks, BLOCK};
    use crate::line::line_len;
    use crate::search::Tree;
    use crate::sync::{AtomicU64, Relaxed};
    use crate::{fenwick, words_needed, Badblocks, Index};

    type Map = Badblocks<Vec<AtomicU64>>;

    /// What [`Badblocks`] and [`Index`] call their invariants. A summary that errs on the side of
    /// "look below" gives right answers, late, so that no test of answers would notice.
    fn check(map: &Map, index: &Index<Vec<u64>>) {
        let words = map.words();
        let mut len = map.sectors.div_ceil(64);
        for level in 1..words.layout.depth {
            for (tree, whole) in [(Tree::Any, 0), (Tree::Full, !0)] {
                for number in 0..len {
                    let below = words.word(tree, level - 1, number).unwrap().load(Relaxed);
                    let summary = words.word(tree, level, number / 64).unwrap().load(Relaxed);
                    let expected = (below == whole) == (whole == !0);
                    assert_eq!(summary >> (number % 64) & 1 == 1, expected);
                }
            }
            len = len.div_ceil(64);
        }
        assert_eq!(len, 1);

        let mut bytes = vec![0; blocks(map.sectors).unwrap()];
        let (mut ranges, mut bad, mut from) = (0, 0, 0);
        while let Some(range) = map.next_range(from) {
            bytes[(range.start() / BLOCK) as usize] += line_len(range);
            ranges += 1;
            bad += range.sectors();
            from = range.end();
        }
        assert_eq!(map.bad_sectors(), bad);
        assert_eq!(index.ranges(), ranges);
        assert_eq!(index.text_len(), bytes.iter().sum());
        let mut tree = vec![0; bytes.len()];
        for (block, &bytes) in bytes.iter().enumerate() {
            fenwick::add(&mut tree, block, bytes);
        }
        assert_eq!(index.tree(), tree);
    }

    #[test]
    fn summaries_and_sums_are_exact() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for sectors in [1, 64, 65, 4096, 4097, 10_000, (1 << 18) + 77] {
            let storage = (0..words_needed(sectors).unwrap()).map(|_| AtomicU64::new(0));
            let tree = vec![0; blocks(sectors).unwrap()];
            let (map, mut index) = Map::new(storage.collect(), tree, sectors).unwrap();
            for _ in 0..300 {
                let sector = random(sectors);
                let longest = [3, 200, 10_000, sectors][random(4) as usize];
                let len = (1 + random(longest)).min(sectors - sector);
                if random(5) < 3 {
                    map.set(&mut index, sector, len).unwrap();
                } else {
                    map.clear(&mut index, sector, len).unwrap();
                }
                check(&map, &index);
            }
            map.set(&mut index, 0, sectors).unwrap();
            check(&map, &index);
            map.clear(&mut index, 0, sectors).unwrap();
            check(&map, &index);
        }
    }
}
