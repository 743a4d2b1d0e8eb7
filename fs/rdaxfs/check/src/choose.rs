// SPDX-License-Identifier: GPL-2.0

//! Which copy of the superblock a volume is judged by.

use rdaxfs_core::format::{Superblock, BLOCK_SIZE, SUPER_MAGIC};
use rdaxfs_core::platform::{Digest, Medium};
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_core::{Error, Result};

use crate::finding::Finding;
use crate::image::Image;
use crate::superblock::{difference, shared};
use crate::walk::survey;

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
