// SPDX-License-Identifier: GPL-2.0

//! One reading of all metadata.

use std::collections::BTreeMap;

use rdaxfs_core::format::Inode;
use rdaxfs_core::platform::{Digest, Medium};

use crate::claims::Claims;
use crate::directory::Entry;
use crate::finding::{Finding, Fix};
use crate::image::Image;
use crate::{bad_blocks, groups, inodes, links, records, superblock};

/// How far a survey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which part: "inodes", "names" or "bitmaps".
    pub part: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is.
    pub all: u64,
}

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

/// Reads all metadata of a volume and judges it.
pub fn survey<M: Medium + Digest>(
    image: &Image<'_, M>,
    mut progress: impl FnMut(Progress),
) -> Survey {
    let mut survey = Survey::default();
    superblock::judge(image, &mut survey);
    records::judge(image, &mut survey);
    groups::claim_heads(image, &mut survey);
    survey.bad_blocks_owner = bad_blocks::named(image);
    inodes::find(image, &mut survey, &mut progress);
    bad_blocks::judge(image, &mut survey);
    links::judge(image, &mut survey, &mut progress);
    groups::judge(image, &mut survey, &mut progress);
    superblock::judge_totals(image, &mut survey);
    survey
}
