// SPDX-License-Identifier: GPL-2.0

//! `rpmemctl damage`: what of a mounted file system is on bad blocks.
//!
//! 1. [`crate::stack`] finds the bad bytes of the file system's device;
//! 2. `walk` visits every file and asks with FIEMAP where it is;
//! 3. [`overlap`] compares the two;
//! 4. for what no file has, `owners` asks with GETFSMAP whose it is;
//! 5. `report` shows it.

pub mod overlap;
mod owners;
mod report;
mod walk;

use crate::block_device::{self, BlockDevice};
use crate::companions::{self, Companion};
use crate::mounts::{self, Mount};
use crate::output::{Format, Outcome};
use crate::stack::{self, Bad};
use crate::superblock::f2fs_has_members;
use crate::system::System;
use anyhow::{bail, ensure, Context, Result};
use overlap::{BadBytes, What};
use rangemap::RangeSet;
use report::Report;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use terminal::safe_path;
use walk::{BadPlaces, Found, Tree};

/// The file systems on which FIEMAP was tried, and GETFSMAP where they have it.
const KNOWN: [&str; 4] = ["ext2", "ext4", "xfs", "rdaxfs"];

/// Looks for damage in the file system that `path` is on.
///
/// # Errors
///
/// If it is on no disk of rpmem, or what must be read cannot be.
pub fn run(system: &System, path: &Path, format: Format) -> Result<Outcome> {
    ensure!(
        system.is_this_one(),
        "--sysroot: files are looked for on this machine only"
    );
    let place = Place::find(system, path)?;
    // Before the lists are read: what the file system writes then may clear some of what is on them.
    let tree = Tree::open(&place.mount.mount_point)?;
    let bad = stack::bad_of(system, &place.device)?;
    let beside = place.beside.iter().map(|companion| {
        let bad = stack::bad_of(system, &companion.device)?;
        Ok((companion, bad))
    });
    let mut beside = beside.collect::<Result<Vec<_>>>()?;
    let is_ours = |bad: &Bad| !bad.disks.is_empty();
    if !is_ours(&bad) && !beside.iter().any(|(_, bad)| is_ours(bad)) {
        bail!(
            "{}: is on {}, which is not on a disk of rpmem",
            safe_path(path),
            place.mount.source
        );
    }
    let mut report = Report::new(&place.mount, &bad, tree.block_size());
    // The realtime section has data of files, like the file system's own device.
    let realtime = beside
        .iter()
        .position(|(companion, _)| companion.role == companions::REALTIME)
        .map(|at| beside.remove(at));
    for (companion, bad) in &beside {
        report.add_companion(companion, bad);
    }
    if let Some((_, bad)) = &realtime {
        report.add_device(bad);
    }
    let realtime = realtime.map(|(companion, bad)| (&companion.device, bad));
    look(&place, &tree, &bad, realtime, &mut report)?;
    Outcome::new(format, &report, report.is_problem(), report::text)
}

/// A mounted file system.
struct Place {
    /// Where its files are looked for: if it can be, at a mount of all of it.
    mount: Mount,
    device: BlockDevice,
    /// Its log, journal or realtime section, on another device.
    beside: Vec<Companion>,
}

impl Place {
    fn find(system: &System, path: &Path) -> Result<Self> {
        let mounts = mounts::mounts(system)?;
        let (real, mount) = mounts::of_path(&mounts, path)?;
        let numbers = block_device::numbers_of_path(&real)?;
        ensure!(
            numbers == mount.device,
            "{}: is on device {numbers}, but the mount {} is of {}; name the mount point",
            safe_path(path),
            safe_path(&mount.mount_point),
            mount.device
        );
        if mount.file_system == "btrfs" {
            bail!(
                "{}: is on btrfs, which says where files are in addresses of its own and not on a device; \
                 'btrfs scrub start -B {}' reads all of it and names the files",
                safe_path(path),
                safe_path(&mount.mount_point)
            );
        }
        // What is mounted may be a folder of the file system only, and all of it elsewhere.
        let whole = |other: &&Mount| other.device == mount.device && other.root == Path::new("/");
        let mount = mounts
            .iter()
            .filter(|other| mount.root != Path::new("/") && whole(other))
            .find(|other| mounts::holding(&mounts, &other.mount_point) == Some(other))
            .unwrap_or(mount)
            .clone();
        if real
            .metadata()
            .is_ok_and(|data| data.file_type().is_block_device())
        {
            bail!(
                "{}: is a device; name the place where its file system is mounted, or a file in it",
                safe_path(path)
            );
        }
        let device = BlockDevice::numbered(system, &mount.device).with_context(|| {
            format!(
                "{}: {} is on no block device",
                safe_path(path),
                mount.file_system
            )
        })?;
        if mount.file_system == "f2fs" && f2fs_has_members(Path::new(&device.node()))? {
            bail!(
                "{}: is an f2fs on several devices, which is not supported: where files are it says in blocks of all of them",
                safe_path(path)
            );
        }
        let beside = companions::of(system, &mount).with_context(|| {
            format!(
                "{}: not all that it is on can be looked at",
                safe_path(path)
            )
        })?;
        Ok(Self {
            mount,
            device,
            beside,
        })
    }
}

fn look(
    place: &Place,
    tree: &Tree,
    bad: &Bad,
    realtime: Option<(&BlockDevice, Bad)>,
    report: &mut Report,
) -> Result<()> {
    let bytes = BadBytes::new(&bad.pieces);
    let there = realtime
        .as_ref()
        .map(|(device, bad)| (device, BadBytes::new(&bad.pieces)));
    let mount_point = &place.mount.mount_point;
    if bytes.is_empty() && there.as_ref().is_none_or(|(_, bytes)| bytes.is_empty()) {
        return Ok(());
    }
    if !KNOWN.contains(&place.mount.file_system.as_str()) {
        report.incomplete(format!(
            "{} was not tried with this program: what it says of where files are is taken as it is",
            place.mount.file_system
        ));
    }
    if place.mount.root != Path::new("/") {
        report.incomplete(format!(
            "only {} of the file system is mounted: other files in it cannot be seen",
            safe_path(&place.mount.root)
        ));
    }
    if !tree.is_clear() {
        report.incomplete(format!(
            "files below other mounts in {} cannot be seen; as root they can",
            safe_path(mount_point)
        ));
    }
    let mut found = tree.visit(BadPlaces {
        own: &bytes,
        realtime: there.as_ref().map(|(_, bytes)| bytes),
    });
    let mut left = bytes.ranges();
    let mut left_there = there
        .as_ref()
        .map(|(_, bytes)| bytes.ranges())
        .unwrap_or_default();
    for file in std::mem::take(&mut found.files) {
        for piece in &file.pieces {
            // Attributes are never in the realtime section.
            if file.is_realtime && piece.what != What::Attributes {
                left_there.remove(piece.device_bytes());
            } else {
                left.remove(piece.device_bytes());
            }
        }
        report.files.push(file);
    }
    report.unexamined(std::mem::take(&mut found.unexamined));
    let wanted = block_device::numbers_of_path(mount_point)?;
    add_owners(tree, &wanted, (&bytes, &left), &found, report);
    if let Some((device, bytes)) = &there {
        add_owners(
            tree,
            &device.numbers(),
            (bytes, &left_there),
            &found,
            report,
        );
    }
    Ok(())
}

/// Adds whose the bytes are that no file has, of the device with these numbers.
fn add_owners(
    tree: &Tree,
    numbers: &str,
    (bytes, left): (&BadBytes<'_>, &RangeSet<u64>),
    found: &Found,
    report: &mut Report,
) {
    let owned = owners::of(tree, numbers, left);
    if owned.has_no_map {
        report.no_map();
    }
    if let Some(error) = owned.error {
        report.incomplete(format!(
            "whose the rest is, the file system does not tell: {error}"
        ));
    }
    for (range, owner) in owned.pieces {
        report.add_owned(bytes, range, owner, |inode| {
            found.inodes.get(&inode).cloned()
        });
    }
}

/// The path as one would call it, for a file that was found below `tree`.
fn called(mount_point: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        mount_point.to_owned()
    } else {
        mount_point.join(below)
    }
}
