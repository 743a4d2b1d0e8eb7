// SPDX-License-Identifier: GPL-2.0

//! What is where on the medium. `Documentation/filesystems/rdaxfs/format.rst` says the same in
//! tables, with how each field is protected.
//!
//! Every structure is little-endian, a multiple of 8 bytes long, and can be made of any bytes: what
//! they say is judged by those who read them.

mod directory;
mod extent;
mod group;
mod inode;
mod node;
mod record;
mod superblock;
mod time;
mod xattr;

pub use directory::*;
pub use extent::*;
pub use group::*;
pub use inode::*;
pub use node::*;
pub use record::*;
pub use superblock::*;
pub use time::*;
pub use xattr::*;

/// log₂ of [`BLOCK_SIZE`].
pub const BLOCK_SHIFT: u32 = 12;
/// A block, in bytes.
pub const BLOCK_SIZE: u64 = 1 << BLOCK_SHIFT;
/// [`BLOCK_SIZE`] as the length of an array.
pub const BLOCK_BYTES: usize = 1 << BLOCK_SHIFT;
/// A group, in blocks: as many as a block has bits (128 MiB).
pub const GROUP_BLOCKS: u64 = 8 * BLOCK_SIZE;
/// A chunk, in blocks: what a huge page maps (2 MiB).
pub const CHUNK_BLOCKS: u64 = 512;
/// The chunks of a group.
pub const GROUP_CHUNKS: u32 = 64;
/// The most blocks of a volume (16 TiB).
pub const MAX_BLOCKS: u64 = 1 << 32;
/// The fewest blocks of a volume (256 KiB).
pub const MIN_BLOCKS: u64 = 64;
/// The pages of a file are below this.
pub const MAX_PAGES: u64 = 1 << 32;
/// The largest size of a file, in bytes (16 TiB).
pub const MAX_FILE_SIZE: u64 = MAX_PAGES * BLOCK_SIZE;
/// The longest name, in bytes.
pub const MAX_NAME: usize = 255;
/// The most links of an inode.
pub const MAX_LINKS: u64 = 0xffff_ffff;

/// The byte offset of a block.
#[must_use]
#[inline]
pub const fn block_offset(block: u64) -> u64 {
    block << BLOCK_SHIFT
}
