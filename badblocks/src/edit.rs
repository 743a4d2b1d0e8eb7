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
            let before = Extent::between(self.start_of(bad, gone), bad.start());
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

    /// Where the range of `bad`, found inside `gone`, starts: only its first part can reach back.
    fn start_of(&self, bad: Extent, gone: Extent) -> u64 {
        if bad.start() == gone.start() {
            self.words().start_of_bad(bad.start())
        } else {
            bad.start()
        }
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
        // There is one writer, so the word does not change between the load and the change; the
        // change is still an atomic one, so that it could never undo another.
        let old = word.load(Relaxed);
        any_pristine |= old == pristine;
        if bad && old & mask != mask {
            word.fetch_or(mask, Release);
        } else if !bad && old & mask != 0 {
            word.fetch_and(!mask, Release);
        }
    }
    any_pristine
}
