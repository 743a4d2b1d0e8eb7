// SPDX-License-Identifier: GPL-2.0

//! Who else uses a device or file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;

use crate::file::kind_of;

/// How long a lock is waited for. udev holds one while it looks at a device.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is tried.
const PAUSE: Duration = Duration::from_millis(20);

/// The BSD locks by which programs keep away from a device that another one writes, until it is dropped.
///
/// systemd's page "Locking Block Device Access" describes the protocol.
pub struct DeviceLock {
    _files: Vec<File>,
}

/// What a [`DeviceLock`] covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The device or file itself. Partitions of one disk can be checked at the same time.
    Itself,
    /// The disk that a partition is on as well: udev does not look at it meanwhile.
    WholeDisk,
}

impl DeviceLock {
    /// Locks a device or file.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if another program holds the lock, `InvalidInput` if it is neither a file nor a block device, and
    /// those of open(2).
    pub fn take(path: &Path, scope: Scope) -> io::Result<Self> {
        let mut files = Vec::new();
        if let (Scope::WholeDisk, Some(disk)) = (scope, whole_disk(path)) {
            // A disk without a node has nobody who looks at it by its node.
            if disk.exists() {
                files.push(locked(&disk)?);
            }
        }
        files.push(locked(path)?);
        Ok(Self { _files: files })
    }
}

fn locked(path: &Path) -> io::Result<File> {
    kind_of(path)?;
    // Read-only: closing a block device that was open for writing makes udev look at it.
    let file = OpenOptions::new().read(true).open(path)?;
    let end = Instant::now() + PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if Instant::now() < end => sleep(PAUSE),
            // A file system without locks has nobody who takes one.
            Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(file),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The folder of a block device in sysfs.
fn sysfs(path: &Path) -> Option<PathBuf> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.file_type().is_block_device() {
        return None;
    }
    let (major, minor) = (
        rustix::fs::major(metadata.rdev()),
        rustix::fs::minor(metadata.rdev()),
    );
    fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()
}

/// The node of the disk that a partition is on.
fn whole_disk(path: &Path) -> Option<PathBuf> {
    let folder = sysfs(path)?;
    if !folder.join("partition").exists() {
        return None;
    }
    let uevent = fs::read_to_string(folder.parent()?.join("uevent")).ok()?;
    let name = uevent
        .lines()
        .find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(Path::new("/dev").join(name))
}

/// The loop device that uses a file. A block device need not be looked for: it is opened exclusively.
#[must_use]
pub fn loop_device_of(path: &Path) -> Option<PathBuf> {
    let file = fs::metadata(path).ok()?;
    if !file.is_file() {
        return None;
    }
    let devices = fs::read_dir("/sys/block").ok()?;
    devices.flatten().find_map(|device| {
        let backing = fs::read_to_string(device.path().join("loop/backing_file")).ok()?;
        let other = fs::metadata(backing.strip_suffix('\n').unwrap_or(&backing)).ok()?;
        ((other.dev(), other.ino()) == (file.dev(), file.ino()))
            .then(|| Path::new("/dev").join(device.file_name()))
    })
}

#[cfg(test)]
mod tests {
    use rustix::fs::{mknodat, FileType, Mode, CWD};

    use super::*;

    /// To open a FIFO waits for its other end, which may never come.
    #[test]
    fn what_cannot_be_a_volume_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("rdaxfs-fifo-{}", std::process::id()));
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let taken = DeviceLock::take(&path, Scope::Itself);
        fs::remove_file(&path).unwrap();
        let kind = taken.err().map(|error| error.kind());
        assert_eq!(kind, Some(io::ErrorKind::InvalidInput));
    }

    #[test]
    fn a_lock_keeps_others_away_until_it_is_dropped() {
        let path = std::env::temp_dir().join(format!("rdaxfs-lock-{}", std::process::id()));
        File::create(&path).unwrap();
        let first = DeviceLock::take(&path, Scope::WholeDisk).unwrap();
        let second = DeviceLock::take(&path, Scope::Itself);
        assert_eq!(
            second.err().map(|error| error.kind()),
            Some(io::ErrorKind::WouldBlock)
        );
        drop(first);
        assert!(DeviceLock::take(&path, Scope::Itself).is_ok());
        fs::remove_file(&path).unwrap();
    }
}
