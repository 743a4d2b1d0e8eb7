// SPDX-License-Identifier: GPL-2.0

//! The blocks of the B+trees of extents and of directory entries.
//!
//! All begin with a [`NodeHeader`]. Inner nodes are the same in both trees: keys in ascending
//! order, each with the block of the child that holds that key and those above it, up to the next.
//! The children of an inner node are of its level less one, and level 0 are leaves.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::BLOCK_BYTES;

/// [`NodeHeader::magic`] of an inner node.
pub const INNER_MAGIC: u32 = u32::from_le_bytes(*b"rdxN");
/// [`NodeHeader::magic`] of a leaf with extents.
pub const EXTENT_LEAF_MAGIC: u32 = u32::from_le_bytes(*b"rdxE");
/// [`NodeHeader::magic`] of a leaf with directory entries.
pub const DIRECTORY_LEAF_MAGIC: u32 = u32::from_le_bytes(*b"rdxD");

/// The most levels of inner nodes above the leaves.
pub const MAX_DEPTH: u32 = 8;

/// The head of every node: a line. All but `word` and `more` is written once, before the node is
/// reachable.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NodeHeader {
    /// Which kind of node.
    pub magic: U32,
    /// CRC-32C of the bytes from `block` to before `word`.
    pub crc: U32,
    /// The block that this is.
    pub block: U64,
    /// The inode that it belongs to.
    pub owner: U64,
    /// That inode's generation.
    pub generation: U32,
    /// 0: a leaf; otherwise how many levels above the leaves.
    pub level: U16,
    /// Zero.
    pub reserved: U16,
    /// The lowest key that belonged here when the node was made. When its parent's first child goes,
    /// the next one gets its keys: then the key in the parent is below this.
    pub low: U64,
    /// An inner node: the number of children. A leaf of extents: 0. A leaf of a directory: bit `n` is
    /// set if an entry starts at line `n`.
    pub word: U64,
    /// A leaf of a directory: bit `n` is set if line `n` continues the entry of the line before it, so
    /// that what is free is known without a look at the entries. Else 0.
    pub more: U64,
    /// Zero.
    pub reserved_word: U64,
}

/// The bytes that [`NodeHeader::crc`] covers.
pub const NODE_CRC: core::ops::Range<usize> =
    core::mem::offset_of!(NodeHeader, block)..core::mem::offset_of!(NodeHeader, word);

/// The length of a [`NodeHeader`].
pub const NODE_HEADER: usize = size_of::<NodeHeader>();

const _: () = assert!(NODE_HEADER == 64);

/// A child of an inner node. `block` changes in transactions; `key` never does.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Child {
    /// The lowest key that belongs to the child.
    pub key: U64,
    /// Where it is.
    pub block: U64,
}

/// The most children of an inner node; they follow its header.
pub const MAX_CHILDREN: usize = (BLOCK_BYTES - NODE_HEADER) / size_of::<Child>();

/// Where in a leaf of extents their order is: byte 0 is their number `n`, and bytes 1 to `n` are
/// the places of the extents in ascending order of pages. Its words change in transactions.
pub const EXTENT_ORDER: usize = NODE_HEADER;
/// The bytes of the order.
pub const EXTENT_ORDER_BYTES: usize = 256;
/// Where the places begin, each an [`ExtentRecord`](super::ExtentRecord).
pub const EXTENT_PLACES: usize = EXTENT_ORDER + EXTENT_ORDER_BYTES;
/// The places of a leaf of extents.
pub const MAX_EXTENTS: usize = (BLOCK_BYTES - EXTENT_PLACES) / 16;

const _: () = assert!(MAX_EXTENTS < EXTENT_ORDER_BYTES);

/// What an inode's contents are: the word [`Inode::root`](super::Inode::root).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// Nothing: an empty file, directory, or an inode that has no contents.
    Empty,
    /// A symbolic link's target of so many bytes, in the inode.
    Target(u8),
    /// So many extents, in the inode, in ascending order of pages.
    Extents(u8),
    /// Directory entries of so many bytes, in the inode.
    Entries(u8),
    /// A device's number, in the inode: the major number in the upper 32 bits of the first word, the minor
    /// number in the lower.
    Device,
    /// A tree of extents: its root, and the root's level.
    ExtentTree {
        /// The root's block.
        block: u64,
        /// The root's level; 0: it is a leaf.
        level: u8,
    },
    /// A tree of directory entries.
    DirectoryTree {
        /// The root's block.
        block: u64,
        /// The root's level; 0: it is a leaf.
        level: u8,
    },
}

impl Root {
    /// The word: kind in bits 0 to 3, level in 4 to 7, number in 8 to 15, block in 16 to 63.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Target(len) => 1 | (len as u64) << 8,
            Self::Extents(count) => 2 | (count as u64) << 8,
            Self::Entries(len) => 3 | (len as u64) << 8,
            Self::ExtentTree { block, level } => 4 | ((level & 15) as u64) << 4 | block << 16,
            Self::Device => 6,
            Self::DirectoryTree { block, level } => 5 | ((level & 15) as u64) << 4 | block << 16,
        }
    }

    /// The bytes of [`Inode::inline`](super::Inode::inline) that the contents take.
    #[must_use]
    pub const fn inline_len(self) -> usize {
        match self {
            Self::Empty | Self::ExtentTree { .. } | Self::DirectoryTree { .. } => 0,
            Self::Target(len) | Self::Entries(len) => len as usize,
            Self::Extents(count) => count as usize * size_of::<super::ExtentRecord>(),
            Self::Device => size_of::<u64>(),
        }
    }

    /// What a word says; [`None`] if it has no meaning.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        let level = (word >> 4 & 15) as u8;
        let number = (word >> 8) as u8;
        let block = word >> 16;
        match word & 15 {
            0 if word == 0 => Some(Self::Empty),
            1 if number as usize <= super::INLINE_BYTES => Some(Self::Target(number)),
            2 if number as usize <= super::INLINE_EXTENTS => Some(Self::Extents(number)),
            3 if number != 0 && number as usize <= super::INLINE_BYTES => {
                Some(Self::Entries(number))
            }
            4 if level as u32 <= MAX_DEPTH => Some(Self::ExtentTree { block, level }),
            5 if level as u32 <= MAX_DEPTH => Some(Self::DirectoryTree { block, level }),
            6 if word == 6 => Some(Self::Device),
            _ => None,
        }
    }
}
