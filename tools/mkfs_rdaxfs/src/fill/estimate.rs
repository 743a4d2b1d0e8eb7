// SPDX-License-Identifier: GPL-2.0

//! How large a volume has to be for some files.

use anyhow::Result;
use rdaxfs_core::format::{entry_lines, BLOCK_SIZE, GROUP_BLOCKS, MAX_BLOCKS, MIN_BLOCKS};

use super::{Kind, Node, Sink, Source};

/// Inodes of a block, in which the first place is the block's own.
const INODES: u64 = 15;
/// Lines that a leaf of a directory has for entries, when it is as full as leaves are on average.
const LINES: u64 = 40;
/// The heads of a group.
const HEADS: u64 = 3;
/// The journal, the superblocks, and some room to move.
const AROUND: u64 = 320;

/// What files need.
#[derive(Default)]
pub struct Estimate {
    /// Data and extended attributes, in blocks.
    blocks: u64,
    inodes: u64,
    /// Lines of directory entries.
    lines: u64,
}

impl Estimate {
    /// What the files of a source need.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn of(source: &mut dyn Source) -> Result<Self> {
        let mut estimate = Self::default();
        source.visit(&mut estimate)?;
        Ok(estimate)
    }

    /// The blocks of a volume for them, with little left over.
    #[must_use]
    pub fn volume(&self) -> u64 {
        let used = self.blocks + self.inodes / INODES + self.inodes / 64 + self.lines / LINES;
        let used = used + used / 32 + AROUND;
        let groups = used / (GROUP_BLOCKS - HEADS) + 1;
        (used + groups * HEADS).clamp(MIN_BLOCKS, MAX_BLOCKS)
    }
}

impl Sink for Estimate {
    fn add(&mut self, path: &[u8], node: &Node, kind: Kind<'_>) -> Result<()> {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        self.lines += entry_lines(name.len()) as u64;
        let attributes: usize = node
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len() + 16)
            .sum();
        self.blocks += (attributes as u64).div_ceil(BLOCK_SIZE);
        match kind {
            Kind::Link(_) => return Ok(()),
            // The extents of a large file, and its ends.
            Kind::File { allocated, .. } => {
                let blocks = allocated.div_ceil(BLOCK_SIZE);
                self.blocks += blocks + blocks / 512;
            }
            // An inode has the entries of a small one.
            Kind::Directory | Kind::Symlink(_) | Kind::Special { .. } => {}
        }
        self.inodes += 1;
        Ok(())
    }
}
