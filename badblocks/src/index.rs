// SPDX-License-Identifier: GPL-2.0

//! The writer's half.

use core::ops::DerefMut;

use crate::cursors::Cursors;
use crate::error::NewError;
use crate::extent::Extent;
use crate::fenwick;
use crate::line::line_len;

/// Sectors of a block, the grain of the text index.
pub(crate) const BLOCK: u64 = 512;

/// How many blocks `sectors` sectors are; `None` if more than this machine can address.
pub(crate) fn blocks(sectors: u64) -> Option<usize> {
    usize::try_from(sectors.div_ceil(BLOCK)).ok()
}

/// How many `u64` the index of a device of `sectors` sectors takes: one in 256 KiB.
///
/// `None` where [`words_needed`](crate::words_needed) says so too.
pub fn index_words_needed(sectors: u64) -> Option<usize> {
    crate::words_needed(sectors)?;
    blocks(sectors)
}

/// The right to change one map, and what only its changers and the printers of its text need.
///
/// Made with its map by [`Badblocks::new`](crate::Badblocks::new), and of no use with another.
/// Whoever shares a map keeps this in a lock; which kind is the caller's choice, nothing done with
/// it sleeps.
///
/// # Invariants
///
/// - `tree` sums, for each block of sectors, the bytes of the lines of the ranges that start in it;
/// - `text_len` is the sum of all of them, and `ranges` their number.
pub struct Index<T> {
    /// The map's `id`.
    pub(crate) map: u64,
    pub(crate) cursors: Cursors,
    tree: T,
    blocks: usize,
    text_len: u64,
    ranges: u64,
}

impl<T: DerefMut<Target = [u64]>> Index<T> {
    pub(crate) fn new(mut tree: T, blocks: usize, map: u64) -> Result<Self, NewError> {
        let given = tree.len();
        let words = tree.get_mut(..blocks).ok_or(NewError::Index {
            needed: blocks,
            given,
        })?;
        words.fill(0);
        Ok(Self {
            map,
            cursors: Cursors::new(),
            tree,
            blocks,
            text_len: 0,
            ranges: 0,
        })
    }

    /// How many ranges there are, each as long as it can be: the lines of the text.
    pub fn ranges(&self) -> u64 {
        self.ranges
    }

    /// How many bytes the whole text has now.
    pub fn text_len(&self) -> u64 {
        self.text_len
    }

    /// The block in which byte `offset` of the text is, and the bytes of all blocks before it.
    pub(crate) fn find(&self, offset: u64) -> Option<(u64, u64)> {
        let (block, before) = fenwick::find(self.tree.get(..self.blocks)?, offset)?;
        Some((block as u64, before))
    }

    /// The sums, for the tests to compare.
    #[cfg(test)]
    pub(crate) fn tree(&self) -> &[u64] {
        &self.tree[..self.blocks]
    }

    /// Begins to count ranges in and out.
    pub(crate) fn tally(&mut self) -> Tally<'_, T> {
        Tally {
            index: self,
            block: 0,
            delta: 0,
        }
    }
}

/// Ranges on their way into or out of an index.
///
/// Gathers what happens in one block and tells the tree once, since a write that touches many
/// ranges touches many in a block.
pub(crate) struct Tally<'a, T> {
    index: &'a mut Index<T>,
    block: u64,
    /// What the block's bytes grow by, modulo 2^64.
    delta: u64,
}

impl<T: DerefMut<Target = [u64]>> Tally<'_, T> {
    /// A range that is no longer there.
    pub(crate) fn remove(&mut self, range: Extent) {
        let bytes = line_len(range);
        self.index.ranges = self.index.ranges.wrapping_sub(1);
        self.index.text_len = self.index.text_len.wrapping_sub(bytes);
        self.count(range.start(), bytes.wrapping_neg());
    }

    /// A range that is new.
    pub(crate) fn add(&mut self, range: Extent) {
        let bytes = line_len(range);
        self.index.ranges = self.index.ranges.wrapping_add(1);
        self.index.text_len = self.index.text_len.wrapping_add(bytes);
        self.count(range.start(), bytes);
    }

    fn count(&mut self, sector: u64, delta: u64) {
        let block = sector / BLOCK;
        if block != self.block {
            self.flush();
            self.block = block;
        }
        self.delta = self.delta.wrapping_add(delta);
    }

    /// Tells the tree what is still gathered.
    pub(crate) fn flush(&mut self) {
        if self.delta != 0 {
            let tree = self.index.tree.get_mut(..self.index.blocks);
            if let (Some(tree), Ok(block)) = (tree, usize::try_from(self.block)) {
                fenwick::add(tree, block, self.delta);
            }
            self.delta = 0;
        }
    }
}
