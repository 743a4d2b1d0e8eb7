// SPDX-License-Identifier: GPL-2.0

//! An inode.

use std::fmt;

use rdaxfs_core::format::{Extent, S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT};
use rdaxfs_core::inode::{Attributes, MapState, XattrState};
use rdaxfs_core::platform::Platform;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Result;
use serde::Serialize;
use terminal::{hex_unless_utf8, safe};

use crate::text::{self, Number};

/// The longest target of a symbolic link, in bytes.
const MAX_TARGET: usize = 4096;

/// What an inode says, and what it has.
#[derive(Serialize)]
pub(crate) struct InodeInfo {
    ino: Number,
    generation: u32,
    kind: &'static str,
    /// Permissions, octal.
    permissions: String,
    uid: u32,
    gid: u32,
    project: u32,
    flags: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    size: Number,
    links: Number,
    blocks: Number,
    atime: String,
    mtime: String,
    ctime: String,
    btime: String,
    unfinished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// It in hex, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extents: Option<Vec<ExtentInfo>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<EntryInfo>>,
    xattrs: Vec<XattrInfo>,
}

#[derive(Serialize)]
struct ExtentInfo {
    page: Number,
    count: Number,
    block: Number,
    unwritten: bool,
}

#[derive(Serialize)]
struct EntryInfo {
    name: String,
    /// It in hex, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
    ino: Number,
    cookie: Number,
}

#[derive(Serialize)]
struct XattrInfo {
    name: String,
    /// It in hex, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
    length: usize,
}

impl InodeInfo {
    pub(crate) fn of<P: Platform>(
        volume: &Volume<P>,
        workspace: &mut Workspace,
        map: &MapState,
        attributes: &Attributes,
    ) -> Result<Self> {
        let kind = attributes.mode & S_IFMT;
        let device = matches!(kind, S_IFCHR | S_IFBLK).then(|| {
            format!(
                "{}:{}",
                attributes.device >> 32,
                attributes.device & 0xffff_ffff
            )
        });
        let target = if kind == S_IFLNK {
            Some(target(volume, map)?)
        } else {
            None
        };
        Ok(Self {
            ino: Number(attributes.ino),
            generation: attributes.generation,
            kind: text::kind(attributes.mode),
            permissions: format!("{:04o}", attributes.mode & !S_IFMT),
            uid: attributes.uid,
            gid: attributes.gid,
            project: attributes.project,
            flags: attributes.flags,
            device,
            size: Number(attributes.size),
            links: Number(attributes.links),
            blocks: Number(attributes.blocks),
            atime: text::time(attributes.atime),
            mtime: text::time(attributes.mtime),
            ctime: text::time(attributes.ctime),
            btime: text::time(attributes.btime),
            unfinished: attributes.has_intent || attributes.links == 0,
            target: target.as_deref().map(safe),
            target_bytes: target.as_deref().and_then(hex_unless_utf8),
            extents: if attributes.is_file() {
                Some(extents(volume, map)?)
            } else {
                None
            },
            entries: if attributes.is_directory() {
                Some(entries(volume, workspace, map)?)
            } else {
                None
            },
            xattrs: xattrs(volume, map)?,
        })
    }
}

fn target<P: Platform>(volume: &Volume<P>, map: &MapState) -> Result<Vec<u8>> {
    let mut bytes = [0; MAX_TARGET];
    let len = volume.names().readlink(map, &mut bytes)?;
    Ok(bytes[..len].to_vec())
}

fn extents<P: Platform>(volume: &Volume<P>, map: &MapState) -> Result<Vec<ExtentInfo>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(extent) = volume.files().next_extent(map, at)? {
        let Extent {
            page,
            count,
            block,
            unwritten,
        } = extent;
        found.push(ExtentInfo {
            page: Number(page),
            count: Number(count),
            block: Number(block),
            unwritten,
        });
        at = extent.end();
    }
    Ok(found)
}

fn entries<P: Platform>(
    volume: &Volume<P>,
    workspace: &mut Workspace,
    map: &MapState,
) -> Result<Vec<EntryInfo>> {
    let mut found = Vec::new();
    volume.names().readdir(workspace, map, 0, |entry| {
        found.push(EntryInfo {
            name: safe(entry.name),
            name_bytes: hex_unless_utf8(entry.name),
            ino: Number(entry.ino),
            cookie: Number(entry.cookie),
        });
        true
    })?;
    Ok(found)
}

fn xattrs<P: Platform>(volume: &Volume<P>, map: &MapState) -> Result<Vec<XattrInfo>> {
    let mut found = Vec::new();
    volume
        .xattrs()
        .list(&XattrState::new(map), |name, length| {
            let whole = [name.space().prefix(), name.rest()].concat();
            found.push(XattrInfo {
                name: safe(&whole),
                name_bytes: hex_unless_utf8(&whole),
                length,
            });
            Ok(())
        })?;
    Ok(found)
}

impl fmt::Display for InodeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "inode:      {}, generation {}",
            self.ino, self.generation
        )?;
        writeln!(
            f,
            "type:       {}, permissions {}",
            self.kind, self.permissions
        )?;
        writeln!(
            f,
            "owner:      {}:{}, project {}",
            self.uid, self.gid, self.project
        )?;
        writeln!(f, "flags:      {:#x}", self.flags)?;
        if let Some(device) = &self.device {
            writeln!(f, "device:     {device}")?;
        }
        writeln!(f, "size:       {} bytes, {} blocks", self.size, self.blocks)?;
        writeln!(f, "links:      {}", self.links)?;
        writeln!(f, "accessed:   {}", self.atime)?;
        writeln!(f, "modified:   {}", self.mtime)?;
        writeln!(f, "changed:    {}", self.ctime)?;
        writeln!(f, "made:       {}", self.btime)?;
        if self.unfinished {
            writeln!(f, "unfinished: it is being removed or changed")?;
        }
        if let Some(target) = &self.target {
            writeln!(f, "target:     {target}")?;
        }
        for ExtentInfo {
            page,
            count,
            block,
            unwritten,
        } in self.extents.iter().flatten()
        {
            let unwritten = if *unwritten { ", unwritten" } else { "" };
            writeln!(
                f,
                "extent:     pages {page}-{} at blocks {block}-{}{unwritten}",
                page.0 + count.0 - 1,
                block.0 + count.0 - 1
            )?;
        }
        for EntryInfo { name, ino, .. } in self.entries.iter().flatten() {
            writeln!(f, "entry:      {ino} {name}")?;
        }
        for XattrInfo { name, length, .. } in &self.xattrs {
            writeln!(f, "attribute:  {name}, {length} bytes")?;
        }
        Ok(())
    }
}
