// SPDX-License-Identifier: GPL-2.0

//! Which blocks have been judged since the mount, so that each is judged once.
//!
//! What is judged of a node's or an inode chunk's header is written once, before the block can be reached,
//! and stays until the block is given back, which drops the note, as taking one does. So a note is as good as judging again,
//! except for damage that comes while the volume is mounted. Another block may take a note's place in the
//! table: then the block is judged again.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::format::{MAX_BLOCKS, MAX_DEPTH};
use crate::platform::Platform;
use crate::volume::Volume;

/// How many notes there are: 32 KiB.
pub const JUDGED: usize = 4096;

/// What a block has been judged to be.
#[derive(Clone, Copy)]
pub(crate) enum Judged {
    /// A node of an inode's tree, of that level.
    Node {
        /// The inode.
        ino: u64,
        /// The level.
        level: u8,
        /// Whether it is of directory entries.
        directory: bool,
    },
    /// An inode chunk.
    Chunk,
}

/// A note says in its lowest six bits what the block is, then the inode, and on top of it which block.
const INODE_SHIFT: u32 = 6;
const BLOCK_SHIFT: u32 = 42;
const IS_NODE: u64 = 1 << 5;
const IS_DIRECTORY: u64 = 1 << 4;
const IS_CHUNK: u64 = 1 << 4;

impl Judged {
    /// The note, which no other block with that place in the table has. Never 0.
    #[inline]
    const fn note(self, block: u64) -> u64 {
        let what = match self {
            Self::Node {
                ino,
                level,
                directory,
            } => {
                let kind = if directory { IS_DIRECTORY } else { 0 };
                ino << INODE_SHIFT | IS_NODE | kind | (level & 15) as u64
            }
            Self::Chunk => IS_CHUNK,
        };
        what | (block / JUDGED as u64) << BLOCK_SHIFT
    }
}

// The block's bits that are not its place in the table, and an inode's number, do not overlap.
const _: () = assert!(MAX_BLOCKS / JUDGED as u64 <= 1 << (u64::BITS - BLOCK_SHIFT));
const _: () = assert!(MAX_BLOCKS * 16 <= 1 << (BLOCK_SHIFT - INODE_SHIFT) && MAX_DEPTH < 16);

impl<P: Platform> Volume<P> {
    #[inline]
    fn note(&self, block: u64) -> Option<&AtomicU64> {
        self.platform()
            .judged()?
            .get((block % JUDGED as u64) as usize)
    }

    /// Whether a block, which is one of the volume's, has been judged to be that.
    #[inline]
    pub(crate) fn is_judged(&self, block: u64, what: Judged) -> bool {
        self.note(block)
            .is_some_and(|note| note.load(Relaxed) == what.note(block))
    }

    /// A block has been judged. The caller has a lock without which it is not given back.
    #[inline]
    pub(crate) fn set_judged(&self, block: u64, what: Judged) {
        if let Some(note) = self.note(block) {
            note.store(what.note(block), Relaxed);
        }
    }

    /// Blocks are given back, or taken: where a bitmap is wrong, those that are taken may have been a node's.
    #[inline]
    pub(crate) fn forget_judged(&self, block: u64, count: u64) {
        for block in block..block + count {
            if let Some(note) = self.note(block) {
                // Another block's note stays.
                if note.load(Relaxed) >> BLOCK_SHIFT == block / JUDGED as u64 {
                    note.store(0, Relaxed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn no_two_blocks_or_uses_share_a_note() {
        let mut seen = HashSet::new();
        let blocks = [3, 3 + JUDGED as u64, MAX_BLOCKS - 1];
        for block in blocks {
            let place = block % JUDGED as u64;
            let mut uses = Vec::from([Judged::Chunk]);
            for ino in [33, 34, MAX_BLOCKS * 16 - 1] {
                for level in 0..=MAX_DEPTH as u8 {
                    for directory in [false, true] {
                        uses.push(Judged::Node {
                            ino,
                            level,
                            directory,
                        });
                    }
                }
            }
            for what in uses {
                let note = what.note(block);
                assert!(note != 0 && seen.insert((place, note)));
            }
        }
    }
}
