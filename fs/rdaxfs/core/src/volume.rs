// SPDX-License-Identifier: GPL-2.0

//! A mounted volume.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use zerocopy::IntoBytes;

use crate::format::{
    block_offset, group_body, group_of, groups_of, inode_block, inode_slot, Superblock, Time,
    BLOCK_SIZE, CHUNK_BLOCKS, GROUP_BLOCKS, INODE_SIZE, MAX_BLOCKS, MAX_SLOTS, MIN_BLOCKS,
    SUPER_CRC, SUPER_MAGIC,
};
use crate::journal;
use crate::platform::{Digest, Medium, Platform};
use crate::source::Source;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What this version knows of [`Superblock::incompat`].
const KNOWN_INCOMPAT: u32 = 0;
/// What this version knows of [`Superblock::ro_compat`].
const KNOWN_RO_COMPAT: u32 = 0;

/// Where in a record's number the number of the mount is: a mount has that many transactions.
const MOUNT_SHIFT: u32 = 36;

/// How a volume is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing at all is stored: records in the journal make the mount fail with
    /// [`Error::ReadOnly`].
    NoStores,
    /// Records are done; nothing else is stored.
    ReadOnly,
    /// Everything.
    ReadWrite,
}

/// A mounted volume. All operations are methods of it, and may be called on any CPU at once, as far
/// as the locks that they ask for allow.
pub struct Volume<P> {
    platform: P,
    superblock: Superblock,
    writable: bool,
    groups: u32,
    /// The number of the next record. Every mount starts above all earlier ones, because a torn
    /// record must not look like one that the slot held before.
    pub(crate) next_sequence: AtomicU64,
    /// A bit for each journal slot that has been used since the mount.
    used_slots: AtomicU64,
    /// Turns, so that directories spread over the groups.
    pub(crate) turn: AtomicU64,
}

impl<P: Platform> Volume<P> {
    /// Reads the superblock, without a mount: what the caller needs to make its locks.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if neither copy is that of an rdaxfs volume, [`Error::NotSupported`] if it
    /// has features that this version does not know, [`Error::Corrupt`] if it makes no sense or the
    /// medium is shorter than the volume, [`Error::Io`] if neither copy can be read.
    pub fn probe(medium: &(impl Medium + Digest)) -> Result<Superblock> {
        let first = read_superblock(medium, 0);
        match first {
            Ok(_) | Err(Error::NotSupported) => return first,
            Err(_) => {}
        }
        let last = (medium.len() / BLOCK_SIZE).saturating_sub(1);
        match read_superblock(medium, last) {
            Ok(copy) => Ok(copy),
            // What the first copy is says more.
            Err(_) => first,
        }
    }

    /// Mounts: does what records the journal has, and says on the medium that the volume is in use.
    ///
    /// `now` is the time of the mount.
    ///
    /// # Errors
    ///
    /// Those of [`probe`](Self::probe) and of the journal's replay; [`Error::ReadOnly`] when the volume cannot be
    /// mounted for writing.
    pub fn mount(
        platform: P,
        access: Access,
        now: Time,
        workspace: &mut Workspace,
    ) -> Result<Self> {
        let superblock = match access {
            // What is stored goes to the first copy: it has to be there.
            Access::ReadWrite => read_superblock(&platform, 0)?,
            _ => Self::probe(&platform)?,
        };
        if access == Access::ReadWrite && superblock.ro_compat.get() & !KNOWN_RO_COMPAT != 0 {
            return Err(Error::ReadOnly);
        }
        let mounts = superblock.mounts.get().wrapping_add(1);
        let mut volume = Self {
            groups: groups_of(superblock.blocks.get()),
            superblock,
            platform,
            writable: access == Access::ReadWrite,
            next_sequence: AtomicU64::new((mounts << MOUNT_SHIFT).max(1)),
            used_slots: AtomicU64::new(0),
            turn: AtomicU64::new(0),
        };
        if access == Access::NoStores {
            if journal::any_record(&volume, &mut workspace.log)? {
                return Err(Error::ReadOnly);
            }
            return Ok(volume);
        }
        if journal::replay(&volume, &mut workspace.log)? > 0 {
            // The records may have changed the superblock.
            volume.superblock = Self::probe(&volume.platform)?;
        }
        if access == Access::ReadWrite {
            journal::mark_mounted(&volume, mounts, now);
        }
        Ok(volume)
    }

    /// Ends a mount for writing: the volume is clean, and has so many free blocks and inodes. The
    /// caller sees to it that no operation runs or comes.
    pub fn unmount(self, free_blocks: u64, inodes: u64) -> P {
        self.end(free_blocks, inodes);
        self.platform
    }

    /// As [`unmount`](Self::unmount), for a volume that others have references to.
    pub fn end(&self, free_blocks: u64, inodes: u64) {
        if self.writable {
            journal::mark_clean(self, free_blocks, inodes);
        }
    }

    /// The caller's side.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// The superblock as it was at the mount.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The length in blocks.
    pub fn blocks(&self) -> u64 {
        self.superblock.blocks.get()
    }

    /// The number of groups.
    pub fn groups(&self) -> u32 {
        self.groups
    }

    /// The root directory's inode number.
    pub fn root(&self) -> u64 {
        self.superblock.root.get()
    }

    /// Fails unless the volume is mounted for writing.
    pub(crate) fn check_writable(&self) -> Result {
        if self.writable {
            Ok(())
        } else {
            Err(Error::ReadOnly)
        }
    }

    /// Where chunks start, in blocks modulo [`CHUNK_BLOCKS`].
    pub(crate) fn align(&self) -> u64 {
        u64::from(self.superblock.align_offset.get()) % CHUNK_BLOCKS
    }

    /// The number of journal slots.
    pub fn slots(&self) -> u32 {
        self.superblock.slots.get()
    }

    /// A bit for each journal slot that may have a record which is found after a crash. Who has to know of a
    /// record has a lock that was let go after it, so that no order is needed here.
    pub(crate) fn used_slots(&self) -> u64 {
        self.used_slots.load(Relaxed)
    }

    /// A record will be in that slot, which is held.
    pub(crate) fn use_slot(&self, slot: u32) {
        let bit = 1 << (slot % MAX_SLOTS);
        // Mostly it is known, and all CPUs can keep the word's line.
        if self.used_slots() & bit == 0 {
            self.used_slots.fetch_or(bit, Relaxed);
        }
    }

    /// The byte offset of a journal slot.
    pub(crate) fn slot_offset(&self, slot: u32) -> u64 {
        block_offset(self.superblock.slots_at.get() + u64::from(slot))
    }

    /// SipHash of a directory entry's name.
    pub(crate) fn hash_name(&self, name: &[u8]) -> u64 {
        let [first, second] = &self.superblock.hash_key;
        self.platform.siphash(&[first.get(), second.get()], name)
    }

    /// A block that may belong to something: one within the volume that is no group's head.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] otherwise.
    pub(crate) fn check_block(&self, block: u64) -> Result<u64> {
        self.check_run(block, 1)?;
        Ok(block)
    }

    /// As [`check_block`](Self::check_block), for `count` adjacent blocks of one group.
    pub(crate) fn check_run(&self, block: u64, count: u64) -> Result {
        let end = block.checked_add(count).ok_or(Error::Corrupt)?;
        if count == 0 || end > self.blocks() {
            return Err(Error::Corrupt);
        }
        let group = group_of(block);
        let last = group_of(end - 1);
        if group != last || group >= self.groups || block < group_body(group) {
            return Err(Error::Corrupt);
        }
        Ok(())
    }

    /// Fails where a read of the range would.
    pub(crate) fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.check_range(offset, len)?;
        self.platform.check_poison(offset, len)
    }

    /// A range of bytes within the volume.
    pub(crate) fn check_range(&self, offset: u64, len: u64) -> Result {
        match offset.checked_add(len) {
            Some(end) if end <= block_offset(self.blocks()) => Ok(()),
            _ => Err(Error::Corrupt),
        }
    }
}

impl<P: Platform> Source for Volume<P> {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.check_range(offset, into.len() as u64)?;
        self.platform.read(offset, into)
    }
}

/// Reads and judges the superblock at a block: the first one, or the last one of a volume.
///
/// # Errors
///
/// As [`Volume::probe`].
pub fn read_superblock(medium: &(impl Medium + Digest), block: u64) -> Result<Superblock> {
    let mut superblock: Superblock = zerocopy::FromZeros::new_zeroed();
    let offset = block_offset(block);
    if medium.len() < offset.saturating_add(size_of::<Superblock>() as u64) {
        return Err(Error::Invalid);
    }
    medium.read(offset, superblock.as_mut_bytes())?;
    if superblock.magic.get() != SUPER_MAGIC {
        return Err(Error::Invalid);
    }
    let covered = superblock.as_bytes().get(SUPER_CRC).unwrap_or(&[]);
    if superblock.crc.get() != medium.crc32c(0, covered) {
        return Err(Error::Corrupt);
    }
    if superblock.incompat.get() & !KNOWN_INCOMPAT != 0 {
        return Err(Error::NotSupported);
    }
    judge(&superblock, medium.len())?;
    if u64::from(superblock.inode_size.get()) != INODE_SIZE {
        return Err(Error::NotSupported);
    }
    Ok(superblock)
}

/// Whether the fields agree with each other and with the medium's length.
fn judge(superblock: &Superblock, len: u64) -> Result {
    let blocks = superblock.blocks.get();
    let slots = u64::from(superblock.slots.get());
    let slots_at = superblock.slots_at.get();
    let slots_end = slots_at.saturating_add(slots);
    let good = (MIN_BLOCKS..=MAX_BLOCKS).contains(&blocks)
        && blocks <= len / BLOCK_SIZE
        && (1..=u64::from(MAX_SLOTS)).contains(&slots)
        && slots_at >= group_body(0)
        && slots_end <= (blocks - 1).min(GROUP_BLOCKS)
        && is_inode_number(superblock.root.get(), blocks)
        && !(slots_at..slots_end).contains(&inode_block(superblock.root.get()))
        && u64::from(superblock.align_offset.get()) < CHUNK_BLOCKS
        && is_inode_size(superblock.inode_size.get())
        && matches!(superblock.bad_blocks.get(), ino if ino == 0 || is_inode_number(ino, blocks))
        && retired_fit(superblock.retired_slots.get(), slots);
    if good {
        Ok(())
    } else {
        Err(Error::Corrupt)
    }
}

/// Whether inodes can be so long: a chunk holds its header and at least one.
fn is_inode_size(size: u32) -> bool {
    size.is_power_of_two() && (INODE_SIZE..BLOCK_SIZE).contains(&u64::from(size))
}

/// Whether only slots that there are have been retired.
fn retired_fit(retired: u64, slots: u64) -> bool {
    slots >= 64 || retired >> slots == 0
}

/// Whether a number can be an inode's of a volume of so many blocks, of which the last one is the copy of the
/// superblock.
fn is_inode_number(ino: u64, blocks: u64) -> bool {
    let block = inode_block(ino);
    let group = group_of(block);
    inode_slot(ino) != 0
        && block < blocks - 1
        && group < groups_of(blocks)
        && block >= group_body(group)
}

/// A clock for statistics and turns that no order depends on.
pub(crate) fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Relaxed)
}
