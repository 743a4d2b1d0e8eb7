// SPDX-License-Identifier: GPL-2.0

//! Whether the files of a mounted file system have DAX.
//!
//! `Documentation/filesystems/dax.rst`.

use super::{device, huge_pages, mappings, Diagnosis, Finding};
use crate::block_device::{self, BlockDevice};
use crate::mounts::{self, Mount};
use crate::system::System;
use anyhow::Result;
use rustix::fs::{AtFlags, IFlags, Mode, OFlags, StatxAttributes, StatxFlags};
use std::fs::Metadata;
use std::path::Path;
use terminal::safe_path;

/// File systems that can have DAX on a block device.
const ABLE: [&str; 5] = ["ext2", "ext4", "xfs", "erofs", "rdaxfs"];
/// `FS_DAX_FL` of `include/uapi/linux/fs.h`, which ext4 and XFS both show.
const DAX_FLAG: IFlags = IFlags::from_bits_retain(0x0200_0000);

/// Looks at the file system that a path is on, and at the file if it is one.
pub(super) fn examine(
    system: &System,
    path: &Path,
    data: &Metadata,
    diagnosis: &mut Diagnosis,
) -> Result<()> {
    let mounts = mounts::mounts(system)?;
    let (real, mount) = mounts::of_path(&mounts, path)?;
    let numbers = block_device::numbers_of_path(&real)?;
    let device = BlockDevice::numbered(system, &numbers);
    match &device {
        Ok(device) => {
            if let Ok(Some((disk, _))) = device.whole_disk() {
                device::examine(system, &disk, diagnosis);
            }
            device::examine(system, device, diagnosis);
        }
        Err(_) => diagnosis.add(
            Finding::problem(
                "no-block-device",
                format!(
                    "{} is on {}, which is on no block device",
                    safe_path(path),
                    mount.file_system
                ),
            )
            .seen(format!(
                "\"{}\" at {} in /proc/self/mountinfo",
                mount.source,
                safe_path(&mount.mount_point)
            ))
            .remedy("use a file system on a disk of rpmem: rpmemctl list"),
        ),
    }
    // Without DAX below it no option and no flag helps.
    let Some(device) = device.ok().filter(BlockDevice::has_dax) else {
        able(mount, diagnosis);
        return Ok(());
    };
    if data.is_file() {
        if able(mount, diagnosis) {
            file(system, &real, mount, &device, diagnosis);
        }
    } else {
        examine_mount(system, &mounts, mount, diagnosis);
    }
    Ok(())
}

/// Looks at a mount.
pub(super) fn examine_mount(
    system: &System,
    mounts: &[Mount],
    mount: &Mount,
    diagnosis: &mut Diagnosis,
) {
    if !able(mount, diagnosis) {
        return;
    }
    let place = safe_path(&mount.mount_point);
    match mode(mount) {
        "always" => diagnosis.looked_at.push(format!("{place} is mounted with dax=always")),
        "never" => diagnosis.add(never(system, mounts, mount)),
        _ if !system.is_this_one() => diagnosis.skip(format!("which files of {place} have DAX")),
        _ => match has_flag(&mount.mount_point) {
            Some(true) => diagnosis.looked_at.push(format!("new files in {place} have DAX")),
            Some(false) => diagnosis.add(
                Finding::problem("dax-inode", format!("of the files on {place}, only those with the DAX flag have DAX; new ones in it do not get it"))
                    .seen(format!("{} at {place} in /proc/self/mountinfo", option(mount)))
                    .seen(format!("{place} itself has not got the flag (FS_XFLAG_DAX)"))
                    .remedy(remount(mount))
                    .remedy(format!("or only for new files: xfs_io -c 'chattr +x' {place}")),
            ),
            None => diagnosis.skip(format!("whether new files in {place} have DAX: its flags cannot be read")),
        },
    }
}

fn able(mount: &Mount, diagnosis: &mut Diagnosis) -> bool {
    let able = ABLE.contains(&mount.file_system.as_str());
    if !able {
        diagnosis.add(
            Finding::problem(
                "file-system-without-dax",
                format!("{} has no DAX", mount.file_system),
            )
            .seen(format!(
                "{} is {} in /proc/self/mountinfo",
                safe_path(&mount.mount_point),
                mount.file_system
            ))
            .remedy("use ext4 or XFS on a disk of rpmem"),
        );
    }
    able
}

/// `always`, `never` or `inode`, which is the default.
fn mode(mount: &Mount) -> &str {
    match mount.option("dax") {
        // The older spelling.
        Some("") => "always",
        Some(mode) => mode,
        None => "inode",
    }
}

fn option(mount: &Mount) -> String {
    match mount.option("dax") {
        Some("") => "the option dax".to_owned(),
        Some(mode) => format!("the option dax={mode}"),
        None => "no dax option, which means dax=inode,".to_owned(),
    }
}

/// The option cannot be changed while it is mounted.
fn remount(mount: &Mount) -> String {
    let place = safe_path(&mount.mount_point);
    format!(
        "umount {place} && mount -o dax=always {} {place}    # and put dax=always into /etc/fstab",
        mount.source
    )
}

fn never(system: &System, mounts: &[Mount], mount: &Mount) -> Finding {
    let place = safe_path(&mount.mount_point);
    let finding = Finding::problem("dax-never", format!("no file on {place} has DAX")).seen(
        format!("{} at {place} in /proc/self/mountinfo", option(mount)),
    );
    if mount.file_system != "xfs" {
        return finding.remedy(remount(mount));
    }
    // XFS turns DAX off by itself where it cannot have it. It is told of the memory's failures, and there
    // is one who is told: the first XFS on the disk.
    let disk = |mount: &Mount| {
        let device = BlockDevice::numbered(system, &mount.device).ok()?;
        Some(device.whole_disk().ok()??.0.name().to_owned())
    };
    let mine = disk(mount);
    let other = mounts.iter().find(|other| {
        other.file_system == "xfs"
            && other.device != mount.device
            && mine.is_some()
            && disk(other) == mine
    });
    match other {
        Some(other) => finding
            .seen(format!("another XFS on the same disk is mounted at {}; only the first that is mounted can have DAX", safe_path(&other.mount_point)))
            .remedy("use one XFS on each disk, or ext4"),
        None => finding.remedy(remount(mount)).remedy("XFS turns DAX off by itself where it cannot have it, and says why in dmesg"),
    }
}

/// A regular file on a file system that is able to have DAX.
fn file(
    system: &System,
    path: &Path,
    mount: &Mount,
    device: &BlockDevice,
    diagnosis: &mut Diagnosis,
) {
    let place = safe_path(path);
    let answer = rustix::fs::statx(
        rustix::fs::CWD,
        path,
        AtFlags::empty(),
        StatxFlags::BASIC_STATS,
    );
    let attributes = match answer {
        Ok(answer) => answer.stx_attributes,
        Err(error) => return diagnosis.skip(format!("whether {place} has DAX: {error}")),
    };
    if attributes.contains(StatxAttributes::DAX) {
        diagnosis.looked_at.push(format!("{place} has DAX"));
        let fits = huge_pages::examine(path, device, diagnosis);
        mappings::examine(system, path, fits, diagnosis);
        return;
    }
    let finding = Finding::problem("file-without-dax", format!("{place} has no DAX"))
        .seen("statx(2) does not show STATX_ATTR_DAX")
        .seen(format!(
            "{} at {} in /proc/self/mountinfo",
            option(mount),
            safe_path(&mount.mount_point)
        ));
    let finding = match (mode(mount), has_flag(path)) {
        ("inode", Some(true)) => finding
            .seen("the file has the DAX flag: it takes effect once the file is closed and its inode has left the cache")
            .remedy(format!("close it, then umount {} and mount it again", safe_path(&mount.mount_point))),
        ("inode", _) => finding
            .seen("the file has not got the DAX flag")
            .remedy(remount(mount))
            .remedy(format!("or for this file: xfs_io -c 'chattr +x' {place}; then umount and mount again")),
        ("never", _) => finding.remedy(remount(mount)),
        (_, _) => finding
            .seen("files that are encrypted, verified (fs-verity) or kept inline have none even so")
            .remedy(format!("lsattr {place}; copy it to a new file")),
    };
    diagnosis.add(finding);
}

/// Whether a file or folder has the flag for DAX; `None` if it cannot be told.
fn has_flag(path: &Path) -> Option<bool> {
    let fd = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    Some(rustix::fs::ioctl_getflags(&fd).ok()?.contains(DAX_FLAG))
}
