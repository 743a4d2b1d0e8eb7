// SPDX-License-Identifier: GPL-2.0

//! Makes the volume that was asked for.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail, Context, Result};
use rdaxfs_core::format::{Time, BLOCK_SIZE, MAX_BLOCKS, MIN_BLOCKS};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::platform::Medium;
use rdaxfs_host::{loop_device_of, DeviceLock, FileMedium, Scope};
use terminal::{safe, safe_path, say};
use uuid::Uuid;

use crate::cli::Arguments;
use crate::{alignment, signature};

/// Makes the volume, or says what it would be.
///
/// # Errors
///
/// If it was not made. Until a file system that is there already would be overwritten, nothing is changed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = &arguments.path;
    let shown = safe_path(path);
    if let Some(user) = loop_device_of(path) {
        let user = safe_path(&user);
        bail!("{shown} is in use by {user}; detach it first (losetup --detach {user})");
    }
    // From the look at what is there until the volume is made.
    let lock = (!arguments.dry_run).then(|| lock(path)).transpose()?;
    let medium = open(path, !arguments.dry_run)?;
    let options = options(arguments, &medium)?;
    if !arguments.force {
        if let Some(found) = signature::find(path, &medium)? {
            bail!("{shown} has {found}; -f overwrites it");
        }
    }
    if !arguments.dry_run {
        signature::erase(path, medium)?;
        write(path, &options)?;
    }
    drop(lock);
    if !arguments.quiet {
        report(arguments, &options);
    }
    Ok(())
}

/// Writes the volume. Its superblocks are written last, and only if all else is on the medium.
fn write(path: &Path, options: &Options) -> Result<()> {
    let shown = safe_path(path);
    let medium = open(path, true)?.durable_fences();
    let made = make(&medium, options);
    // What could not be written says more than what came of it.
    medium
        .sync()
        .with_context(|| format!("{shown} cannot be written; there is no volume on it now"))?;
    made.map(drop)
        .with_context(|| format!("no volume can be made on {shown}"))
}

fn lock(path: &Path) -> Result<DeviceLock> {
    DeviceLock::take(path, Scope::WholeDisk).map_err(|error| {
        let shown = safe_path(path);
        if error.kind() == io::ErrorKind::WouldBlock {
            return anyhow!("{shown} is locked by another program; try again when that is done");
        }
        anyhow!(error).context(format!("{shown} cannot be opened"))
    })
}

fn open(path: &Path, write: bool) -> Result<FileMedium> {
    let shown = safe_path(path);
    FileMedium::open(path, write).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => {
            anyhow!("{shown} is mounted or in use otherwise; unmount it first")
        }
        // What the kernel has for a device that is set read-only.
        io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(EPERM) => {
            anyhow!("{shown} is read-only; a device can be made writable with blockdev --setrw")
        }
        _ => anyhow!(error).context(format!("{shown} cannot be opened")),
    })
}

/// Operation not permitted.
const EPERM: i32 = 1;

fn options(arguments: &Arguments, medium: &FileMedium) -> Result<Options> {
    let shown = safe_path(&arguments.path);
    let (bytes, blocks) = (medium.bytes(), medium.len() / BLOCK_SIZE);
    if blocks < MIN_BLOCKS {
        bail!(
            "{shown} has {bytes} bytes; a volume needs {} KiB",
            (MIN_BLOCKS * BLOCK_SIZE) >> 10
        );
    }
    if blocks > MAX_BLOCKS {
        bail!("{shown} has {bytes} bytes; a volume has at most 16 TiB");
    }
    let align_offset = alignment::first_aligned_block(&arguments.path).unwrap_or(0);
    let (first, second) = Uuid::new_v4().as_u64_pair();
    Ok(Options {
        align_offset: u32::try_from(align_offset).context("the alignment is below 512")?,
        uuid: arguments.uuid.unwrap_or_else(Uuid::new_v4).into_bytes(),
        label: arguments.label.0,
        hash_key: [first, second],
        now: now(),
        ..Options::new(blocks)
    })
}

fn now() -> Time {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Time::new(
            since.as_secs().try_into().unwrap_or(i64::MAX),
            since.subsec_nanos(),
        ),
        Err(_) => Time::new(0, 0),
    }
}

fn report(arguments: &Arguments, options: &Options) {
    let would = if arguments.dry_run {
        "would have"
    } else {
        "has"
    };
    say!(
        "{} {would} {} blocks of 4096 bytes, groups: {}, journal slots: {}",
        safe_path(&arguments.path),
        options.blocks,
        rdaxfs_core::format::groups_of(options.blocks),
        options.slots,
    );
    say!("UUID: {}", Uuid::from_bytes(options.uuid));
    let label = safe(arguments.label.bytes());
    if !label.is_empty() {
        say!("label: {label}");
    }
    if options.align_offset != 0 {
        say!("huge pages from block {} on", options.align_offset);
    }
}
