// SPDX-License-Identifier: GPL-2.0

//! The superblock's last line: whether the volume is in use, and totals. No transaction has its words,
//! and no checksum covers them. They are one line, of which the medium gets a prefix of what is stored:
//! whoever finds the state finds what was stored before it.

use core::mem::offset_of;

use super::replay::flush_marks;
use crate::format::{Superblock, Time, STATE_CLEAN, STATE_MOUNTED, SUPER_CRC};
use crate::platform::{Platform, Stores, CACHE_LINE};
use crate::volume::Volume;

/// The line's offset.
const LINE: u64 = SUPER_CRC.end as u64;
const LINE_LEN: u64 = CACHE_LINE as u64;

/// The volume is in use from now on, for the `mounts`th time.
pub(crate) fn mark_mounted<P: Platform>(volume: &Volume<P>, mounts: u64, now: Time) {
    let medium = volume.stores();
    store(medium, offset_of!(Superblock, mounts), mounts);
    store(medium, offset_of!(Superblock, mounted), now.0);
    store(medium, offset_of!(Superblock, state), STATE_MOUNTED);
    medium.flush(LINE, LINE_LEN);
    medium.fence();
}

/// The volume is not in use any more, has no record that is to be done, and these totals.
pub(crate) fn mark_clean<P: Platform>(volume: &Volume<P>, free_blocks: u64, inodes: u64) {
    let medium = volume.stores();
    flush_marks(volume);
    // Who reads that the volume is clean relies on there being no record.
    medium.fence();
    store(medium, offset_of!(Superblock, free_blocks), free_blocks);
    store(medium, offset_of!(Superblock, inodes), inodes);
    store(medium, offset_of!(Superblock, state), STATE_CLEAN);
    medium.flush(LINE, LINE_LEN);
    medium.fence();
}

fn store(medium: &impl Stores, field: usize, value: u64) {
    medium.store_u64(field as u64, value);
}

const _: () = assert!(LINE % LINE_LEN == 0 && size_of::<Superblock>() as u64 == LINE + LINE_LEN);
