// SPDX-License-Identifier: GPL-2.0

//! A block.

use std::collections::HashSet;
use std::fmt;

use rdaxfs_core::owner::{Part, Use};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Result;
use serde::Serialize;
use terminal::{hex_unless_utf8, safe};

use crate::text::Number;

/// What a block is used for.
#[derive(Serialize)]
pub(crate) struct BlockInfo {
    block: Number,
    /// `superblock`, `group`, `journal`, `free`, `inodes`, `node`, `bad`, `data`,
    /// `attributes` or `unknown`.
    usage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ino: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Number>,
    /// A path of the inode.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// It in hex, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

impl BlockInfo {
    pub(crate) fn of<P: Platform>(
        volume: &Volume<P>,
        workspace: &mut Workspace,
        block: u64,
    ) -> Result<Self> {
        let mut info = Self {
            block: Number(block),
            usage: "unknown",
            group: None,
            slot: None,
            ino: None,
            page: None,
            path: None,
            path_bytes: None,
        };
        match volume.owners().use_of(block)? {
            Use::Superblock => info.usage = "superblock",
            Use::Group(group) => (info.usage, info.group) = ("group", Some(group)),
            Use::Journal(slot) => (info.usage, info.slot) = ("journal", Some(slot)),
            Use::Free => info.usage = "free",
            Use::Inodes => info.usage = "inodes",
            Use::Node { ino } => (info.usage, info.ino) = ("node", Some(Number(ino))),
            Use::Bad => (info.usage, info.ino) = ("bad", Some(Number(volume.bad_blocks().owner()))),
            Use::Unknown => {}
            Use::Data => {
                info.usage = "data";
                if let Some((ino, part)) = owner(volume, block)? {
                    info.ino = Some(Number(ino));
                    match part {
                        Part::Page(page) => info.page = Some(Number(page)),
                        Part::Xattrs => info.usage = "attributes",
                    }
                }
            }
        }
        if let Some(ino) = info.ino.filter(|ino| ino.0 != volume.bad_blocks().owner()) {
            let path = path_of(volume, workspace, ino.0)?;
            info.path = path.as_deref().map(safe);
            info.path_bytes = path.as_deref().and_then(hex_unless_utf8);
        }
        Ok(info)
    }
}

/// The inode that has a block, and as what.
fn owner<P: Platform>(volume: &Volume<P>, block: u64) -> Result<Option<(u64, Part)>> {
    let mut after = 0;
    while let Some(ino) = volume.inodes().next(after)? {
        let (map, _) = volume.inodes().open(ino, None)?;
        if let Some(part) = volume.owners().part_of(&map, block)? {
            return Ok(Some((ino, part)));
        }
        after = ino;
    }
    Ok(None)
}

/// A path of an inode, found by walking all directories.
fn path_of<P: Platform>(
    volume: &Volume<P>,
    workspace: &mut Workspace,
    ino: u64,
) -> Result<Option<Vec<u8>>> {
    let mut left = vec![(volume.root(), Vec::new())];
    // On a damaged volume a directory may be below itself.
    let mut seen = HashSet::from([volume.root()]);
    while let Some((directory, path)) = left.pop() {
        if directory == ino {
            return Ok(Some(if path.is_empty() { b"/".to_vec() } else { path }));
        }
        let (map, _) = volume.inodes().open(directory, None)?;
        let mut entries = Vec::new();
        volume.names().readdir(workspace, &map, 0, |entry| {
            if !matches!(entry.name, b"." | b"..") {
                entries.push((entry.ino, entry.name.to_vec()));
            }
            true
        })?;
        for (child, name) in entries {
            let path = [&path[..], b"/", &name].concat();
            if child == ino {
                return Ok(Some(path));
            }
            if volume.inodes().open(child, None)?.1.is_directory() && seen.insert(child) {
                left.push((child, path));
            }
        }
    }
    Ok(None)
}

impl fmt::Display for BlockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}: {}", self.block, self.usage)?;
        if let Some(group) = self.group {
            write!(f, ", head of group {group}")?;
        }
        if let Some(slot) = self.slot {
            write!(f, ", slot {slot}")?;
        }
        if let Some(page) = self.page {
            write!(f, ", page {page}")?;
        }
        if let Some(ino) = self.ino {
            write!(f, " of inode {ino}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ", {path}")?;
        }
        writeln!(f)
    }
}
