// SPDX-License-Identifier: GPL-2.0

//! The superblock's last line: whether the volume is in use, totals, and the errors that have been met. No
//! transaction has its words, and no checksum covers them. They are in one cache line, whose stores become durable
//! in order. The state is stored last, with a release store: if it is on the medium, so are the other words.

use core::mem::offset_of;
use core::sync::atomic::Ordering::{Acquire, Release};

use super::pin::Pinned;
use super::replay::settle_marks;
use crate::format::{
    ErrorKind, Superblock, Time, STATE_CLEAN, STATE_DAMAGED, STATE_MOUNTED, SUPER_SHARED,
};
use crate::platform::{Platform, Stores, CACHE_LINE};
use crate::volume::Volume;
use crate::{Error, Result};

/// Where in a record's number the number of the mount is: a mount has that many transactions.
pub(crate) const MOUNT_SHIFT: u32 = 40;

/// So often can a volume be mounted: the number of the mount is the rest of a record's number.
pub(crate) const MAX_MOUNTS: u64 = 1 << (u64::BITS - MOUNT_SHIFT);

/// The line's offset.
const LINE: u64 = SUPER_SHARED as u64;
const LINE_LEN: u64 = CACHE_LINE as u64;

/// The volume is in use from now on, for the `mounts`th time. After a repair there are no errors.
pub(crate) fn mark_mounted<P: Platform>(
    volume: &Volume<P>,
    mounts: u64,
    now: Time,
    repaired: bool,
) {
    let medium = Pinned::new(volume.stores());
    if repaired {
        for field in [
            offset_of!(Superblock, errors),
            offset_of!(Superblock, first_error),
            offset_of!(Superblock, last_error),
        ] {
            medium.store_u64(field as u64, 0);
        }
    }
    medium.store_u64(offset_of!(Superblock, mounts) as u64, mounts);
    medium.store_u64(offset_of!(Superblock, mounted) as u64, now.0);
    finish(&medium, state_or_damaged(volume, STATE_MOUNTED));
}

/// The volume has been mounted so often: numbers of records up to the next one's are in use.
///
/// # Errors
///
/// As for [`mark_clean`].
fn store_mounts<P: Platform>(volume: &Volume<P>, mounts: u64) -> Result {
    volume.platform().load_u64(LINE)?;
    let medium = Pinned::new(volume.stores());
    medium.store_u64(offset_of!(Superblock, mounts) as u64, mounts);
    medium.flush(LINE, LINE_LEN);
    medium.fence();
    Ok(())
}

/// A record is about to have that number: the next mount starts above it.
///
/// # Errors
///
/// [`Error::Io`] if there is no such number, or it cannot be noted.
pub(super) fn claim_number<P: Platform>(volume: &Volume<P>, number: u64) -> Result {
    let mounts = number >> MOUNT_SHIFT;
    if mounts <= volume.mounts.load(Acquire) {
        return Ok(());
    }
    if mounts >= MAX_MOUNTS {
        return Err(Error::Io);
    }
    // Whoever comes here at the same time stores the same.
    store_mounts(volume, mounts)?;
    volume.mounts.fetch_max(mounts, Release);
    Ok(())
}

/// The volume is not in use any more, has no record that is to be done, and these totals. If it is damaged, it
/// says so instead of that it is clean.
///
/// # Errors
///
/// [`Error::Io`] if the line has become unreadable: nothing says then that the volume is clean.
pub(crate) fn mark_clean<P: Platform>(volume: &Volume<P>, free_blocks: u64, inodes: u64) -> Result {
    // Who reads that the volume is clean relies on there being no record.
    settle_marks(volume);
    volume.platform().load_u64(LINE)?;
    let medium = Pinned::new(volume.stores());
    medium.store_u64(offset_of!(Superblock, free_blocks) as u64, free_blocks);
    medium.store_u64(offset_of!(Superblock, inodes) as u64, inodes);
    finish(&medium, state_or_damaged(volume, STATE_CLEAN));
    Ok(())
}

/// An error has been met. The caller holds the superblock's lock.
pub(crate) fn note_error<P: Platform>(volume: &Volume<P>, kind: ErrorKind, now: Time) -> Result {
    let platform = volume.platform();
    let counted = platform.load_u64(offset_of!(Superblock, errors) as u64)? as u32;
    let medium = Pinned::new(volume.stores());
    if counted == 0 {
        medium.store_u64(offset_of!(Superblock, first_error) as u64, now.0);
    }
    medium.store_u64(offset_of!(Superblock, last_error) as u64, now.0);
    let word = u64::from(counted.saturating_add(1)) | u64::from(kind as u32) << 32;
    medium.store_release(offset_of!(Superblock, errors) as u64, word);
    finish(&medium, state_or_damaged(volume, STATE_MOUNTED));
    Ok(())
}

/// That state, unless the volume is damaged.
fn state_or_damaged<P: Platform>(volume: &Volume<P>, state: u64) -> u64 {
    if volume.errors().found_damage() {
        STATE_DAMAGED
    } else {
        state
    }
}

/// Stores the state behind what belongs to it, and waits until all is durable.
fn finish(medium: &Pinned<'_, impl Stores>, state: u64) {
    medium.store_release(offset_of!(Superblock, state) as u64, state);
    medium.flush(LINE, LINE_LEN);
    medium.fence();
}

const _: () = assert!(LINE % LINE_LEN == 0 && size_of::<Superblock>() as u64 == LINE + LINE_LEN);
const _: () =
    assert!(offset_of!(Superblock, errors) % 8 == 0 && offset_of!(Superblock, error_kind) % 8 == 4);
