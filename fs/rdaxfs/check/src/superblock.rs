// SPDX-License-Identifier: GPL-2.0

//! Both copies of the superblock.

use std::mem::offset_of;

use rdaxfs_core::format::{block_offset, Superblock, BLOCK_SIZE, STATE_CLEAN};
use rdaxfs_core::platform::{Digest, Medium};
use rdaxfs_core::volume::read_superblock;
use rdaxfs_core::{Error, Result};
use zerocopy::IntoBytes;

use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::survey::{survey, Survey};

/// The bytes of a superblock that both copies share.
const SHARED: usize = offset_of!(Superblock, state);

/// The superblock by which a volume is to be judged, and if it is not the first copy, what is wrong with that one.
///
/// If both are whole and differ, then one of them was damaged together with its checksum: it is the one with
/// which more of the volume would be wrong.
///
/// # Errors
///
/// Those of [`Volume::probe`](rdaxfs_core::volume::Volume::probe).
pub fn choose<M: Medium + Digest>(medium: &M) -> Result<(Superblock, Option<Finding>)> {
    let first = read_superblock(medium, 0);
    if let Err(Error::NotSupported) = first {
        return first.map(|first| (first, None));
    }
    // At the end of the volume, or of the medium: the first copy may say a length that is wrong.
    let end = (medium.len() / BLOCK_SIZE).saturating_sub(1);
    let last = first.as_ref().map_or(end, |first| first.blocks.get() - 1);
    let copy = read_superblock(medium, last).or_else(|_| read_superblock(medium, end));
    let superblock = match (first, copy) {
        (Ok(first), Ok(copy)) if shared(&first) != shared(&copy) => {
            let wrong = |superblock| {
                survey(&Image::new(medium, superblock), |_| {})
                    .findings
                    .len()
            };
            if wrong(copy) < wrong(first) {
                copy
            } else {
                first
            }
        }
        (Ok(first), _) => first,
        (Err(_), Ok(copy)) => copy,
        (Err(error), Err(_)) => return Err(error),
    };
    let wrong = difference(&Image::new(medium, superblock), 0);
    Ok((superblock, wrong))
}

/// The bytes that both copies share.
fn shared(superblock: &Superblock) -> &[u8] {
    &superblock.as_bytes()[..SHARED]
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
fn difference<M: Medium + Digest>(image: &Image<'_, M>, block: u64) -> Option<Finding> {
    let good = shared(&image.superblock);
    // The rest must be readable too.
    let found: Result<Superblock> = image.get(block_offset(block));
    if found.is_ok_and(|found| shared(&found) == good) {
        return None;
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
    Some(Finding::words(problem, words.collect()))
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
