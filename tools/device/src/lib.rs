// SPDX-License-Identifier: GPL-2.0

//! A device or file that a program has for itself, and why it cannot have it.
//!
//! The programs that write volumes refuse what is in use in the same words.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{anyhow, bail, Error, Result};
use rdaxfs_host::{loop_device_of, DeviceLock, FileMedium, Scope};
use terminal::safe_path;

/// Operation not permitted.
const EPERM: i32 = 1;

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
/// If it is in use or read-only, and those of open(2).
pub fn open(path: &Path, write: bool, otherwise: &str) -> Result<FileMedium> {
    FileMedium::open(path, write).map_err(|error| {
        let is_device =
            std::fs::metadata(path).is_ok_and(|data| data.file_type().is_block_device());
        refused(path, error, write && is_device, otherwise)
    })
}

/// Why a device or file cannot be opened; `may_be_set`: it may be a device that is set read-only.
fn refused(path: &Path, error: io::Error, may_be_set: bool, otherwise: &str) -> Error {
    let shown = safe_path(path);
    match error.kind() {
        io::ErrorKind::ResourceBusy => {
            anyhow!("{shown} is mounted or in use otherwise: unmount it first{otherwise}")
        }
        // What the kernel has for a device that is set read-only.
        io::ErrorKind::PermissionDenied if may_be_set && error.raw_os_error() == Some(EPERM) => {
            anyhow!("{shown} is read-only: blockdev --setrw makes a device writable{otherwise}")
        }
        _ => anyhow!(error).context(format!("{shown} cannot be opened")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An immutable file, or a device that a container may not use, is not one that is set read-only.
    #[test]
    fn advice_is_for_devices_that_are_to_be_written() {
        let error = || io::Error::from_raw_os_error(EPERM);
        let path = Path::new("/dev/x");
        let said = refused(path, error(), true, ", or -n").to_string();
        assert!(said.ends_with("blockdev --setrw makes a device writable, or -n"));
        let said = format!("{:#}", refused(path, error(), false, ", or -n"));
        assert!(said.starts_with("/dev/x cannot be opened: Operation not permitted"));
    }

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
