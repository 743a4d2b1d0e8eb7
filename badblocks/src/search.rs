// SPDX-License-Identifier: GPL-2.0

//! The searches: from a sector to the nearest bad or good one, past what the summaries rule out.
//!
//! All three climb while a word has nothing to offer beyond the position, and descend into the
//! first that has. A search ends because it never goes back: climbing passes at least one word of
//! the level, and descending keeps the position. So a summary bit that is out of date, as it may
//! be while a writer is at work, costs a look and no more.
//!
//! Nothing overflows, since a position of level k, times 64^k, is at most `MAX_SECTORS` rounded up.
//! The sums are wrapping ones all the same: a check of each would double the instructions.

use crate::layout::{Layout, LEVEL_BITS};
use crate::sync::{Acquire, AtomicU64};

/// A map's words and where the levels lie in them.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) words: &'a [AtomicU64],
    pub(crate) layout: &'a Layout,
}

/// Which summaries. Both stand on the sectors themselves as level 0.
#[derive(Clone, Copy)]
pub(crate) enum Tree {
    /// "That word is not zero."
    Any,
    /// "That word is all ones."
    Full,
}

impl<'a> Words<'a> {
    /// Word `word` of `level`; `None` past the end of the storage.
    #[inline]
    pub(crate) fn word(&self, tree: Tree, level: usize, word: u64) -> Option<&'a AtomicU64> {
        let level = self.layout.levels.get(level)?;
        let first = match tree {
            Tree::Any => level.any,
            Tree::Full => level.full,
        };
        let word = usize::try_from(word).ok()?;
        self.words.get(first.checked_add(word)?)
    }

    /// Word `word` of *any* level `level`.
    #[inline]
    pub(crate) fn any(&self, level: usize, word: u64) -> Option<&'a AtomicU64> {
        self.word(Tree::Any, level, word)
    }

    /// The bits of a word that a search for bad (or good) sectors looks for.
    #[inline]
    fn wanted(&self, bad: bool, level: usize, word: u64) -> u64 {
        if bad {
            self.any(level, word).map_or(0, |w| w.load(Acquire))
        } else {
            self.word(Tree::Full, level, word)
                .map_or(0, |w| !w.load(Acquire))
        }
    }

    /// Whether `sector` is bad.
    pub(crate) fn is_bad(&self, sector: u64) -> bool {
        (self.wanted(true, 0, sector / 64) >> (sector % 64)) & 1 == 1
    }

    /// The first sector from `from` on, before `end`, that is bad (or good).
    ///
    /// `end` is at most `MAX_SECTORS`.
    fn next(&self, bad: bool, from: u64, end: u64) -> Option<u64> {
        let mut level = 0usize;
        let mut shift = 0u32;
        let mut pos = from;
        while level < self.layout.depth && pos.wrapping_shl(shift) < end {
            let word = pos / 64;
            let bits = self.wanted(bad, level, word) & (!0 << (pos % 64));
            if bits == 0 {
                pos = word.wrapping_add(1);
                level = level.wrapping_add(1);
                shift = shift.wrapping_add(LEVEL_BITS);
                continue;
            }
            let found = (word << LEVEL_BITS) | u64::from(bits.trailing_zeros());
            if level == 0 {
                return (found < end).then_some(found);
            }
            pos = found << LEVEL_BITS;
            level = level.wrapping_sub(1);
            shift = shift.wrapping_sub(LEVEL_BITS);
        }
        None
    }

    /// The first bad sector from `from` on, before `end`.
    pub(crate) fn next_bad(&self, from: u64, end: u64) -> Option<u64> {
        self.next(true, from, end)
    }

    /// The first good sector from `from` on, or `end` if all before it are bad.
    pub(crate) fn end_of_bad(&self, from: u64, end: u64) -> u64 {
        self.next(false, from, end).unwrap_or(end)
    }

    /// The lowest sector from which on all before `sector` are bad: `sector` itself if the one
    /// before it is good.
    pub(crate) fn start_of_bad(&self, sector: u64) -> u64 {
        let mut level = 0usize;
        // The sector after the answer's word of the level, so that 0 means "none left".
        let mut after = sector;
        while level < self.layout.depth && after > 0 {
            let pos = after.wrapping_sub(1);
            let word = pos / 64;
            let bits = self.wanted(false, level, word) & (!0 >> (63 - pos % 64));
            if bits == 0 {
                after = word;
                level = level.wrapping_add(1);
                continue;
            }
            let found = (word << LEVEL_BITS) | u64::from(bits.ilog2());
            after = found.wrapping_add(1);
            if level == 0 {
                return after;
            }
            after <<= LEVEL_BITS;
            level = level.wrapping_sub(1);
        }
        0
    }
}
