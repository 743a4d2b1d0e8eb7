// SPDX-License-Identifier: GPL-2.0

//! Finds what was asked for.

use std::fmt::Display;

use anyhow::{anyhow, Result};
use rdaxfs_core::Error;
use rdaxfs_host::Mounted;
use serde::Serialize;
use terminal::safe_path;

use crate::block::BlockInfo;
use crate::cli::Arguments;
use crate::inode::InodeInfo;
use crate::open::{failed, number, open};
use crate::volume::VolumeInfo;

/// What was asked for, as text or JSON.
///
/// # Errors
///
/// If it cannot be shown.
pub fn run(arguments: &Arguments) -> Result<String> {
    let shown = safe_path(arguments.path());
    let Mounted {
        volume,
        mut workspace,
    } = open(arguments.path())?;
    let failed = |error| failed(error, arguments.path());

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
    let ino = number(&volume, what)?;
    let opened = if ino == volume.bad_blocks().owner() {
        volume.bad_blocks().open_owner()
    } else {
        volume.inodes().open(ino, None)
    };
    let (map, attributes) =
        opened.map_err(|error| failed(error).context(format!("inode {ino}")))?;
    let info = InodeInfo::of(&volume, &mut workspace, &map, &attributes)
        .map_err(|error| failed(error).context(format!("inode {ino}")))?;
    rendered(arguments, &info)
}

fn rendered(arguments: &Arguments, info: &(impl Serialize + Display)) -> Result<String> {
    if arguments.json {
        return Ok(serde_json::to_string_pretty(info)? + "\n");
    }
    Ok(info.to_string())
}
