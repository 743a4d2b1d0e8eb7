// SPDX-License-Identifier: GPL-2.0

//! How a volume is mounted and unmounted.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::format::{block_offset, Superblock, Time, STATE_CLEAN, STATE_DAMAGED, STATE_MOUNTED};
use crate::journal::{self, MAX_MOUNTS, MOUNT_SHIFT};
use crate::platform::{Digest, Medium, Platform};
use crate::source::Source;
use crate::superblock::{self, judge_bytes};
use crate::volume::{state, Volume};
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What this version knows of [`Superblock::ro_compat`].
const KNOWN_RO_COMPAT: u32 = 0;

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

/// Mounts: replays the journal, and says on the medium that the volume is in use. Without stores the
/// journal's records are applied to all that is read.
///
/// `now` is the time of the mount.
///
/// # Errors
///
/// Those of [`probe`](superblock::probe) and of the journal's replay; [`Error::ReadOnly`] when the volume cannot be
/// mounted for writing because of features; [`Error::Corrupt`] when it is known to be damaged and `access` does
/// not allow for that, or its state is none that there is.
#[inline(never)]
pub fn mount<P: Platform>(
    platform: P,
    access: Access,
    now: Time,
    workspace: &mut Workspace,
) -> Result<Volume<P>> {
    if access == Access::NoStores {
        return mount_found(platform, workspace);
    }
    mount_writable(platform, access, now, workspace)
}

/// Mounts for writing.
#[inline(never)]
fn mount_writable<P: Platform>(
    platform: P,
    access: Access,
    now: Time,
    workspace: &mut Workspace,
) -> Result<Volume<P>> {
    let superblock = superblock::read_superblock(&platform, 0)?;
    let mut volume = Volume::new(platform, &superblock);
    volume.superblock = start(&volume, access, now, workspace)?;
    Ok(volume)
}

/// Mounts without stores.
#[inline(never)]
fn mount_found<P: Platform>(platform: P, workspace: &mut Workspace) -> Result<Volume<P>> {
    let found = superblock::find(&platform);
    // Not moved: it is large.
    let (superblock, block) = match &found {
        Ok(found) => found,
        Err(error) => return Err(*error),
    };
    mount_without_stores(platform, superblock, *block, workspace)
}

/// Mounts without stores, by the copy of the superblock in that block, whatever block 0 has.
///
/// # Errors
///
/// As for [`mount`].
#[inline(never)]
pub fn mount_by_copy<P: Platform>(
    platform: P,
    block: u64,
    workspace: &mut Workspace,
) -> Result<Volume<P>> {
    let superblock = superblock::read_superblock(&platform, block)?;
    mount_without_stores(platform, &superblock, block, workspace)
}

/// Mounts without stores, by the superblock that was found in a block.
fn mount_without_stores<P: Platform>(
    platform: P,
    superblock: &Superblock,
    block: u64,
    workspace: &mut Workspace,
) -> Result<Volume<P>> {
    let mut volume = Volume::new(platform, superblock);
    overlay_records(&mut volume, block, workspace)?;
    Ok(volume)
}

/// Reads the volume from now on as the journal's records leave it.
#[inline(never)]
fn overlay_records<P: Platform>(
    volume: &mut Volume<P>,
    block: u64,
    workspace: &mut Workspace,
) -> Result {
    volume.know_totals(&volume.superblock);
    journal::overlay(volume, &mut workspace.log)?;
    // The records may change what it says, not what it is.
    let changed: Superblock = volume.get(block_offset(block))?;
    judge_bytes(&volume.platform, &changed)?;
    volume.bad_blocks.store(changed.bad_blocks.get(), Relaxed);
    volume.superblock = changed;
    Ok(())
}

/// Replays the journal, without a mount.
///
/// # Errors
///
/// As for [`mount`].
pub fn replay<P: Platform>(platform: P, workspace: &mut Workspace) -> Result<P> {
    let superblock = superblock::read_superblock(&platform, 0)?;
    judge_state(&superblock, Access::Repair)?;
    let volume = Volume::new(platform, &superblock);
    journal::replay(&volume, &mut workspace.log)?;
    Ok(volume.platform)
}

/// Makes a volume writable that is not. Returns the superblock as it was found, with what records changed.
#[inline(never)]
fn start<P: Platform>(
    volume: &Volume<P>,
    access: Access,
    now: Time,
    workspace: &mut Workspace,
) -> Result<Superblock> {
    judge_first(&volume.platform, access)?;
    journal::replay(volume, &mut workspace.log)?;
    // The records may have changed it.
    let superblock = superblock::read_superblock(&volume.platform, 0)?;
    judge_state(&superblock, access)?;
    volume
        .retired_slots
        .store(superblock.retired_slots.get(), Relaxed);
    volume
        .bad_blocks
        .store(superblock.bad_blocks.get(), Relaxed);
    volume.know_totals(&superblock);
    let mut mounts = superblock.mounts.get().saturating_add(1);
    if mounts >= MAX_MOUNTS - 1 {
        // The numbers begin again: nothing that has one of them is left.
        journal::empty_slots(volume)?;
        mounts = 1;
    }
    volume.mounts.store(mounts, Relaxed);
    volume.next_sequence.store(mounts << MOUNT_SHIFT, Relaxed);
    let is_repaired = access == Access::Repair;
    let is_damaged = superblock.state.get() == STATE_DAMAGED && !is_repaired;
    volume.damaged.store(is_damaged, Relaxed);
    journal::mark_mounted(volume, mounts, now, is_repaired);
    volume.state.store(state::WRITABLE, Release);
    Ok(superblock)
}

/// Makes a volume writable that was mounted without stores: as [`mount`] does. Others may
/// read it meanwhile.
///
/// # Errors
///
/// As for `mount`; [`Error::Io`] if the volume has stopped, [`Error::Invalid`] if `access` is none for writing.
pub fn remount_rw<P: Platform>(
    volume: &Volume<P>,
    access: Access,
    now: Time,
    workspace: &mut Workspace,
) -> Result {
    match volume.state.load(Acquire) {
        _ if access == Access::NoStores => Err(Error::Invalid),
        state::NO_STORES => start(volume, access, now, workspace).map(drop),
        state::WRITABLE => Ok(()),
        _ => Err(Error::Io),
    }
}

/// Ends writing, as [`unmount`] does; reading goes on. The caller sees to it that no operation
/// that changes anything runs.
///
/// # Errors
///
/// As for `unmount`; nothing can be changed any more then either.
pub fn remount_ro<P: Platform>(volume: &Volume<P>) -> Result {
    let ended = unmount(volume);
    let from = state::WRITABLE;
    let _ = volume
        .state
        .compare_exchange(from, state::NO_STORES, AcqRel, Relaxed);
    ended
}

/// Ends a mount: if it was for writing, the volume is clean, or damaged if that was found. The caller sees to
/// it that no operation runs or comes.
///
/// # Errors
///
/// Those of [`Space::totals`](crate::totals::Space::totals): the volume is marked as damaged then. [`Error::Io`] if it has stopped or
/// the superblock has become unreadable: nothing is stored then.
pub fn unmount<P: Platform>(volume: &Volume<P>) -> Result {
    match volume.state.load(Acquire) {
        state::NO_STORES => return Ok(()),
        state::WRITABLE => {}
        _ => return Err(Error::Io),
    }
    let totals = volume.space().totals();
    if totals.is_err() {
        volume.damaged.store(true, Relaxed);
    }
    let (free, inodes) = totals.unwrap_or((0, 0));
    let marked = journal::mark_clean(volume, free, inodes);
    totals.map(drop).and(marked)
}

/// Makes a copy of the medium one that can be mounted without a replay: no record is left that would be
/// found. For a frozen file system: the caller sees to it that no operation runs or comes until it thaws.
pub fn quiesce<P: Platform>(volume: &Volume<P>) {
    if volume.state.load(Acquire) == state::WRITABLE {
        journal::settle_marks(volume);
        volume.used_slots.store(0, Relaxed);
    }
}

/// Where huge pages begin, in blocks modulo [`CHUNK_BLOCKS`](crate::format::CHUNK_BLOCKS), if it is not where they began when the volume was
/// made: what the volume says, and what is. Files are not mapped by huge pages then.
pub fn misalignment<P: Platform>(volume: &Volume<P>) -> Option<(u32, u32)> {
    let said = volume.superblock.align_offset.get();
    let real = volume.platform.align_offset()?;
    (real != said).then_some((said, real))
}

/// Whether the superblock allows a mount for writing, before records are replayed.
#[inline(never)]
fn judge_first(medium: &(impl Medium + Digest), access: Access) -> Result {
    judge_state(&superblock::read_superblock(medium, 0)?, access)
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
