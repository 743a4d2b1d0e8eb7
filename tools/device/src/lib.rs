// SPDX-License-Identifier: GPL-2.0

//! A device or file that a program has for itself, and why it cannot have it.
//!
//! The programs that write volumes refuse what is in use in the same words.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{anyhow, bail, Result};
use rdaxfs_host::{loop_device_of, DeviceLock, FileMedium, Scope};
use terminal::safe_path;

/// Refuses a file that a loop device uses.
///
/// # Errors
///
/// If it is one.
pub fn refuse_loop_file(path: &Path) -> Result<()> {
    let Some(user) = loop_device_of(path) else {
        return Ok(());
    };
    let (shown, user) = (safe_path(path), safe_path(&user));
    bail!("{shown} is in use by {user}: name {user} instead, or detach it first (losetup --detach {user})");
}

/// Keeps other programs away from a device or file until the lock is dropped.
///
/// # Errors
///
/// If another program has locked it, and those of open(2).
pub fn lock(path: &Path, scope: Scope) -> Result<DeviceLock> {
    DeviceLock::take(path, scope).map_err(|error| {
        let shown = safe_path(path);
        if error.kind() == io::ErrorKind::WouldBlock {
            return anyhow!("{shown} is locked by another program: try again when that is done");
        }
        anyhow!(error).context(format!("{shown} cannot be opened"))
    })
}

/// Opens a device or file, exclusively if it is to be written. `otherwise` is what the user can do without that; it ends the
/// message.
///
/// # Errors
///
/// If it is in use, and those of open(2).
pub fn open(path: &Path, write: bool, otherwise: &str) -> Result<FileMedium> {
    let shown = safe_path(path);
    FileMedium::open(path, write).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => {
            anyhow!("{shown} is mounted or in use otherwise: unmount it first{otherwise}")
        }
        _ => anyhow!(error).context(format!("{shown} cannot be opened")),
    })
}

/// Refuses a device that is set read-only. It can be opened for writing all the same: each write fails.
///
/// # Errors
///
/// If it is one.
pub fn refuse_read_only(path: &Path, otherwise: &str) -> Result<()> {
    let number = fs::metadata(path)
        .ok()
        .filter(|data| data.file_type().is_block_device())
        .map(|data| data.rdev());
    let Some(number) = number else { return Ok(()) };
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let set = fs::read(format!("/sys/dev/block/{major}:{minor}/ro"));
    if set.is_ok_and(|set| set.starts_with(b"1")) {
        let shown = safe_path(path);
        bail!("{shown} is read-only: blockdev --setrw makes a device writable{otherwise}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_file_is_refused_until_it_is_free() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = lock(file.path(), Scope::WholeDisk).unwrap();
        let refused = lock(file.path(), Scope::Itself).err().unwrap();
        assert!(refused.to_string().contains("is locked by another program"));
        drop(held);
        assert!(lock(file.path(), Scope::Itself).is_ok());
        assert!(refuse_loop_file(file.path()).is_ok());
    }
}
