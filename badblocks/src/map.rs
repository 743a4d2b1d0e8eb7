// SPDX-License-Identifier: GPL-2.0

//! The readers' half.

use core::ops::{Deref, DerefMut};

use crate::error::NewError;
use crate::extent::Extent;
use crate::index::{blocks, Index};
use crate::layout::Layout;
use crate::search::Words;
use crate::sync::{unique, Acquire, AtomicU64, Relaxed};

/// The bad sectors of one device.
///
/// Sectors are 512 bytes, numbered from 0 as the device's own. See the [crate documentation](crate)
/// for what readers may rely on while a writer is at work.
///
/// # Invariants
///
/// Whenever no writer is at work:
///
/// - bit `i` of *any* level `k + 1` is set exactly if word `i` of *any* level `k` is not 0;
/// - bit `i` of *full* level `k + 1` is set exactly if word `i` of *full* level `k` is all ones;
/// - no bit of a sector past the last one is set;
/// - `bad` is the number of bits set in level 0.
pub struct Badblocks<S> {
    /// Bad sectors, the hot check's one load.
    pub(crate) bad: AtomicU64,
    /// Sectors of the device.
    pub(crate) sectors: u64,
    /// What makes this map's index its own.
    pub(crate) id: u64,
    storage: S,
    layout: Layout,
}

impl<S: Deref<Target = [AtomicU64]>> Badblocks<S> {
    /// A map of `sectors` sectors, all good, and the index that whoever changes it needs.
    ///
    /// `map` holds at least [`words_needed`](crate::words_needed) words and `index` at least
    /// [`index_words_needed`](crate::index_words_needed); both are zeroed here and never grow. Nothing
    /// else may write to them as long as the map lives: that would not be unsafe, but bad sectors
    /// could be missed.
    ///
    /// # Errors
    ///
    /// If there is no sector or there are too many, or either storage is too short.
    pub fn new<T>(map: S, index: T, sectors: u64) -> Result<(Self, Index<T>), NewError>
    where
        T: DerefMut<Target = [u64]>,
    {
        let layout = Layout::new(sectors).ok_or(NewError::Size { sectors })?;
        let blocks = blocks(sectors).ok_or(NewError::Size { sectors })?;
        let words = map.get(..layout.words).ok_or(NewError::Map {
            needed: layout.words,
            given: map.len(),
        })?;
        for word in words {
            word.store(0, Relaxed);
        }
        let id = unique();
        let index = Index::new(index, blocks, id)?;
        let map = Self {
            bad: AtomicU64::new(0),
            sectors,
            id,
            storage: map,
            layout,
        };
        Ok((map, index))
    }

    pub(crate) fn words(&self) -> Words<'_> {
        Words {
            words: &self.storage,
            layout: &self.layout,
        }
    }

    /// The sectors of the device, good and bad.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// How many sectors are bad.
    #[inline]
    pub fn bad_sectors(&self) -> u64 {
        self.bad.load(Acquire)
    }

    /// Whether the whole device is good.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bad_sectors() == 0
    }

    /// Whether one of `sectors` sectors from `sector` on is bad.
    ///
    /// What lies beyond the device is not bad. Made for the I/O path: one load and one branch as
    /// long as the device is good.
    #[inline]
    pub fn any_in(&self, sector: u64, sectors: u64) -> bool {
        !self.is_empty() && self.any_near(sector, sectors)
    }

    /// Kept out of line, so that the caller's way past it stays short.
    #[inline(never)]
    fn any_near(&self, sector: u64, sectors: u64) -> bool {
        let end = sector.saturating_add(sectors).min(self.sectors);
        let words = self.words();
        may_have_bad(&words, sector, end) && words.next_bad(sector, end).is_some()
    }

    /// The first run of bad sectors among `sectors` sectors from `sector` on, cut to them.
    ///
    /// What lies beyond the device is not bad.
    #[inline]
    pub fn first_in(&self, sector: u64, sectors: u64) -> Option<Extent> {
        if self.is_empty() {
            return None;
        }
        self.first_near(sector, sectors)
    }

    #[inline(never)]
    fn first_near(&self, sector: u64, sectors: u64) -> Option<Extent> {
        let end = sector.saturating_add(sectors).min(self.sectors);
        if !may_have_bad(&self.words(), sector, end) {
            return None;
        }
        self.next_before(sector, end)
    }

    /// The first run of bad sectors from `sector` on, up to the next good one.
    ///
    /// If `sector` is inside a run the answer starts there.
    pub fn next_range(&self, sector: u64) -> Option<Extent> {
        self.next_before(sector, self.sectors)
    }

    /// The first run of bad sectors from `sector` on, cut at `end`, which is within the device.
    pub(crate) fn next_before(&self, sector: u64, end: u64) -> Option<Extent> {
        let words = self.words();
        let start = words.next_bad(sector, end)?;
        // A sector found bad is reported, even if it is cleared before its end is looked for.
        let end = words.end_of_bad(start.wrapping_add(1), end);
        Extent::between(start, end)
    }
}

/// Whether the first summary has something about sectors `sector` to `end`, or cannot tell in two
/// looks.
///
/// Two of its words cover 4 MiB, so that every I/O of up to 2 MiB is told.
#[inline]
fn may_have_bad(words: &Words<'_>, sector: u64, end: u64) -> bool {
    if sector >= end {
        return false;
    }
    let first = sector / 64;
    let last = end.wrapping_sub(1) / 64;
    let summary = |word| words.any(1, word).map_or(0, |w| w.load(Acquire));
    let head: u64 = !0 << (first % 64);
    let tail: u64 = !0 >> (63 - last % 64);
    match (last / 64).wrapping_sub(first / 64) {
        0 => summary(first / 64) & head & tail != 0,
        1 => summary(first / 64) & head != 0 || summary(last / 64) & tail != 0,
        _ => true,
    }
}
