// SPDX-License-Identifier: GPL-2.0

//! Both copies of the superblock.

use std::mem::offset_of;

use rdaxfs_core::format::{block_offset, Superblock, STATE_CLEAN, SUPER_CRC, SUPER_SHARED};
use rdaxfs_core::platform::{Digest, Medium};
use rdaxfs_core::Result;
use zerocopy::IntoBytes;

use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::survey::Survey;

/// The bytes that both copies share.
pub(crate) fn shared(superblock: &Superblock) -> &[u8] {
    &superblock.as_bytes()[..SUPER_SHARED]
}

/// The words that make a superblock of both copies, with its checksum.
pub(crate) fn changed<M: Medium + Digest>(
    image: &Image<'_, M>,
    mut superblock: Superblock,
) -> Vec<Word> {
    superblock
        .crc
        .set(image.crc(&superblock.as_bytes()[SUPER_CRC]));
    let starts = [0, block_offset(image.blocks() - 1)];
    let words = starts.map(|start| words_of(start, shared(&superblock)));
    words.into_iter().flatten().collect()
}

/// Words that are to be stored from an offset on.
fn words_of(start: u64, bytes: &[u8]) -> Vec<Word> {
    let words = bytes.chunks_exact(8).zip((start..).step_by(8));
    words
        .map(|(bytes, at)| {
            let word = bytes.try_into().expect("the chunks have 8 bytes");
            (at, u64::from_le_bytes(word))
        })
        .collect()
}

/// Whether both copies are the superblock that the volume is judged by.
pub(crate) fn judge<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey) {
    for block in [0, image.blocks() - 1] {
        if let Some(finding) = difference(image, block) {
            survey.add(finding);
        }
        let what = "has lines that cannot be read";
        let problem = Problem::Superblock { block, what };
        image.judge_rest(survey, (block, size_of::<Superblock>()), problem);
    }
}

/// What is wrong with a copy, if it is not the superblock that the volume is judged by.
pub(crate) fn difference<M: Medium + Digest>(image: &Image<'_, M>, block: u64) -> Option<Finding> {
    let good = shared(&image.superblock);
    // The rest must be readable too.
    let found: Result<Superblock> = image.get(block_offset(block));
    if found.is_ok_and(|found| shared(&found) == good) {
        return None;
    }
    let words = words_of(block_offset(block), good);
    let problem = Problem::Superblock {
        block,
        what: "differs from the good copy",
    };
    Some(Finding::words(problem, words))
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
