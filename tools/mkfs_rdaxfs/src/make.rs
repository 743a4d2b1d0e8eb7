// SPDX-License-Identifier: GPL-2.0

//! Makes the volume that was asked for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail, Context, Result};
use rdaxfs_core::format::{Time, BLOCK_SIZE, MAX_BLOCKS, MIN_BLOCKS};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::platform::Medium;
use rdaxfs_host::FileMedium;
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
    let shown = path.display();
    if let Some(user) = used_by_loop(path)? {
        bail!("{shown} is in use by {user}; detach it first (losetup --detach {user})");
    }
    let medium = open(path, !arguments.dry_run)?;
    let options = options(arguments, &medium)?;
    if !arguments.force {
        if let Some(found) = signature::find(path, &medium)? {
            bail!("{shown} has {found}; -f overwrites it");
        }
    }
    if !arguments.dry_run {
        signature::erase(path, medium)?;
        let medium = open(path, true)?;
        make(&medium, &options).with_context(|| format!("no volume can be made on {shown}"))?;
        medium
            .sync()
            .with_context(|| format!("{shown} cannot be written"))?;
    }
    if !arguments.quiet {
        report(arguments, &options);
    }
    Ok(())
}

fn open(path: &Path, write: bool) -> Result<FileMedium> {
    FileMedium::open(path, write).map_err(|error| {
        let shown = path.display();
        if error.kind() == io::ErrorKind::ResourceBusy {
            return anyhow!("{shown} is mounted or in use otherwise; unmount it first");
        }
        anyhow!(error).context(format!("{shown} cannot be opened"))
    })
}

fn options(arguments: &Arguments, medium: &FileMedium) -> Result<Options> {
    let shown = arguments.path.display();
    let blocks = medium.len() / BLOCK_SIZE;
    if blocks < MIN_BLOCKS {
        bail!(
            "{shown} has {} bytes; a volume needs {} KiB",
            medium.len(),
            (MIN_BLOCKS * BLOCK_SIZE) >> 10
        );
    }
    if blocks > MAX_BLOCKS {
        bail!(
            "{shown} has {} bytes; a volume has at most 16 TiB",
            medium.len()
        );
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
    println!(
        "{} {would} {} blocks of 4096 bytes, groups: {}, journal slots: {}",
        arguments.path.display(),
        options.blocks,
        rdaxfs_core::format::groups_of(options.blocks),
        options.slots,
    );
    println!("UUID: {}", Uuid::from_bytes(options.uuid));
    let label = arguments.label.text();
    if !label.is_empty() {
        println!("label: {label}");
    }
    if options.align_offset != 0 {
        println!("huge pages from block {} on", options.align_offset);
    }
}

/// The loop device that uses a file. A block device need not be looked for: it is opened exclusively.
fn used_by_loop(path: &Path) -> Result<Option<String>> {
    let file = fs::metadata(path).with_context(|| path.display().to_string())?;
    let Ok(devices) = fs::read_dir("/sys/block") else {
        return Ok(None);
    };
    for device in devices.flatten() {
        let Ok(backing) = fs::read_to_string(device.path().join("loop/backing_file")) else {
            continue;
        };
        let Ok(other) = fs::metadata(backing.trim_end_matches('\n')) else {
            continue;
        };
        if (other.dev(), other.ino()) == (file.dev(), file.ino()) {
            return Ok(Some(format!(
                "/dev/{}",
                device.file_name().to_string_lossy()
            )));
        }
    }
    Ok(None)
}
