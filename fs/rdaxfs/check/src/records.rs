// SPDX-License-Identifier: GPL-2.0

//! The journal's slots, with the records that have been done, or cannot be.

use rdaxfs_core::format::{block_offset, Superblock, BLOCK_SIZE, RECORD_HEADER};
use rdaxfs_core::platform::{Digest, Medium, Stores};

use crate::finding::{Finding, Problem};
use crate::image::Image;
use crate::survey::Survey;

/// Drops all records, where one of them names what the volume does not have, so that none can be
/// trusted. What they were to change is as it was, in whole or in part: a survey finds that.
pub fn discard_records(medium: &impl Stores, superblock: &Superblock) {
    for header in headers(superblock) {
        medium.store_u64(header, 0);
        medium.flush(header, RECORD_HEADER as u64);
    }
    medium.fence();
}

/// Whether all slots can be read: records are written over what is there.
pub(crate) fn judge<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey) {
    for (slot, header) in (0..).zip(headers(&image.superblock)) {
        if image.medium().check_poison(header, BLOCK_SIZE).is_err() {
            let what = "cannot be read; it is emptied";
            let problem = Problem::Slot { slot, what };
            survey.add(Finding::words(problem, vec![(header, 0)]));
        }
    }
}

/// Where each slot's record has its header.
fn headers(superblock: &Superblock) -> impl Iterator<Item = u64> {
    let first = superblock.slots_at.get();
    (first..first + u64::from(superblock.slots.get())).map(block_offset)
}
