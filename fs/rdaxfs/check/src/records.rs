// SPDX-License-Identifier: GPL-2.0

//! Journal records that cannot be done.

use rdaxfs_core::format::{block_offset, Superblock, RECORD_HEADER};
use rdaxfs_core::platform::Stores;

/// Drops all records, where one of them names what the volume does not have, so that none can be
/// trusted. What they were to change is as it was, in whole or in part: a survey finds that.
pub fn discard_records(medium: &impl Stores, superblock: &Superblock) {
    for slot in 0..u64::from(superblock.slots.get()) {
        let header = block_offset(superblock.slots_at.get() + slot);
        medium.store_u64(header, 0);
        medium.flush(header, RECORD_HEADER as u64);
    }
    medium.fence();
}
