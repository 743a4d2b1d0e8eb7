// SPDX-License-Identifier: GPL-2.0

//! Freeing an inode in the transaction that takes its last name.

use core::mem::offset_of;

use zerocopy_derive::FromZeros;

use super::words::links;
use crate::alloc::free_run;
use crate::format::{ExtentRecord, Inode, Root, INLINE_EXTENTS, UNWRITTEN};
use crate::inode::{free_inode, inode_word, is_listed, xattr_root, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// The words of bitmaps that freeing may change: half of the record is for all else.
const MAX_WORDS: u64 = 100;

/// What an inode has that is freed with it: few enough blocks for one record. It is part of the workspace, so that it
/// is on nobody's stack.
#[derive(FromZeros)]
pub(crate) struct Last {
    ino: u64,
    /// Its data and its attributes: the first block of each, and how many.
    runs: [[u64; 2]; INLINE_EXTENTS + 1],
    count: usize,
}

impl Last {
    /// Of nothing.
    pub(crate) const fn new() -> Self {
        Self {
            ino: 0,
            runs: [[0; 2]; INLINE_EXTENTS + 1],
            count: 0,
        }
    }

    /// Finds out what an inode has, whose last name goes. Returns whether it can be freed with that: not if it has
    /// other names, something else is left to do for it, or a record has no room for all its blocks. Then it
    /// becomes an orphan. What makes no sense is for [`Files::finish`](crate::file::Files::finish) to judge, too.
    #[inline(never)]
    pub(super) fn find<P: Platform>(
        &mut self,
        volume: &Volume<P>,
        map: &MapState,
        directory: bool,
    ) -> Result<bool> {
        let word = |field| volume.word(inode_word(map.ino, field));
        if (!directory && links(volume, map.ino)? != 1)
            || word(offset_of!(Inode, intent))? != 0
            || is_listed(volume, map.ino)?
        {
            return Ok(false);
        }
        self.ino = map.ino;
        self.count = 0;
        let extents = match Root::from_word(word(offset_of!(Inode, root))?) {
            Some(Root::Empty | Root::Target(_) | Root::Entries(0) | Root::Device) => 0,
            Some(Root::Extents(count)) if usize::from(count) <= INLINE_EXTENTS => count,
            _ => return Ok(false),
        };
        let first = inode_word(map.ino, offset_of!(Inode, inline));
        for at in 0..u64::from(extents) {
            let record: ExtentRecord = volume.get(first + at * size_of::<ExtentRecord>() as u64)?;
            let block = record.block.get() & (UNWRITTEN - 1);
            self.push(block, u64::from(record.count.get()))?;
        }
        if let Some(run) = xattr_root(volume, map.ino)?.run() {
            self.push(run.block, run.count)?;
        }
        let words = self.runs().map(|[_, count]| count / 64 + 3).sum::<u64>();
        Ok(words <= MAX_WORDS)
    }

    fn push(&mut self, block: u64, count: u64) -> Result {
        let place = self.runs.get_mut(self.count).ok_or(Error::Corrupt)?;
        *place = [block, count];
        self.count += 1;
        Ok(())
    }

    fn runs(&self) -> impl Iterator<Item = [u64; 2]> + '_ {
        self.runs.iter().take(self.count).copied()
    }

    /// Frees all of it, and the inode. Nothing is allocated after that, and no word of the inode is set.
    #[inline(never)]
    pub(super) fn free<P: Platform>(&self, tx: &mut Transaction<'_, P>) -> Result {
        for [block, count] in self.runs() {
            free_run(tx, block, count, false)?;
        }
        free_inode(tx, self.ino)
    }
}
