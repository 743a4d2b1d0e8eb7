// SPDX-License-Identifier: GPL-2.0

//! The journal's slots, with the records that have been done, or cannot be.

use rdaxfs_core::format::{block_offset, Superblock, BLOCK_SIZE, RECORD_HEADER};
use rdaxfs_core::platform::{Digest, Medium, Stores, CACHE_LINE};

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
    let retired = image.superblock.retired_slots.get();
    for (slot, header) in (0..).zip(headers(&image.superblock)) {
        if retired >> slot & 1 == 1 {
            continue;
        }
        if image.medium().check_poison(header, BLOCK_SIZE).is_err() {
            let what = "cannot be read; it is emptied";
            let problem = Problem::Slot { slot, what };
            survey.add(Finding::words(problem, vec![(header, 0)]));
        }
    }
    give_back(image, survey);
}

/// Gives back the slots that were not used any more: the memory may have been repaired. If it has not been, the
/// file system retires them again.
fn give_back<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey) {
    let retired = image.superblock.retired_slots.get();
    if retired == 0 {
        return;
    }
    // What they hold is no record, and must not become one when they are given back: that first.
    let mut words = Vec::new();
    for (slot, header) in (0..).zip(headers(&image.superblock)) {
        let is_empty = || {
            image.medium().check_poison(header, BLOCK_SIZE).is_ok()
                && image.medium().load_u64(header) == Ok(0)
        };
        if retired >> slot & 1 == 1 && !is_empty() {
            words.extend(
                (0..BLOCK_SIZE)
                    .step_by(CACHE_LINE)
                    .map(|at| (header + at, 0)),
            );
        }
    }
    if words.is_empty() {
        let mut superblock = image.superblock;
        superblock.retired_slots.set(0);
        words = crate::superblock::changed(image, superblock);
    }
    let what = "journal slots that could not be written are used again";
    survey.add(Finding::words(
        Problem::Superblock { block: 0, what },
        words,
    ));
}

/// Where each slot's record has its header.
fn headers(superblock: &Superblock) -> impl Iterator<Item = u64> {
    let first = superblock.slots_at.get();
    (first..first + u64::from(superblock.slots.get())).map(block_offset)
}
