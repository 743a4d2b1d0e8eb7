// SPDX-License-Identifier: GPL-2.0

//! What locks guard, so that a build with debug assertions finds a word that is set without its lock.

use super::Stamp;

/// What the lock guards that a [`Stamp`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// An inode and its contents: all but the following.
    Contents(u64),
    /// An inode's attributes.
    Xattrs(u64),
    /// An inode that is being made, of which no word is set that can be reached.
    New,
    /// A group. Its guard knows its number.
    Group,
    /// The superblock.
    Super,
}

#[cfg(debug_assertions)]
mod check {
    use core::mem::offset_of;

    use zerocopy::IntoBytes;

    use super::Guarded;
    use crate::format::{
        block_offset, group_bitmap, group_header, group_metadata, group_of, inode_number, Inode,
        NodeHeader, BLOCK_SHIFT, DIRECTORY_LEAF_MAGIC, EXTENT_LEAF_MAGIC, INNER_MAGIC,
        INODE_CHUNK_MAGIC, INODE_SIZE,
    };
    use crate::journal::log::Entry;
    use crate::journal::Transaction;
    use crate::platform::Platform;
    use crate::source::Source;
    use crate::tree;
    use crate::volume::Volume;
    use crate::Result;

    impl<P: Platform> Transaction<'_, P> {
        /// Panics if a word on the list is under no lock that the transaction has.
        ///
        /// # Errors
        ///
        /// Those of reading: a test that lets one read fail is to see it fail.
        pub(in crate::journal) fn check_guards(&self) -> Result {
            let mut last = None;
            for entry in self.log.entries() {
                let Entry::Store { offset, .. } = entry else {
                    continue;
                };
                let block = offset >> BLOCK_SHIFT;
                let head = match last {
                    Some((known, head)) if known == block => head,
                    _ => Head::read(self.volume, block)?,
                };
                last = Some((block, head));
                let is_guarded = self.is_guarded(block, offset - block_offset(block), head);
                assert!(
                    is_guarded,
                    "the word at {offset} ({head:?}) is set without its lock"
                );
            }
            Ok(())
        }

        fn has(&self, guarded: Guarded) -> bool {
            let mut stamps = self.stamps.iter().flatten();
            stamps.any(|stamp| stamp.guarded == guarded)
        }

        fn is_guarded(&self, block: u64, at: u64, head: Head) -> bool {
            let group = group_of(block);
            match head {
                Head::Super => self.superblock.is_some(),
                Head::Group => self.has_group(group),
                Head::Chunk => {
                    let (slot, field) = (at / INODE_SIZE, (at % INODE_SIZE) as usize);
                    let ino = inode_number(block, slot);
                    let of_group = [
                        offset_of!(Inode, orphan_next),
                        offset_of!(Inode, orphan_prev),
                    ];
                    if slot == 0 || of_group.contains(&field) {
                        self.has_group(group)
                    } else if field == offset_of!(Inode, xattrs) {
                        self.has(Guarded::Xattrs(ino)) && self.has(Guarded::Contents(ino))
                    } else {
                        self.has(Guarded::Contents(ino))
                    }
                }
                Head::Node(owner) => self.has(Guarded::Contents(owner)),
                Head::Unknown => true,
            }
        }
    }

    /// What a block is.
    #[derive(Clone, Copy, Debug)]
    enum Head {
        Super,
        Group,
        Chunk,
        /// Of the inode with that number.
        Node(u64),
        /// It was damaged after it had been judged.
        Unknown,
    }

    impl Head {
        fn read<P: Platform>(volume: &Volume<P>, block: u64) -> Result<Self> {
            let group = group_of(block);
            let of_group = [
                group_header(group),
                group_bitmap(group),
                group_metadata(group),
            ];
            if block == 0 || block + 1 == volume.blocks() {
                return Ok(Self::Super);
            }
            if of_group.contains(&block) {
                return Ok(Self::Group);
            }
            let header: NodeHeader = volume.get(block_offset(block))?;
            // A chunk's checksum is where a node's is, and covers the number of its block alone.
            let is_whole = |crc| header.block.get() == block && header.crc.get() == crc;
            let crc_of_chunk = || volume.platform().crc32c(0, header.block.as_bytes());
            Ok(match header.magic.get() {
                INODE_CHUNK_MAGIC if is_whole(crc_of_chunk()) => Self::Chunk,
                INNER_MAGIC | EXTENT_LEAF_MAGIC | DIRECTORY_LEAF_MAGIC
                    if is_whole(tree::checksum(volume, &header)) =>
                {
                    Self::Node(header.owner.get())
                }
                _ => Self::Unknown,
            })
        }
    }
}

impl Stamp {
    /// Says what its lock guards, once that has a number.
    pub(crate) fn guard(&mut self, guarded: Guarded) {
        #[cfg(debug_assertions)]
        {
            self.guarded = guarded;
        }
        #[cfg(not(debug_assertions))]
        let _ = guarded;
    }
}
