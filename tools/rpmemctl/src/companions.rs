// SPDX-License-Identifier: GPL-2.0

//! What a file system has on other devices than the one that is mounted: its log, its journal, its realtime section.

use crate::block_device::{self, BlockDevice};
use crate::mounts::Mount;
use crate::superblock::Superblock;
use crate::system::System;
use anyhow::{Context, Result};
use std::path::Path;

/// The role of a device that has data of files.
pub const REALTIME: &str = "realtime section";

/// A device that a mounted file system uses besides its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// What is on it: `log`, `journal` or [`REALTIME`].
    pub role: &'static str,
    /// The device.
    pub device: BlockDevice,
}

/// The devices that a mounted file system has besides its own.
///
/// # Errors
///
/// If one that it has cannot be found, or it cannot be told whether it has one.
pub fn of(system: &System, mount: &Mount) -> Result<Vec<Companion>> {
    match mount.file_system.as_str() {
        "xfs" => {
            let named = [("log", "logdev"), (REALTIME, "rtdev")];
            let found = named.into_iter().filter_map(|(role, option)| {
                let path = mount.option(option)?;
                let device = BlockDevice::find(system, path).with_context(|| format!("its {role}"));
                Some(device.map(|device| Companion { role, device }))
            });
            found.collect()
        }
        "ext3" | "ext4" => Ok(journal(system, mount)?.into_iter().collect()),
        _ => Ok(Vec::new()),
    }
}

/// ext4's journal: no mount option names it.
fn journal(system: &System, mount: &Mount) -> Result<Option<Companion>> {
    if !system.is_this_one() {
        return Ok(None);
    }
    let node = BlockDevice::numbered(system, &mount.device)?.node();
    let superblock = Superblock::of(Path::new(&node))
        .with_context(|| format!("whether it has a journal on another device: {node}"))?;
    match superblock {
        Some(Superblock::Ext4 { journal, .. }) if journal != 0 => {
            let device = BlockDevice::numbered(system, &block_device::unpacked(journal))
                .context("its journal")?;
            Ok(Some(Companion {
                role: "journal",
                device,
            }))
        }
        _ => Ok(None),
    }
}
