// SPDX-License-Identifier: GPL-2.0

//! A mounted volume.

use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicU8,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use zerocopy::little_endian::U64;
use zerocopy::IntoBytes;

use crate::format::{
    block_offset, group_body, group_of, groups_of, inode_block, inode_slot, ErrorKind, Superblock,
    Time, BLOCK_SIZE, CHUNK_BLOCKS, GROUP_BLOCKS, INODE_SIZE, MAX_BLOCKS, MAX_SLOTS, MIN_BLOCKS,
    STATE_CLEAN, STATE_DAMAGED, STATE_MOUNTED, SUPER_CRC, SUPER_MAGIC,
};
use crate::journal::{self, Overlay};
use crate::platform::{Digest, Medium, Platform};
use crate::source::Source;
use crate::totals::Totals;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What this version knows of [`Superblock::incompat`].
const KNOWN_INCOMPAT: u32 = 0;
/// What this version knows of [`Superblock::ro_compat`].
const KNOWN_RO_COMPAT: u32 = 0;

/// Where in a record's number the number of the mount is: a mount has that many transactions.
const MOUNT_SHIFT: u32 = 40;

/// So often can a volume be mounted: the number of the mount is the rest of a record's number.
const MAX_MOUNTS: u64 = 1 << (u64::BITS - MOUNT_SHIFT);

/// How a volume is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing at all is stored. What records the journal has is seen as if they were done.
    NoStores,
    /// Everything. A volume that is known to be damaged is refused.
    ReadWrite,
    /// Everything, of a volume that may be damaged: it stays so, and its errors stay counted, until fsck has
    /// repaired it.
    ReadWriteDamaged,
    /// Everything, for fsck, which has repaired the volume or is about to: that the volume is damaged does not
    /// matter, and the errors that were counted are forgotten.
    Repair,
}

/// What may be done with a volume.
mod state {
    /// Reading.
    pub(super) const NO_STORES: u8 = 0;
    /// Everything.
    pub(super) const WRITABLE: u8 = 1;
    /// Nothing that stores, until it is mounted again.
    pub(super) const STOPPED: u8 = 2;
}

/// A mounted volume. All operations are methods of it, and may be called on any CPU at once, as far
/// as the locks that they ask for allow.
pub struct Volume<P> {
    platform: P,
    superblock: Superblock,
    /// One of [`state`].
    state: AtomicU8,
    /// Metadata does not say what it must: an unmount does not call the volume clean.
    damaged: AtomicBool,
    groups: u32,
    /// The length in bytes.
    len: u64,
    /// The number of the next record. Every mount starts above all earlier ones, because a torn
    /// record must not look like one that the slot held before.
    pub(crate) next_sequence: AtomicU64,
    /// The number of mounts on the medium. Records have numbers up to the next one's.
    mounts: AtomicU64,
    /// A bit for each journal slot that has been used since the mount.
    used_slots: AtomicU64,
    /// A bit for each journal slot that is not used any more.
    retired_slots: AtomicU64,
    /// As [`Superblock::bad_blocks`].
    bad_blocks: AtomicU64,
    /// A bit for each residue of the number of a group that has set bad blocks aside.
    bad_groups: AtomicU64,
    /// The records that are not done on the medium.
    overlay: Overlay,
    pub(crate) totals: Totals,
    /// Turns, so that directories spread over the groups.
    pub(crate) turn: AtomicU64,
}

impl<P: Platform> Volume<P> {
    /// Reads the superblock, without a mount: what the caller needs to make its locks. The copy is asked only if
    /// block 0 has the magic number and is damaged behind it: another file system's mkfs overwrites block 0 and
    /// leaves the last block. [`read_superblock`] is for who knows better, and where the copy is.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if block 0 is not that of an rdaxfs volume, [`Error::NotSupported`] if it
    /// has features that this version does not know, [`Error::Corrupt`] if it makes no sense or the
    /// medium is shorter than the volume, and so does the copy, [`Error::Io`] if it cannot be read.
    pub fn probe(medium: &(impl Medium + Digest)) -> Result<Superblock> {
        probe_both(medium).map(|(superblock, _)| superblock)
    }

    /// Mounts: replays the journal, and says on the medium that the volume is in use. Without stores the
    /// journal's records are applied to all that is read.
    ///
    /// `now` is the time of the mount.
    ///
    /// # Errors
    ///
    /// Those of [`probe`](Self::probe) and of the journal's replay; [`Error::ReadOnly`] when the volume cannot be
    /// mounted for writing because of features; [`Error::Corrupt`] when it is known to be damaged and `access` does
    /// not allow for that, or its state is none that there is.
    #[inline(never)]
    pub fn mount(
        platform: P,
        access: Access,
        now: Time,
        workspace: &mut Workspace,
    ) -> Result<Self> {
        if access == Access::NoStores {
            return Self::mount_found(platform, workspace);
        }
        Self::mount_writable(platform, access, now, workspace)
    }

    /// Mounts for writing.
    #[inline(never)]
    fn mount_writable(
        platform: P,
        access: Access,
        now: Time,
        workspace: &mut Workspace,
    ) -> Result<Self> {
        let superblock = read_superblock(&platform, 0)?;
        let mut volume = Self::new(platform, &superblock);
        volume.superblock = volume.start(access, now, workspace)?;
        Ok(volume)
    }

    /// Mounts without stores.
    #[inline(never)]
    fn mount_found(platform: P, workspace: &mut Workspace) -> Result<Self> {
        let found = probe_both(&platform);
        // Not moved: it is large.
        let (superblock, block) = match &found {
            Ok(found) => found,
            Err(error) => return Err(*error),
        };
        Self::mount_without_stores(platform, superblock, *block, workspace)
    }

    /// Mounts without stores, by the copy of the superblock in that block, whatever block 0 has.
    ///
    /// # Errors
    ///
    /// As for [`mount`](Self::mount).
    #[inline(never)]
    pub fn mount_by_copy(platform: P, block: u64, workspace: &mut Workspace) -> Result<Self> {
        let superblock = read_superblock(&platform, block)?;
        Self::mount_without_stores(platform, &superblock, block, workspace)
    }

    /// Mounts without stores, by the superblock that was found in a block.
    fn mount_without_stores(
        platform: P,
        superblock: &Superblock,
        block: u64,
        workspace: &mut Workspace,
    ) -> Result<Self> {
        let mut volume = Self::new(platform, superblock);
        volume.overlay_records(block, workspace)?;
        Ok(volume)
    }

    /// Reads the volume from now on as the journal's records leave it.
    #[inline(never)]
    fn overlay_records(&mut self, block: u64, workspace: &mut Workspace) -> Result {
        self.know_totals(&self.superblock);
        journal::overlay(self, &mut workspace.log)?;
        // The records may change what it says, not what it is.
        let changed: Superblock = self.get(block_offset(block))?;
        judge_bytes(&self.platform, &changed)?;
        self.bad_blocks.store(changed.bad_blocks.get(), Relaxed);
        self.superblock = changed;
        Ok(())
    }

    /// Replays the journal, without a mount.
    ///
    /// # Errors
    ///
    /// As for [`mount`](Self::mount).
    pub fn replay(platform: P, workspace: &mut Workspace) -> Result<P> {
        let superblock = read_superblock(&platform, 0)?;
        judge_state(&superblock, Access::Repair)?;
        let volume = Self::new(platform, &superblock);
        journal::replay(&volume, &mut workspace.log)?;
        Ok(volume.platform)
    }

    fn new(platform: P, superblock: &Superblock) -> Self {
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
    fn know_totals(&self, superblock: &Superblock) {
        if superblock.state.get() == STATE_CLEAN {
            let (free, inodes) = (superblock.free_blocks.get(), superblock.inodes.get());
            self.totals.set(self.groups, free, inodes);
        }
    }

    /// Makes a volume writable that is not. Returns the superblock as it was found, with what records changed.
    #[inline(never)]
    fn start(&self, access: Access, now: Time, workspace: &mut Workspace) -> Result<Superblock> {
        judge_first(&self.platform, access)?;
        journal::replay(self, &mut workspace.log)?;
        // The records may have changed it.
        let superblock = read_superblock(&self.platform, 0)?;
        judge_state(&superblock, access)?;
        self.retired_slots
            .store(superblock.retired_slots.get(), Relaxed);
        self.bad_blocks.store(superblock.bad_blocks.get(), Relaxed);
        self.know_totals(&superblock);
        let mut mounts = superblock.mounts.get().saturating_add(1);
        if mounts >= MAX_MOUNTS - 1 {
            // The numbers begin again: nothing that has one of them is left.
            journal::empty_slots(self)?;
            mounts = 1;
        }
        self.mounts.store(mounts, Relaxed);
        self.next_sequence.store(mounts << MOUNT_SHIFT, Relaxed);
        let is_repaired = access == Access::Repair;
        let is_damaged = superblock.state.get() == STATE_DAMAGED && !is_repaired;
        self.damaged.store(is_damaged, Relaxed);
        journal::mark_mounted(self, mounts, now, is_repaired);
        self.state.store(state::WRITABLE, Release);
        Ok(superblock)
    }

    /// Makes a volume writable that was mounted without stores: as [`mount`](Self::mount) does. Others may
    /// read it meanwhile.
    ///
    /// # Errors
    ///
    /// As for `mount`; [`Error::Io`] if the volume has stopped, [`Error::Invalid`] if `access` is none for writing.
    pub fn remount_rw(&self, access: Access, now: Time, workspace: &mut Workspace) -> Result {
        match self.state.load(Acquire) {
            _ if access == Access::NoStores => Err(Error::Invalid),
            state::NO_STORES => self.start(access, now, workspace).map(drop),
            state::WRITABLE => Ok(()),
            _ => Err(Error::Io),
        }
    }

    /// Ends writing, as [`unmount`](Self::unmount) does; reading goes on. The caller sees to it that no operation
    /// that changes anything runs.
    ///
    /// # Errors
    ///
    /// As for `unmount`; nothing can be changed any more then either.
    pub fn remount_ro(&self) -> Result {
        let ended = self.unmount();
        let from = state::WRITABLE;
        let _ = self
            .state
            .compare_exchange(from, state::NO_STORES, AcqRel, Relaxed);
        ended
    }

    /// Ends a mount: if it was for writing, the volume is clean, or damaged if that was found. The caller sees to
    /// it that no operation runs or comes.
    ///
    /// # Errors
    ///
    /// Those of [`totals`](Self::totals): the volume is marked as damaged then. [`Error::Io`] if it has stopped or
    /// the superblock has become unreadable: nothing is stored then.
    pub fn unmount(&self) -> Result {
        match self.state.load(Acquire) {
            state::NO_STORES => return Ok(()),
            state::WRITABLE => {}
            _ => return Err(Error::Io),
        }
        let totals = self.totals();
        if totals.is_err() {
            self.damaged.store(true, Relaxed);
        }
        let (free, inodes) = totals.unwrap_or((0, 0));
        let marked = journal::mark_clean(self, free, inodes);
        totals.map(drop).and(marked)
    }

    /// Ends the use of a volume: gives back the caller's side.
    pub fn into_platform(self) -> P {
        self.platform
    }

    /// Makes a copy of the medium one that can be mounted without a replay: no record is left that would be
    /// found. For a frozen file system: the caller sees to it that no operation runs or comes until it thaws.
    pub fn quiesce(&self) {
        if self.state.load(Acquire) == state::WRITABLE {
            journal::settle_marks(self);
            self.used_slots.store(0, Relaxed);
        }
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

    /// Counts an error that has been met, on the medium too; if metadata is corrupt the volume is damaged from
    /// now on, and is not mounted for writing again before fsck has looked at it. None of the core's locks is
    /// held.
    pub fn count_error(&self, kind: ErrorKind, now: Time) {
        if kind == ErrorKind::Corrupt {
            self.damaged.store(true, Relaxed);
        }
        if self.state.load(Acquire) == state::WRITABLE {
            let _held = self.platform.lock_super();
            // Where even that cannot be noted, nothing is left to be done.
            let _ = journal::note_error(self, kind, now);
        }
    }

    /// Whether metadata has been met that does not say what it must, in this mount or before it.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Relaxed)
    }

    /// Where huge pages begin, in blocks modulo [`CHUNK_BLOCKS`], if it is not where they began when the volume was
    /// made: what the volume says, and what is. Files are not mapped by huge pages then.
    pub fn misalignment(&self) -> Option<(u32, u32)> {
        let said = self.superblock.align_offset.get();
        let real = self.platform.align_offset()?;
        (real != said).then_some((said, real))
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

    /// A record is about to have that number: the next mount starts above it.
    pub(crate) fn claim_number(&self, number: u64) -> Result {
        let mounts = number >> MOUNT_SHIFT;
        if mounts <= self.mounts.load(Acquire) {
            return Ok(());
        }
        if mounts >= MAX_MOUNTS {
            return Err(Error::Io);
        }
        // Whoever comes here at the same time stores the same.
        journal::store_mounts(self, mounts)?;
        self.mounts.fetch_max(mounts, Release);
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
    pub fn retired_slots(&self) -> u64 {
        self.retired_slots.load(Relaxed)
    }

    /// Nobody takes those slots from now on.
    pub(crate) fn pass_over_slots(&self, slots: u64) {
        self.retired_slots.fetch_or(slots, Relaxed);
    }

    /// The number of the inode that owns blocks which must not be used; 0: there is none. It has no name, and is
    /// not [`open`](Self::open)ed.
    pub fn bad_blocks_owner(&self) -> u64 {
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
            return self.read_overlaid(offset, into);
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

/// As [`Volume::probe`], with the block in which the superblock was found.
#[inline(never)]
fn probe_both(medium: &(impl Medium + Digest)) -> Result<(Superblock, u64)> {
    let first = read_superblock(medium, 0).map(|superblock| (superblock, 0));
    match first {
        Ok(_) | Err(Error::NotSupported) => return first,
        Err(_) if !has_magic(medium)? => return first,
        Err(_) => {}
    }
    let last = (medium.len() / BLOCK_SIZE).saturating_sub(1);
    match read_superblock(medium, last) {
        // One in the middle of what it describes is another volume's.
        Ok(copy) if copy.blocks.get() == last + 1 => Ok((copy, last)),
        Err(Error::NotSupported) => Err(Error::NotSupported),
        // What the first copy is says more.
        _ => first,
    }
}

/// Whether block 0 has the magic number of an rdaxfs volume.
fn has_magic(medium: &impl Medium) -> Result<bool> {
    Ok(medium.len() >= BLOCK_SIZE && medium.load_u64(0)? == SUPER_MAGIC)
}

/// Whether the superblock allows a mount for writing, before records are replayed.
#[inline(never)]
fn judge_first(medium: &(impl Medium + Digest), access: Access) -> Result {
    judge_state(&read_superblock(medium, 0)?, access)
}

/// Whether the superblock allows a mount for writing.
fn judge_state(superblock: &Superblock, access: Access) -> Result {
    if superblock.ro_compat.get() & !KNOWN_RO_COMPAT != 0 {
        return Err(Error::ReadOnly);
    }
    match superblock.state.get() {
        _ if access == Access::Repair => Ok(()),
        STATE_CLEAN | STATE_MOUNTED => Ok(()),
        STATE_DAMAGED if access == Access::ReadWriteDamaged => Ok(()),
        _ => Err(Error::Corrupt),
    }
}

/// Reads and judges the superblock at a block: the first one, or the last one of a volume.
///
/// # Errors
///
/// As [`Volume::probe`].
#[inline(never)]
pub fn read_superblock(medium: &(impl Medium + Digest), block: u64) -> Result<Superblock> {
    let mut superblock: Superblock = zerocopy::FromZeros::new_zeroed();
    let offset = block_offset(block);
    if medium.len() < offset.saturating_add(size_of::<Superblock>() as u64) {
        return Err(Error::Invalid);
    }
    medium.read(offset, superblock.as_mut_bytes())?;
    judge_bytes(medium, &superblock)?;
    Ok(superblock)
}

/// The checksum of a superblock: what [`Superblock::crc`] has to say.
pub fn checksum(digest: &impl Digest, superblock: &Superblock) -> u32 {
    digest.crc32c(0, superblock.as_bytes().get(SUPER_CRC).unwrap_or(&[]))
}

/// Judges a superblock that has been read.
fn judge_bytes(medium: &(impl Medium + Digest), superblock: &Superblock) -> Result {
    if superblock.magic.get() != SUPER_MAGIC {
        return Err(Error::Invalid);
    }
    if superblock.crc.get() != checksum(medium, superblock) {
        return Err(Error::Corrupt);
    }
    if superblock.incompat.get() & !KNOWN_INCOMPAT != 0 {
        return Err(Error::NotSupported);
    }
    judge(superblock, medium.len())?;
    if u64::from(superblock.inode_size.get()) != INODE_SIZE {
        return Err(Error::NotSupported);
    }
    Ok(())
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
