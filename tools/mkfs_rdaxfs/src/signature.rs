// SPDX-License-Identifier: GPL-2.0

//! What is on a device already. util-linux's blkid(8) finds the signatures of all file systems, and its wipefs(8)
//! erases them; what is likely is found without blkid too.

use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};
use rdaxfs_core::format::{block_offset, BLOCK_SIZE, SUPER_MAGIC};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_host::FileMedium;
use signatures::blkid::{self, View};
use signatures::Place;
use terminal::{safe_path, safe_str};

const MIB: u64 = 1 << 20;

/// Where signatures are: the first and the last MiB.
fn ends(medium: &FileMedium) -> impl Iterator<Item = u64> {
    let blocks = medium.len() / BLOCK_SIZE;
    let end = (MIB / BLOCK_SIZE).min(blocks);
    (0..end).chain(blocks.saturating_sub(MIB / BLOCK_SIZE).max(end)..blocks)
}

/// What is on a device, in words; [`None`] if nothing is recognised.
///
/// # Errors
///
/// If that cannot be found out.
pub fn find(path: &Path, medium: &FileMedium) -> Result<Option<String>> {
    if let Some(found) = rdaxfs_at(medium, 0, "an rdaxfs volume") {
        return Ok(Some(found));
    }
    let looked = blkid::look(path).with_context(|| {
        format!(
            "what is on {} is not known; -f overwrites it",
            safe_path(path)
        )
    })?;
    if let View::Found(kinds) = looked {
        return Ok(Some(format!("a signature of {}", kinds.join(" and "))));
    }
    if let Some(found) = signatures::find(medium, Place::Anywhere) {
        return Ok(Some(found.to_string()));
    }
    let last = (medium.len() / BLOCK_SIZE).saturating_sub(1);
    Ok(rdaxfs_at(
        medium,
        last,
        "the copy of an rdaxfs superblock in its last block",
    ))
}

/// Whether rdaxfs's magic number is in a block, or something that cannot be read.
fn rdaxfs_at(medium: &FileMedium, block: u64, what: &str) -> Option<String> {
    let mut magic = [0; 8];
    if medium.read(block_offset(block), &mut magic).is_err() {
        return Some(format!("something in block {block} that cannot be read"));
    }
    (u64::from_le_bytes(magic) == SUPER_MAGIC).then(|| what.to_owned())
}

/// Erases the signatures of other file systems: one that stays would have its fsck "repair" the volume.
/// What the medium has read of the device may not be there any more, so it ends here.
///
/// # Errors
///
/// If one stays.
pub fn erase(path: &Path, medium: FileMedium) -> Result<()> {
    for block in ends(&medium) {
        // wipefs reads where signatures may be, and goes no further where that fails.
        let offset = block_offset(block);
        if medium.check_poison(offset, BLOCK_SIZE).is_err() {
            medium
                .zero_nt(offset, BLOCK_SIZE)
                .with_context(|| format!("block {block} cannot be written"))?;
        }
    }
    medium.sync()?;
    drop(medium);
    let output = Command::new("wipefs")
        .args(["--all", "--force", "--quiet", "--"])
        .arg(path)
        .output()
        .context("wipefs (of util-linux) cannot be run")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!(
            "the old signatures cannot be erased: {}",
            safe_str(why.trim())
        );
    }
    Ok(())
}
