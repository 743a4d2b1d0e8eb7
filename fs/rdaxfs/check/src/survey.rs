// SPDX-License-Identifier: GPL-2.0

//! What one reading of all metadata has found out so far.

use std::collections::BTreeMap;

use rdaxfs_core::format::Inode;

use crate::claims::Claims;
use crate::entry::Entry;
use crate::finding::{Finding, Fix};

/// What a survey found out.
#[derive(Default)]
pub struct Survey {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The inodes in use that are good enough to be kept.
    pub inodes: BTreeMap<u64, InodeInfo>,
    /// Free blocks, as the bitmaps have to say.
    pub free_blocks: u64,
    /// Blocks that are not used because they are bad.
    pub bad_blocks: u64,
    /// The inode that owns them; 0: none.
    pub(crate) bad_blocks_owner: u64,
    pub(crate) claims: Claims,
    /// How many blocks have been claimed.
    pub(crate) claimed: u64,
    /// The entries of directories.
    pub(crate) entries: BTreeMap<u64, Vec<Entry>>,
    /// Inode chunks, by block: their words `used`, as they are to be.
    pub(crate) chunks: BTreeMap<u64, u64>,
}

/// An inode.
#[derive(Clone)]
pub struct InodeInfo {
    /// What is on the medium.
    pub inode: Inode,
    /// The blocks that belong to it.
    pub blocks: u64,
    /// The directories that have names of it, and the names.
    pub names: Vec<(u64, Vec<u8>)>,
}

impl Survey {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Claims blocks of one group for something, unless one of them is claimed already.
    pub(crate) fn claim(&mut self, block: u64, count: u64, metadata: bool) -> bool {
        let claimed = self.claims.claim(block, count, metadata);
        if claimed {
            self.claimed += count;
        }
        claimed
    }

    /// The inodes that need a name in lost+found.
    pub fn unconnected(&self) -> impl Iterator<Item = u64> + '_ {
        self.findings
            .iter()
            .filter_map(|finding| match finding.fix {
                Fix::Reconnect { ino } => Some(ino),
                _ => None,
            })
    }

    /// The path of an inode, from the root; [`None`] if it has none.
    #[must_use]
    pub fn path(&self, root: u64, ino: u64) -> Option<Vec<u8>> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let mut at = ino;
        while at != root {
            let (parent, name) = self.inodes.get(&at)?.names.first()?;
            parts.push(name);
            at = *parent;
            if parts.len() > self.inodes.len() {
                return None;
            }
        }
        let mut path = Vec::new();
        for part in parts.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(part);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Some(path)
    }
}
