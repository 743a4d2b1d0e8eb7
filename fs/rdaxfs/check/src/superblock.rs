// SPDX-License-Identifier: GPL-2.0

//! Both copies of the superblock.

use std::mem::offset_of;

use rdaxfs_core::format::{block_offset, Superblock, STATE_CLEAN};
use rdaxfs_core::platform::{Digest, Medium};
use zerocopy::IntoBytes;

use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::survey::Survey;

/// The bytes of a superblock that both copies share.
const SHARED: usize = offset_of!(Superblock, state);

/// Whether both copies are the superblock that the volume is judged by.
pub(crate) fn judge<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey) {
    let good = &image.superblock.as_bytes()[..SHARED];
    for block in [0, image.blocks() - 1] {
        let mut found = [0; SHARED];
        let read = image.read(block_offset(block), &mut found);
        if read.is_ok() && found == *good {
            continue;
        }
        let words = good.chunks_exact(8).enumerate().map(|(at, bytes)| -> Word {
            let word = bytes.try_into().expect("the chunks have 8 bytes");
            (
                block_offset(block) + 8 * at as u64,
                u64::from_le_bytes(word),
            )
        });
        let problem = Problem::Superblock {
            block,
            what: "differs from the good copy",
        };
        survey.add(Finding::words(problem, words.collect()));
    }
}

/// Whether the totals of a clean volume are those that were counted.
pub(crate) fn judge_totals<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey) {
    let Ok(found) = image.get::<Superblock>(0) else {
        return;
    };
    if found.state.get() != STATE_CLEAN {
        // The totals say nothing then; whoever unmounts the volume writes them.
        return;
    }
    let inodes = survey.inodes.len() as u64;
    let free = survey.free_blocks;
    for (field, found, expected, what) in [
        (
            offset_of!(Superblock, free_blocks),
            found.free_blocks.get(),
            free,
            "counts free blocks wrongly",
        ),
        (
            offset_of!(Superblock, inodes),
            found.inodes.get(),
            inodes,
            "counts inodes wrongly",
        ),
    ] {
        if found != expected {
            let problem = Problem::Superblock { block: 0, what };
            survey.add(Finding::words(problem, vec![(field as u64, expected)]));
        }
    }
}
