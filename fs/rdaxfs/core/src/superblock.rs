// SPDX-License-Identifier: GPL-2.0

//! The superblock: reading it, and whether it makes sense.

use zerocopy::IntoBytes;

use crate::format::{
    block_offset, group_body, group_of, groups_of, inode_block, inode_slot, Superblock, BLOCK_SIZE,
    CHUNK_BLOCKS, GROUP_BLOCKS, INODE_SIZE, MAX_BLOCKS, MAX_SLOTS, MIN_BLOCKS, SUPER_CRC,
    SUPER_MAGIC,
};
use crate::platform::{Digest, Medium};
use crate::{Error, Result};

/// What this version knows of [`Superblock::incompat`].
const KNOWN_INCOMPAT: u32 = 0;
/// Reads the superblock, without a mount: what the caller needs to make its locks. The copy is asked only if
/// block 0 has the magic number and is damaged behind it: another file system's mkfs overwrites block 0 and
/// leaves the last block. [`read_superblock`] is for who knows better, and where the copy is.
///
/// # Errors
///
/// [`Error::Invalid`] if block 0 is not that of an rdaxfs volume, [`Error::NotSupported`] if it
/// has features that this version does not know, [`Error::Corrupt`] if it makes no sense or the
/// medium is shorter than the volume, and so does the copy, [`Error::Io`] if it cannot be read.
pub fn probe(medium: &(impl Medium + Digest)) -> Result<Superblock> {
    find(medium).map(|(superblock, _)| superblock)
}

/// As [`probe`], with the block in which the superblock was found.
#[inline(never)]
pub(crate) fn find(medium: &(impl Medium + Digest)) -> Result<(Superblock, u64)> {
    let first = read_superblock(medium, 0).map(|superblock| (superblock, 0));
    match first {
        Ok(_) | Err(Error::NotSupported) => return first,
        Err(_) if !has_magic(medium)? => return first,
        Err(_) => {}
    }
    let last = (medium.len() / BLOCK_SIZE).saturating_sub(1);
    match read_superblock(medium, last) {
        // One in the middle of what it describes is another volume's.
        Ok(copy) if copy.blocks.get() == last + 1 => Ok((copy, last)),
        Err(Error::NotSupported) => Err(Error::NotSupported),
        // What the first copy is says more.
        _ => first,
    }
}

/// Whether block 0 has the magic number of an rdaxfs volume.
fn has_magic(medium: &impl Medium) -> Result<bool> {
    Ok(medium.len() >= BLOCK_SIZE && medium.load_u64(0)? == SUPER_MAGIC)
}

/// Reads and judges the superblock at a block: the first one, or the last one of a volume.
///
/// # Errors
///
/// As [`probe`].
#[inline(never)]
pub fn read_superblock(medium: &(impl Medium + Digest), block: u64) -> Result<Superblock> {
    let mut superblock: Superblock = zerocopy::FromZeros::new_zeroed();
    let offset = block_offset(block);
    if medium.len() < offset.saturating_add(size_of::<Superblock>() as u64) {
        return Err(Error::Invalid);
    }
    medium.read(offset, superblock.as_mut_bytes())?;
    judge_bytes(medium, &superblock)?;
    Ok(superblock)
}

/// The checksum of a superblock: what [`Superblock::crc`] has to say.
pub fn checksum(digest: &impl Digest, superblock: &Superblock) -> u32 {
    digest.crc32c(0, superblock.as_bytes().get(SUPER_CRC).unwrap_or(&[]))
}

/// Judges a superblock that has been read.
pub(crate) fn judge_bytes(medium: &(impl Medium + Digest), superblock: &Superblock) -> Result {
    if superblock.magic.get() != SUPER_MAGIC {
        return Err(Error::Invalid);
    }
    if superblock.crc.get() != checksum(medium, superblock) {
        return Err(Error::Corrupt);
    }
    if superblock.incompat.get() & !KNOWN_INCOMPAT != 0 {
        return Err(Error::NotSupported);
    }
    judge(superblock, medium.len())?;
    if u64::from(superblock.inode_size.get()) != INODE_SIZE {
        return Err(Error::NotSupported);
    }
    Ok(())
}

/// Whether the fields agree with each other and with the medium's length.
fn judge(superblock: &Superblock, len: u64) -> Result {
    let blocks = superblock.blocks.get();
    let slots = u64::from(superblock.slots.get());
    let slots_at = superblock.slots_at.get();
    let slots_end = slots_at.saturating_add(slots);
    let good = (MIN_BLOCKS..=MAX_BLOCKS).contains(&blocks)
        && blocks <= len / BLOCK_SIZE
        && (1..=u64::from(MAX_SLOTS)).contains(&slots)
        && slots_at >= group_body(0)
        && slots_end <= (blocks - 1).min(GROUP_BLOCKS)
        && is_inode_number(superblock.root.get(), blocks)
        && !(slots_at..slots_end).contains(&inode_block(superblock.root.get()))
        && u64::from(superblock.align_offset.get()) < CHUNK_BLOCKS
        && is_inode_size(superblock.inode_size.get())
        && matches!(superblock.bad_blocks.get(), ino if ino == 0 || is_inode_number(ino, blocks))
        && retired_fit(superblock.retired_slots.get(), slots);
    if good {
        Ok(())
    } else {
        Err(Error::Corrupt)
    }
}

/// Whether inodes can be so long: a chunk holds its header and at least one.
fn is_inode_size(size: u32) -> bool {
    size.is_power_of_two() && (INODE_SIZE..BLOCK_SIZE).contains(&u64::from(size))
}

/// Whether only slots that there are have been retired.
fn retired_fit(retired: u64, slots: u64) -> bool {
    slots >= 64 || retired >> slots == 0
}

/// Whether a number can be an inode's of a volume of so many blocks, of which the last one is the copy of the
/// superblock.
fn is_inode_number(ino: u64, blocks: u64) -> bool {
    let block = inode_block(ino);
    let group = group_of(block);
    inode_slot(ino) != 0
        && block < blocks - 1
        && group < groups_of(blocks)
        && block >= group_body(group)
}
