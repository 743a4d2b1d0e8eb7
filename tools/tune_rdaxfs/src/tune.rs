// SPDX-License-Identifier: GPL-2.0

//! Changes what was asked for.
//!
//! The copy of the superblock is durable before the first one changes, so that one of them is good at any time. The UUID is
//! in the header of each group, too: while those change, the first superblock says that the volume is damaged. If the program
//! is stopped then, no mount takes the volume for good, and fsck.rdaxfs makes the headers agree.

use anyhow::{anyhow, bail, Context, Result};
use device::{lock, open, refuse_loop_file, refuse_read_only};
use rdaxfs_core::format::{
    block_offset, group_header, groups_of, GroupHeader, Superblock, GROUP_CRC, STATE_CLEAN,
    STATE_DAMAGED, SUPER_SHARED,
};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::superblock::{checksum, read_superblock};
use rdaxfs_host::{FileMedium, Scope, Trouble};
use terminal::safe_path;
use zerocopy::{FromZeros, IntoBytes};

use crate::cli::Arguments;

/// Changes the volume.
///
/// # Errors
///
/// If it is not an rdaxfs volume, is in use, was not unmounted cleanly, or cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = &arguments.path;
    let shown = safe_path(path);
    refuse_loop_file(path)?;
    let lock = lock(path, Scope::WholeDisk)?;
    let medium = open(path, true, "")?.durable_fences();
    refuse_read_only(path, "")?;
    let old = read_superblock(&medium, 0).map_err(|error| match Trouble::of(&medium) {
        Some(trouble) => anyhow!("{shown} {trouble}"),
        None => anyhow!("{shown}: {error}"),
    })?;
    if old.ro_compat.get() != 0 {
        bail!("{shown} has features that this tune.rdaxfs does not know; use a newer one");
    }
    if old.state.get() != STATE_CLEAN {
        bail!("{shown} was not unmounted cleanly, or has errors: mount and unmount it, or run fsck.rdaxfs");
    }
    let changed = change(arguments, &medium, old);
    // What could not be written says more than what came of it.
    medium
        .sync()
        .with_context(|| format!("{shown} cannot be written; run fsck.rdaxfs"))?;
    changed.with_context(|| format!("{shown}; run fsck.rdaxfs"))?;
    drop(lock);
    Ok(())
}

fn change(arguments: &Arguments, medium: &FileMedium, old: Superblock) -> Result<()> {
    let mut new = old;
    if let Some(label) = &arguments.label {
        new.label = label.0;
    }
    if let Some(uuid) = arguments.uuid {
        new.uuid = uuid.uuid().into_bytes();
        let marked = Superblock {
            state: STATE_DAMAGED.into(),
            ..old
        };
        write(medium, 0, &marked)?;
        for group in 0..groups_of(old.blocks.get()) {
            rename_group(medium, group, &new)?;
        }
        medium.fence();
    }
    new.crc = checksum(medium, &new).into();
    // The line behind what both copies share is each superblock's own.
    let last = old.blocks.get() - 1;
    let mut copy = new;
    if let Ok(before) = read_superblock(medium, last) {
        let own = SUPER_SHARED..;
        copy.as_mut_bytes()[own.clone()].copy_from_slice(&before.as_bytes()[own]);
    }
    write(medium, last, &copy)?;
    write(medium, 0, &new)
}

/// Writes a superblock, durably.
fn write(medium: &FileMedium, block: u64, superblock: &Superblock) -> Result<()> {
    medium.copy_nt(block_offset(block), superblock.as_bytes())?;
    medium.fence();
    medium.write_error().check()?;
    Ok(())
}

/// Gives a group the UUID.
fn rename_group(medium: &FileMedium, group: u32, new: &Superblock) -> Result<()> {
    let at = block_offset(group_header(group));
    let mut header = GroupHeader::new_zeroed();
    medium
        .read(at, header.as_mut_bytes())
        .with_context(|| format!("the header of group {group} cannot be read"))?;
    header.uuid = new.uuid;
    header.crc = medium.crc32c(0, &header.as_bytes()[GROUP_CRC]).into();
    medium.copy_nt(at, header.as_bytes())?;
    Ok(())
}
