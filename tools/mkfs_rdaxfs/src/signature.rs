// SPDX-License-Identifier: GPL-2.0

//! What is on a device already. util-linux knows the signatures of all file systems: blkid(8) finds them
//! and wipefs(8) erases them, of which a Debian system always has both.

use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};
use rdaxfs_core::format::{block_offset, BLOCK_SIZE, SUPER_MAGIC};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_host::FileMedium;

const MIB: u64 = 1 << 20;

/// The exit status by which blkid says that it found nothing.
const NOTHING_FOUND: i32 = 2;

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
    for block in [0, (medium.len() / BLOCK_SIZE).saturating_sub(1)] {
        let mut magic = [0; 8];
        if medium.read(block_offset(block), &mut magic).is_err() {
            return Ok(Some(format!(
                "something in block {block} that cannot be read"
            )));
        }
        if u64::from_le_bytes(magic) == SUPER_MAGIC {
            return Ok(Some("an rdaxfs volume".into()));
        }
    }
    let output = Command::new("blkid")
        .args([
            "--probe",
            "--output",
            "value",
            "--match-tag",
            "TYPE",
            "--match-tag",
            "PTTYPE",
            "--",
        ])
        .arg(path)
        .output()
        .context("blkid (of util-linux) cannot be run, so that nobody knows what is there")?;
    match output.status.code() {
        Some(0) => {
            let found = String::from_utf8_lossy(&output.stdout);
            let kinds: Vec<&str> = found.split_whitespace().collect();
            Ok((!kinds.is_empty()).then(|| format!("a signature of {}", kinds.join(" and "))))
        }
        Some(NOTHING_FOUND) => Ok(None),
        _ => {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!(
                "blkid cannot tell what is on {}: {}; -f overwrites it",
                path.display(),
                why.trim()
            )
        }
    }
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
        bail!("the old signatures cannot be erased: {}", why.trim());
    }
    Ok(())
}
