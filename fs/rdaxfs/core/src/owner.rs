// SPDX-License-Identifier: GPL-2.0

//! Whose a block is. Nothing on the medium says it: the inodes are walked.

use core::mem::offset_of;

use crate::format::{
    block_offset, group_bitmap, group_body, group_metadata, group_of, Inode, NodeHeader, Root,
    DIRECTORY_LEAF_MAGIC, EXTENT_LEAF_MAGIC, GROUP_BLOCKS, INNER_MAGIC, INODE_CHUNK_MAGIC,
};
use crate::handle::handle;
use crate::inode::{inode_word, xattr_root, MapState};
use crate::platform::Platform;
use crate::source::Source;
use crate::tree;
use crate::{Error, Result};

/// What a block is used for, as far as it says so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A copy of the superblock, or behind the last group and of no use.
    Superblock,
    /// The head of a group: its header or one of its bitmaps.
    Group(u32),
    /// A slot of the journal.
    Journal(u32),
    /// It is free.
    Free,
    /// Inodes.
    Inodes,
    /// A node of an inode's tree of extents or entries.
    Node {
        /// The inode.
        ino: u64,
    },
    /// Metadata that does not say what it is, in a damaged volume.
    Unknown,
    /// It is bad, and the bad-block owner's.
    Bad,
    /// A file's data or an inode's attributes: [`Inodes::next`](crate::inode::Inodes::next) and [`Owners::part_of`] find
    /// out whose.
    Data,
}

/// Which part of an inode a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A page of its contents.
    Page(u64),
    /// Its extended attributes.
    Xattrs,
}

handle! {
    /// Whose the blocks of a volume are.
    Owners
}

impl<P: Platform> Owners<'_, P> {
    /// What a block is used for.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the volume has no such block, [`Error::Io`].
    pub fn use_of(self, block: u64) -> Result<Use> {
        if block >= self.volume.blocks() {
            return Err(Error::Invalid);
        }
        let group = group_of(block);
        let slots_at = self.volume.superblock().slots_at.get();
        if block == 0 || block == self.volume.blocks() - 1 || group >= self.volume.groups() {
            return Ok(Use::Superblock);
        }
        if block < group_body(group) {
            return Ok(Use::Group(group));
        }
        if (slots_at..slots_at + u64::from(self.volume.slots())).contains(&block) {
            return Ok(Use::Journal((block - slots_at) as u32));
        }
        if !self.bit(group_bitmap(group), block)? {
            return Ok(Use::Free);
        }
        if !self.bit(group_metadata(group), block)? {
            return if self.volume.is_quarantined(block)? {
                Ok(Use::Bad)
            } else {
                Ok(Use::Data)
            };
        }
        let header: NodeHeader = self.volume.get(block_offset(block))?;
        Ok(match header.magic.get() {
            INODE_CHUNK_MAGIC => Use::Inodes,
            INNER_MAGIC | EXTENT_LEAF_MAGIC | DIRECTORY_LEAF_MAGIC
                if header.crc.get() == tree::checksum(self.volume, &header)
                    && header.block.get() == block =>
            {
                Use::Node {
                    ino: header.owner.get(),
                }
            }
            _ => Use::Unknown,
        })
    }

    /// The bit of a block in one of its group's bitmaps.
    fn bit(self, bitmap: u64, block: u64) -> Result<bool> {
        let place = block % GROUP_BLOCKS;
        let word = self.volume.word(block_offset(bitmap) + place / 64 * 8)?;
        Ok(word >> (place % 64) & 1 == 1)
    }

    /// Which part of an inode a block is; [`None`] if it is none.
    ///
    /// The inode's map lock is held, shared will do; for its attributes also their lock.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn part_of(self, map: &MapState, block: u64) -> Result<Option<Part>> {
        if let Some(run) = xattr_root(self.volume, map.ino)?.run() {
            let at = block.checked_sub(run.block);
            if at.is_some_and(|at| at < run.count) {
                return Ok(Some(Part::Xattrs));
            }
        }
        let root = self
            .volume
            .word(inode_word(map.ino, offset_of!(Inode, root)))?;
        if !matches!(
            Root::from_word(root),
            Some(Root::Extents(_) | Root::ExtentTree { .. })
        ) {
            // A directory's nodes say themselves whose they are.
            return Ok(None);
        }
        let mut page = 0;
        while let Some(extent) = self.volume.files().next_extent(map, page)? {
            match block.checked_sub(extent.block) {
                Some(at) if at < extent.count => return Ok(Some(Part::Page(extent.page + at))),
                _ => page = extent.end(),
            }
        }
        Ok(None)
    }
}
