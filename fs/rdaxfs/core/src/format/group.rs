// SPDX-License-Identifier: GPL-2.0

//! An allocation group's head: its header and its two bitmaps, a block each, at the group's start
//! (in group 0 behind the superblock).

use zerocopy::little_endian::{U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Superblock, GROUP_BLOCKS};

/// [`GroupHeader::magic`].
pub const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"rdxG");

/// The blocks of a group that no ordinary allocation takes: unlink, truncate and punching a hole
/// may, which give back what they take.
pub const GROUP_RESERVE: u32 = 8;

/// The header of a group. The first line never changes; the words of the second one change in
/// transactions, under the group's lock.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GroupHeader {
    /// [`GROUP_MAGIC`].
    pub magic: U32,
    /// CRC-32C of the bytes from `group` to before `free`.
    pub crc: U32,
    /// This group's number.
    pub group: U64,
    /// The volume's UUID, so that the header of an earlier file system is not taken for this one's.
    pub uuid: [u8; 16],
    /// Zero.
    pub reserved: [U64; 4],
    /// Free blocks.
    pub free: U32,
    /// Chunks that are free as a whole.
    pub free_chunks: U32,
    /// The block of the first inode chunk with a free inode; 0: none.
    pub inode_chunks: U64,
    /// The first inode on the group's list of orphans and intents; 0: none.
    pub orphans: U64,
    /// Inodes in use.
    pub inodes: U64,
    /// Zero.
    pub reserved_words: [U64; 4],
}

/// The bytes that [`GroupHeader::crc`] covers.
pub const GROUP_CRC: core::ops::Range<usize> =
    core::mem::offset_of!(GroupHeader, group)..core::mem::offset_of!(GroupHeader, free);

const _: () = assert!(size_of::<GroupHeader>() == 128);
const _: () = assert!(size_of::<Superblock>() <= 4096);

/// The first block of group `group`.
#[must_use]
#[inline]
pub const fn group_start(group: u32) -> u64 {
    group as u64 * GROUP_BLOCKS
}

/// The block of a group's [`GroupHeader`].
#[must_use]
#[inline]
pub const fn group_header(group: u32) -> u64 {
    group_start(group) + (group == 0) as u64
}

/// The block of a group's bitmap of blocks in use: bit `n` of word `w` is block `64 w + n` of the
/// group, and set if it is in use or beyond the volume.
#[must_use]
#[inline]
pub const fn group_bitmap(group: u32) -> u64 {
    group_header(group) + 1
}

/// The block of a group's bitmap of metadata: set where a block in use holds metadata.
#[must_use]
#[inline]
pub const fn group_metadata(group: u32) -> u64 {
    group_header(group) + 2
}

/// The first block of the group that is not its head.
#[must_use]
#[inline]
pub const fn group_body(group: u32) -> u64 {
    group_header(group) + 3
}

/// The group of a block, which must be less than [`MAX_BLOCKS`](super::MAX_BLOCKS).
#[must_use]
#[inline]
pub const fn group_of(block: u64) -> u32 {
    (block / GROUP_BLOCKS) as u32
}

/// The fewest blocks that make a group of their own at the volume's end.
pub const MIN_GROUP_BLOCKS: u64 = 16;

/// The groups of a volume of so many blocks. Fewer than [`MIN_GROUP_BLOCKS`] at the end belong to none;
/// the last of them still has the copy of the superblock.
#[must_use]
pub const fn groups_of(blocks: u64) -> u32 {
    let rest = blocks % GROUP_BLOCKS;
    (blocks / GROUP_BLOCKS) as u32 + (rest >= MIN_GROUP_BLOCKS) as u32
}
