// SPDX-License-Identifier: GPL-2.0

//! Both copies of the superblock.

use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, Superblock, BLOCK_SIZE, STATE_CLEAN, SUPER_CRC, SUPER_MAGIC, SUPER_SHARED,
};
use rdaxfs_core::platform::{Digest, Medium};
use rdaxfs_core::volume::read_superblock;
use rdaxfs_core::{Error, Result};
use zerocopy::IntoBytes;

use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::survey::{survey, Survey};

/// Whether block 0 has the magic number of an rdaxfs volume.
///
/// # Errors
///
/// [`Error::Io`] if that cannot be read.
pub fn has_magic(medium: &impl Medium) -> Result<bool> {
    let mut magic = [0; 8];
    if medium.len() < BLOCK_SIZE {
        return Ok(false);
    }
    medium.read(0, &mut magic)?;
    Ok(u64::from_le_bytes(magic) == SUPER_MAGIC)
}

/// The superblock by which a volume is to be judged, and if it is not the first copy, what is wrong with that one.
///
/// The copy in the last block is asked only if block 0 has the magic number: mkfs of another file system
/// overwrites block 0 and leaves the last block as it was. [`by_copy`] is for a caller who knows better.
///
/// If both are whole and differ, then one of them was damaged together with its checksum: it is the one with
/// which more of the volume would be wrong.
///
/// # Errors
///
/// Those of [`read_superblock`]; [`Error::Invalid`] if block 0 does not have the magic number, [`Error::Io`]
/// if that cannot be read.
pub fn choose<M: Medium + Digest>(medium: &M) -> Result<(Superblock, Option<Finding>)> {
    if !has_magic(medium)? {
        return Err(Error::Invalid);
    }
    let first = read_superblock(medium, 0);
    if let Err(Error::NotSupported) = first {
        return first.map(|first| (first, None));
    }
    // At the end of the volume, or of the medium: the first copy may say a length that is wrong.
    let end = (medium.len() / BLOCK_SIZE).saturating_sub(1);
    let last = first.as_ref().map_or(end, |first| first.blocks.get() - 1);
    let copy = read_copy(medium, last).or_else(|_| read_copy(medium, end));
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

/// The superblock whose copy is in that block, whatever block 0 has, and what is wrong with block 0.
///
/// # Errors
///
/// Those of [`read_superblock`]; [`Error::Invalid`] if the copy is not in the last block of its volume.
pub fn by_copy<M: Medium + Digest>(
    medium: &M,
    block: u64,
) -> Result<(Superblock, Option<Finding>)> {
    let superblock = read_copy(medium, block)?;
    let wrong = difference(&Image::new(medium, superblock), 0);
    Ok((superblock, wrong))
}

/// Reads a copy, which has to be in the last block of its volume.
fn read_copy<M: Medium + Digest>(medium: &M, block: u64) -> Result<Superblock> {
    let copy = read_superblock(medium, block)?;
    if copy.blocks.get().checked_sub(1) != Some(block) {
        return Err(Error::Invalid);
    }
    Ok(copy)
}

/// The bytes that both copies share.
fn shared(superblock: &Superblock) -> &[u8] {
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
fn difference<M: Medium + Digest>(image: &Image<'_, M>, block: u64) -> Option<Finding> {
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
