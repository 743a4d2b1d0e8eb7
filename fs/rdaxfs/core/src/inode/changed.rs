// SPDX-License-Identifier: GPL-2.0

//! What an operation tells of the inodes that it has changed.

/// What an operation has changed in an inode, apart from the times, which the caller gave: the new
/// values. [`None`]: as before.
///
/// It is as durable as the operation, so that a cached copy of the inode follows without a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The size in bytes.
    pub size: Option<u64>,
    /// The number of blocks.
    pub blocks: Option<u64>,
    /// The number of links.
    pub links: Option<u64>,
}
