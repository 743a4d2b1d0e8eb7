// SPDX-License-Identifier: GPL-2.0

//! A mounted volume.

use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicU8,
    Ordering::{Acquire, Relaxed, Release},
};

use zerocopy::little_endian::U64;

use crate::bad_blocks::BadBlocks;
use crate::errors::Errors;
use crate::file::Files;
use crate::format::{
    block_offset, group_body, group_of, groups_of, Superblock, CHUNK_BLOCKS, MAX_SLOTS,
    STATE_CLEAN, STATE_DAMAGED,
};
use crate::inode::Inodes;
use crate::name::Names;
use crate::overlay::Overlay;
use crate::owner::Owners;
use crate::platform::Platform;
use crate::source::Source;
use crate::totals::{Space, Totals};
use crate::xattr::Xattrs;
use crate::{Error, Result};

/// What may be done with a volume.
pub(crate) mod state {
    /// Reading.
    pub(crate) const NO_STORES: u8 = 0;
    /// Everything.
    pub(crate) const WRITABLE: u8 = 1;
    /// Nothing that stores, until it is mounted again.
    pub(crate) const STOPPED: u8 = 2;
}

/// A mounted volume: [`mount`](crate::mount::mount) makes it. What can be done with it is in the types that
/// it hands out, one for each concept. All operations may be called on any CPU at once, as far as the locks
/// that they ask for allow.
pub struct Volume<P> {
    pub(crate) platform: P,
    pub(crate) superblock: Superblock,
    /// One of [`state`].
    pub(crate) state: AtomicU8,
    /// Metadata does not say what it must: an unmount does not call the volume clean.
    pub(crate) damaged: AtomicBool,
    groups: u32,
    /// The length in bytes.
    len: u64,
    /// The number of the next record. Every mount starts above all earlier ones, because a torn
    /// record must not look like one that the slot held before.
    pub(crate) next_sequence: AtomicU64,
    /// The number of mounts on the medium. Records have numbers up to the next one's.
    pub(crate) mounts: AtomicU64,
    /// A bit for each journal slot that has been used since the mount.
    pub(crate) used_slots: AtomicU64,
    /// A bit for each journal slot that is not used any more.
    pub(crate) retired_slots: AtomicU64,
    /// As [`Superblock::bad_blocks`].
    pub(crate) bad_blocks: AtomicU64,
    /// A bit for each residue of the number of a group that has set bad blocks aside.
    bad_groups: AtomicU64,
    /// The records that are not done on the medium.
    overlay: Overlay,
    pub(crate) totals: Totals,
    /// Turns, so that directories spread over the groups.
    pub(crate) turn: AtomicU64,
}

impl<P: Platform> Volume<P> {
    pub(crate) fn new(platform: P, superblock: &Superblock) -> Self {
        Self {
            groups: groups_of(superblock.blocks.get()),
            len: block_offset(superblock.blocks.get()),
            platform,
            state: AtomicU8::new(state::NO_STORES),
            damaged: AtomicBool::new(superblock.state.get() == STATE_DAMAGED),
            next_sequence: AtomicU64::new(0),
            mounts: AtomicU64::new(0),
            used_slots: AtomicU64::new(0),
            retired_slots: AtomicU64::new(superblock.retired_slots.get()),
            bad_blocks: AtomicU64::new(superblock.bad_blocks.get()),
            bad_groups: AtomicU64::new(0),
            overlay: Overlay::new(),
            totals: Totals::new(),
            turn: AtomicU64::new(0),
            superblock: *superblock,
        }
    }

    /// A clean volume says what its groups would.
    pub(crate) fn know_totals(&self, superblock: &Superblock) {
        if superblock.state.get() == STATE_CLEAN {
            let (free, inodes) = (superblock.free_blocks.get(), superblock.inodes.get());
            self.totals.set(self.groups, free, inodes);
        }
    }

    /// The contents of files.
    pub fn files(&self) -> Files<'_, P> {
        Files { volume: self }
    }

    /// Directories, and the names in them.
    pub fn names(&self) -> Names<'_, P> {
        Names { volume: self }
    }

    /// Inodes by their numbers, and what they say.
    pub fn inodes(&self) -> Inodes<'_, P> {
        Inodes { volume: self }
    }

    /// Extended attributes.
    pub fn xattrs(&self) -> Xattrs<'_, P> {
        Xattrs { volume: self }
    }

    /// Blocks that are bad, and their repair.
    pub fn bad_blocks(&self) -> BadBlocks<'_, P> {
        BadBlocks { volume: self }
    }

    /// What is free and what is in use.
    pub fn space(&self) -> Space<'_, P> {
        Space { volume: self }
    }

    /// What a block is used for, and whose it is.
    pub fn owners(&self) -> Owners<'_, P> {
        Owners { volume: self }
    }

    /// The errors that have been met.
    pub fn errors(&self) -> Errors<'_, P> {
        Errors { volume: self }
    }

    /// Ends the use of a volume: gives back the caller's side.
    pub fn into_platform(self) -> P {
        self.platform
    }

    /// Stops the volume: nothing is stored from now on, not even what says that it is clean. What has been
    /// acknowledged is durable, and the next mount replays the rest.
    pub fn shutdown(&self) {
        self.state.store(state::STOPPED, Release);
    }

    /// Whether the volume has stopped, because somebody said so or no journal slot can be written.
    pub fn is_shut_down(&self) -> bool {
        self.state.load(Acquire) == state::STOPPED
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
        match self.state.load(Acquire) {
            state::WRITABLE => Ok(()),
            state::NO_STORES => Err(Error::ReadOnly),
            _ => Err(Error::Io),
        }
    }

    /// Fails when the volume has stopped.
    pub(crate) fn check_running(&self) -> Result {
        if self.is_shut_down() {
            return Err(Error::Io);
        }
        Ok(())
    }

    /// The records that are not done on the medium.
    pub(crate) fn overlay(&self) -> &Overlay {
        &self.overlay
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

    /// A bit for each journal slot that the volume has.
    pub(crate) fn all_slots(&self) -> u64 {
        u64::MAX >> (MAX_SLOTS - self.slots().clamp(1, MAX_SLOTS))
    }

    /// A bit for each journal slot that is not used any more, because it cannot be written.
    pub(crate) fn retired_slots(&self) -> u64 {
        self.retired_slots.load(Relaxed)
    }

    /// Nobody takes those slots from now on.
    pub(crate) fn pass_over_slots(&self, slots: u64) {
        self.retired_slots.fetch_or(slots, Relaxed);
    }

    /// The number of the inode that owns blocks which must not be used; 0: there is none. It has no name, and is
    /// not [opened](Inodes::open).
    pub(crate) fn bad_blocks_owner(&self) -> u64 {
        self.bad_blocks.load(Relaxed)
    }

    /// That inode comes into being.
    pub(crate) fn set_bad_blocks_owner(&self, ino: u64) {
        self.bad_blocks.store(ino, Relaxed);
    }

    /// The groups that have set bad blocks aside.
    pub(crate) fn bad_groups(&self) -> &AtomicU64 {
        &self.bad_groups
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

    /// A block that may belong to something: one within the volume that is neither a group's head nor
    /// the copy of the superblock.
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
        // The last block is the copy of the superblock.
        if count == 0 || end >= self.blocks() {
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
    #[inline]
    pub(crate) fn check_range(&self, offset: u64, len: u64) -> Result {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(Error::Corrupt),
        }
    }
}

impl<P: Platform> Source for Volume<P> {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.check_range(offset, into.len() as u64)?;
        if !self.overlay.is_empty() {
            let slots = self.slot_offset(0);
            return self.overlay.read(&self.platform, slots, offset, into);
        }
        self.platform.read(offset, into)
    }

    #[inline]
    fn word(&self, offset: u64) -> Result<u64> {
        // The volume has whole words.
        if offset % 8 != 0 || offset >= self.len || !self.overlay.is_empty() {
            return self.word_of_bytes(offset);
        }
        self.platform.load_u64(offset)
    }
}

impl<P: Platform> Volume<P> {
    /// Reads bytes as the medium has them, which is how transactions see them: a volume that is mounted for writing
    /// has no record that is not done.
    pub(crate) fn read_stored(&self, offset: u64, into: &mut [u8]) -> Result {
        self.check_range(offset, into.len() as u64)?;
        self.platform.read(offset, into)
    }

    /// A word as the medium has it.
    #[inline]
    pub(crate) fn stored_word(&self, offset: u64) -> Result<u64> {
        // The volume has whole words.
        if offset % 8 != 0 || offset >= self.len {
            return Err(Error::Corrupt);
        }
        self.platform.load_u64(offset)
    }

    /// A word that one load does not give.
    #[cold]
    #[inline(never)]
    fn word_of_bytes(&self, offset: u64) -> Result<u64> {
        self.get(offset).map(U64::get)
    }
}

/// A clock for statistics and turns that no order depends on.
pub(crate) fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Relaxed)
}
