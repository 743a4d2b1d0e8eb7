// SPDX-License-Identifier: GPL-2.0

//! Free blocks that are bad.
//!
//! An allocation that meets one sets it aside in its group's state, in DRAM, and goes on with others: locks are held
//! there. [`BadBlocks::repair`] comes later, without any lock. It has the device's driver clear the poison, and
//! the block is free again. A block that stays bad becomes one of the bad-block owner's, in a transaction of its own.
//!
//! The owner is an unnamed file that the superblock points to. Its page `n` is block `n` of the volume. The pages are
//! unwritten: they are never read. The file is made with the first bad block.

use core::mem::offset_of;
use core::sync::atomic::Ordering::Relaxed;

use crate::alloc::mark_used;
use crate::extents::{find, tree_of, Cursor};
use crate::file::add_extent;
use crate::format::{Extent, Inode, Time, OWN_BAD_BLOCKS};
use crate::handle::handle;
use crate::inode::{inode_word, Attributes, Change, MapState};
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What the lock of the bad-block owner guards. The caller has one for each volume that is mounted for writing, under
/// a lock that is taken when no inode's is held.
#[derive(Debug, Default)]
pub struct BadBlocksOwner {
    map: Option<MapState>,
}

impl BadBlocksOwner {
    /// That of a volume that has just been mounted.
    #[must_use]
    pub const fn new() -> Self {
        Self { map: None }
    }
}

/// The word that has [`Inode::own_flags`], and where in it they are.
const FLAGS_WORD: usize = offset_of!(Inode, own_flags) & !7;
const FLAGS_SHIFT: usize = 8 * (offset_of!(Inode, own_flags) - FLAGS_WORD);

/// What [`BadBlocks::repair`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Blocks that are free again.
    pub repaired: u64,
    /// Blocks that stay bad and are the bad-block owner's now.
    pub quarantined: u64,
}

handle! {
    /// The bad blocks of a volume.
    BadBlocks
}

impl<P: Platform> BadBlocks<'_, P> {
    /// A block is bad, as the device has said. If it is free it is set aside, until
    /// [`repair`](Self::repair) has looked at it; returns whether it is. A block that somebody
    /// has claimed is not free.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]; [`Error::Corrupt`] if no file could have the block; [`Error::Io`].
    pub fn set_bad(self, block: u64) -> Result<bool> {
        self.volume.set_aside_bad(block, false)
    }

    /// The number of the inode that owns blocks which must not be used; 0: there is none. It has no name, and
    /// [`Inodes::open`](crate::inode::Inodes::open) does not open it.
    pub fn owner(self) -> u64 {
        self.volume.bad_blocks_owner()
    }

    /// A bit for each journal slot that is not used any more, because it cannot be written.
    pub fn retired_slots(self) -> u64 {
        self.volume.retired_slots()
    }

    /// Whether [`repair`](Self::repair) has something to do. An allocation that finds no block
    /// may find one after it.
    pub fn are_waiting(self) -> bool {
        self.volume.bad_groups().load(Relaxed) != 0
    }

    /// Repairs the free blocks that have been set aside because they are bad; those that stay bad are not used again.
    ///
    /// No lock of an inode or of the core is held by the caller. The device's driver is asked without one too.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]; [`Error::NoSpace`], [`Error::Corrupt`] or [`Error::Io`] if a block cannot be made the
    /// owner's: it stays set aside, and the next call tries again.
    #[inline(never)]
    pub fn repair(
        self,
        workspace: &mut Workspace,
        bad_blocks: &mut BadBlocksOwner,
        now: Time,
    ) -> Result<Repaired> {
        self.volume.check_writable()?;
        let mut done = Repaired::default();
        let groups = self.volume.bad_groups().swap(0, Relaxed);
        let has = |group: &u32| groups >> (group % u64::BITS) & 1 == 1;
        for group in (0..self.volume.groups()).filter(has) {
            while let Some(block) = self.volume.next_bad_block(group) {
                if self.volume.repair_block(block).is_ok() {
                    done.repaired += 1;
                } else if let Err(error) = self
                    .volume
                    .bad_blocks()
                    .know_owner(workspace, bad_blocks, now)
                    .and_then(|()| self.quarantine(workspace, bad_blocks, block, now))
                {
                    self.volume.bad_groups().fetch_or(groups, Relaxed);
                    return Err(error);
                } else {
                    done.quarantined += 1;
                }
                self.volume.remove_bad_block(block);
            }
        }
        Ok(done)
    }

    /// Sees to it that there is an owner, and opens it.
    #[inline(never)]
    fn know_owner(
        self,
        workspace: &mut Workspace,
        bad_blocks: &mut BadBlocksOwner,
        now: Time,
    ) -> Result {
        if bad_blocks.map.is_none() {
            bad_blocks.map = Some(if self.volume.bad_blocks_owner() == 0 {
                self.volume.make_bad_blocks_owner(workspace, now)?
            } else {
                self.open_owner()?.0
            });
        }
        Ok(())
    }

    /// Makes a free block, which is set aside, the owner's.
    #[inline(never)]
    fn quarantine(
        self,
        workspace: &mut Workspace,
        bad_blocks: &mut BadBlocksOwner,
        block: u64,
        now: Time,
    ) -> Result {
        let map = bad_blocks.map.as_mut().ok_or(Error::Invalid)?;
        let tree = tree_of(map.ino, map.generation);
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &tree, block, cursor)?;
        if cursor.at_page(block).is_some() {
            // It was free.
            return Err(Error::Corrupt);
        }
        let extent = Extent {
            page: block,
            count: 1,
            block,
            unwritten: true,
        };
        let change = Change::modified(now);
        self.volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                mark_used(tx, block, 1, false)?;
                add_extent(tx, scratch, &tree, &extent, &change)
            })?;
        Ok(())
    }

    /// The owner, as it is on the medium: to read what it has.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`] if there is no owner; [`Error::Corrupt`] if it is not a regular file; [`Error::Io`].
    pub fn open_owner(self) -> Result<(MapState, Attributes)> {
        let ino = self.volume.bad_blocks_owner();
        if ino == 0 {
            return Err(Error::NoEntry);
        }
        let (map, attributes) = self
            .volume
            .open_any(ino, None)
            .map_err(|error| match error {
                Error::Stale => Error::Corrupt,
                error => error,
            })?;
        let flags = self.volume.word(inode_word(ino, FLAGS_WORD))? >> FLAGS_SHIFT;
        if !attributes.is_file() || flags as u32 & OWN_BAD_BLOCKS == 0 {
            return Err(Error::Corrupt);
        }
        Ok((map, attributes))
    }
}

impl<P: Platform> Volume<P> {
    /// Whether a block is the owner's. Blocks may become so meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], [`Error::Io`].
    pub(crate) fn is_quarantined(&self, block: u64) -> Result<bool> {
        let (map, _) = match self.bad_blocks().open_owner() {
            Err(Error::NoEntry) => return Ok(false),
            opened => opened?,
        };
        let mut cursor = Cursor::new();
        find(self, &tree_of(map.ino, map.generation), block, &mut cursor)?;
        Ok(cursor.at_page(block).is_some())
    }
}
