// SPDX-License-Identifier: GPL-2.0

//! What statfs(2) says.
//!
//! C header: [`include/linux/statfs.h`](srctree/include/linux/statfs.h)

/// What statfs(2) says of a file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statfs {
    /// The file system's magic number.
    pub magic: u32,
    /// The size of a block in bytes.
    pub block_size: u32,
    /// The blocks of the volume.
    pub blocks: u64,
    /// The free ones.
    pub free_blocks: u64,
    /// The free ones that a user without privileges can have.
    pub available_blocks: u64,
    /// The inodes, in use and free.
    pub inodes: u64,
    /// The free inodes.
    pub free_inodes: u64,
    /// A number that tells the volume from others.
    pub id: u64,
    /// The longest name in bytes.
    pub name_len: u32,
}
