// SPDX-License-Identifier: GPL-2.0

//! Whether it is an rdaxfs volume that is going to be repaired.
//!
//! What replaced an rdaxfs volume may have left the copy of its superblock in the last block. A volume that is
//! "repaired" by that copy takes the place of what is there now. So block 0 has to say that it is rdaxfs's, or the
//! user, with `-b`; and nothing else may be there.

use anyhow::{anyhow, bail, Result};
use rdaxfs_check::{choose_superblock, has_magic, superblock_by_copy, Finding};
use rdaxfs_core::format::{Superblock, BLOCK_BYTES, BLOCK_SIZE};
use rdaxfs_core::platform::Medium;
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_host::{FileMedium, Trouble};
use signatures::blkid::{self, View};
use signatures::{find, Place};
use terminal::safe_path;
use uuid::Uuid;

use crate::cli::Arguments;

/// The superblock to judge the volume by, and what is wrong with the one in block 0.
///
/// # Errors
///
/// If it is not an rdaxfs volume, is not known to be one, or has something else on it as well.
pub(crate) fn identify(
    arguments: &Arguments,
    medium: &FileMedium,
) -> Result<(Superblock, Option<Finding>)> {
    let shown = safe_path(&arguments.path);
    let is_ours = matches!(has_magic(medium), Ok(true));
    if let Some(other) = other_signature(arguments, medium, is_ours && arguments.copy.is_none()) {
        let beside = if is_ours {
            " beside the superblock of an rdaxfs volume"
        } else {
            ""
        };
        bail!(
            "{shown} has {other}{beside}: nothing is repaired, because that would destroy it. \
             If it is a leftover, erase it first (wipefs lists and erases signatures)"
        );
    }
    if let Some(block) = arguments.copy {
        return superblock_by_copy(medium, block).map_err(|error| {
            let end = medium.len() / BLOCK_SIZE;
            anyhow!(
                "{shown}: block {block} has no copy of the superblock ({error}); it is in the volume's last block, \
                 and the device ends with block {}",
                end.saturating_sub(1)
            )
        });
    }
    if !is_ours {
        let what = Trouble::of(medium).unwrap_or(Trouble::NotRdaxfs);
        bail!("{shown} {what}{}", hint(arguments, medium));
    }
    choose_superblock(medium).map_err(|error| match Trouble::of(medium) {
        Some(trouble @ (Trouble::Truncated { .. } | Trouble::Features { .. })) => {
            anyhow!("{shown} {trouble}")
        }
        Some(trouble) => anyhow!("{shown} {trouble}, and the copy in the last block is not good"),
        None => anyhow!("{shown}: {error}"),
    })
}

/// How to have the copy taken, if there is one.
fn hint(arguments: &Arguments, medium: &FileMedium) -> String {
    let last = (medium.len() / BLOCK_SIZE).saturating_sub(1);
    match read_superblock(medium, last) {
        Ok(copy) if copy.blocks.get() == last + 1 => format!(
            ". Block {last} has the copy of an rdaxfs superblock, UUID {}. If the device holds that volume and nothing \
             has replaced it: fsck.rdaxfs -b {last} {}",
            Uuid::from_bytes(copy.uuid),
            safe_path(&arguments.path)
        ),
        _ => String::new(),
    }
}

/// What else is on the device, in words.
fn other_signature(arguments: &Arguments, medium: &FileMedium, is_ours: bool) -> Option<String> {
    // A file in the volume may hold an image of something else. What the first two blocks hold is ours.
    let is_good = is_ours && read_superblock(medium, 0).is_ok();
    let place = if is_good {
        Place::Heads
    } else {
        Place::Anywhere
    };
    if let Some(found) = find(medium, place) {
        return Some(found.to_string());
    }
    // blkid fails where the first block cannot be read, and the kernel complains of its try.
    if is_good || medium.read(0, &mut [0; BLOCK_BYTES]).is_err() {
        return None;
    }
    // Without blkid the table has to do: where the system starts, there may be no other program.
    match blkid::look(&arguments.path) {
        Ok(View::Found(kinds)) => Some(format!("a signature of {}", kinds.join(" and "))),
        _ => None,
    }
}
