// SPDX-License-Identifier: GPL-2.0

//! From an inode to the next one in use.

use core::mem::offset_of;

use super::Inodes;
use crate::format::{
    block_offset, group_metadata, group_of, group_start, inode_block, inode_number, inode_slot,
    InodeChunk, CHUNK_FULL, CHUNK_SLOTS, GROUP_BLOCKS, INODE_CHUNK_MAGIC,
};
use crate::platform::Platform;
use crate::source::Source;
use crate::Result;

impl<P: Platform> Inodes<'_, P> {
    /// The first inode in use whose number is greater than `after`; 0 is before all. The owner of the bad blocks is
    /// passed over. It may be gone or be another one when the caller opens it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io); what is damaged is passed over.
    pub fn next(self, after: u64) -> Result<Option<u64>> {
        let mut block = inode_block(after);
        let mut above = inode_slot(after);
        while block < self.volume.blocks() && group_of(block) < self.volume.groups() {
            let place = block % GROUP_BLOCKS;
            let bitmap = block_offset(group_metadata(group_of(block)));
            let marked = self.volume.word(bitmap + place / 64 * 8)? >> (place % 64);
            if marked == 0 {
                // None in the rest of the word.
                block = group_start(group_of(block)) + (place / 64 + 1) * 64;
                above = 0;
                continue;
            }
            if marked & 1 == 0 {
                block += u64::from(marked.trailing_zeros());
                above = 0;
                continue;
            }
            if let Some(slot) = self.used_slot(block, above)? {
                let ino = inode_number(block, slot);
                if ino != self.volume.bad_blocks_owner() {
                    return Ok(Some(ino));
                }
                above = slot;
                continue;
            }
            block += 1;
            above = 0;
        }
        Ok(None)
    }

    /// The first slot in use above another, if the block is an inode chunk.
    fn used_slot(self, block: u64, above: u64) -> Result<Option<u64>> {
        if self.volume.check_block(block).is_err() {
            return Ok(None);
        }
        let base = block_offset(block);
        if self.volume.word(base)? as u32 != INODE_CHUNK_MAGIC {
            return Ok(None);
        }
        let used = self
            .volume
            .word(base + offset_of!(InodeChunk, used) as u64)?
            & CHUNK_FULL;
        let later = if above + 1 < CHUNK_SLOTS {
            used >> (above + 1) << (above + 1)
        } else {
            0
        };
        Ok((later != 0).then(|| u64::from(later.trailing_zeros())))
    }
}
