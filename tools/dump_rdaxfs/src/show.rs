// SPDX-License-Identifier: GPL-2.0

//! Finds what was asked for.

use std::fmt::Display;

use anyhow::{anyhow, Context, Result};
use rdaxfs_core::format::Time;
use rdaxfs_core::volume::{Access, Volume};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;
use rdaxfs_host::{FileMedium, Host, Trouble};
use serde::Serialize;
use terminal::{safe, safe_path};

use crate::block::BlockInfo;
use crate::cli::{Arguments, What};
use crate::inode::InodeInfo;
use crate::volume::VolumeInfo;

/// What was asked for, as text or JSON.
///
/// # Errors
///
/// If it cannot be shown.
pub fn run(arguments: &Arguments) -> Result<String> {
    let shown = safe_path(&arguments.path);
    let medium = FileMedium::open(&arguments.path, false)
        .with_context(|| format!("{shown} cannot be opened"))?;
    let superblock =
        Volume::<Host<FileMedium>>::probe(&medium).map_err(|error| match Trouble::of(&medium) {
            Some(trouble) => anyhow!("{shown} {trouble}"),
            None => anyhow!("{shown}: {error}"),
        })?;
    let mut workspace = Box::new(Workspace::new());
    let host = Host::new(medium, &superblock);
    let volume = Volume::mount(host, Access::NoStores, Time::new(0, 0), &mut workspace).map_err(
        |error| anyhow!("{shown}: the journal cannot be replayed: {error}; run fsck.rdaxfs"),
    )?;
    let failed = |error: Error| match error {
        Error::Corrupt => anyhow!("{shown}: {error}; run fsck.rdaxfs"),
        error => anyhow!("{shown}: {error}"),
    };

    if let Some(block) = arguments.block {
        let info = BlockInfo::of(&volume, &mut workspace, block).map_err(|error| match error {
            Error::Invalid => anyhow!(
                "{shown} has no block {block}, only 0 to {}",
                volume.blocks() - 1
            ),
            error => failed(error).context(format!("block {block}")),
        })?;
        return rendered(arguments, &info);
    }
    let Some(what) = &arguments.what else {
        let info = VolumeInfo::of(&volume, arguments.groups).map_err(failed)?;
        return rendered(arguments, &info);
    };
    let ino = match what {
        What::Inode(ino) => *ino,
        What::Path(path) => find(&volume, path)?,
    };
    let (map, attributes) = volume
        .open(ino, None)
        .map_err(|error| failed(error).context(format!("inode {ino}")))?;
    let info = InodeInfo::of(&volume, &mut workspace, &map, &attributes)
        .map_err(|error| failed(error).context(format!("inode {ino}")))?;
    rendered(arguments, &info)
}

/// The inode at a path. Symbolic links are not followed.
fn find(volume: &Volume<Host<FileMedium>>, path: &[u8]) -> Result<u64> {
    let mut at = volume.root();
    for name in path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
    {
        let found = volume
            .open(at, None)
            .and_then(|(directory, _)| volume.lookup(&directory, name))
            .map_err(|error| anyhow!("{}: \"{}\": {error}", safe(path), safe(name)))?;
        at = found.ino;
    }
    Ok(at)
}

fn rendered(arguments: &Arguments, info: &(impl Serialize + Display)) -> Result<String> {
    if arguments.json {
        return Ok(serde_json::to_string_pretty(info)? + "\n");
    }
    Ok(info.to_string())
}
