// SPDX-License-Identifier: GPL-2.0

//! The device or file, kept from others while it is checked.

use std::io;
use std::path::PathBuf;

use anyhow::{anyhow, bail, Result};
use rdaxfs_host::{loop_device_of, DeviceLock, FileMedium, Scope};
use terminal::safe_path;

use crate::cli::Arguments;

/// A device or file, locked if it may be written.
pub(crate) struct Device {
    path: PathBuf,
    write: bool,
    _lock: Option<DeviceLock>,
}

impl Device {
    /// The one that the arguments name.
    ///
    /// # Errors
    ///
    /// If another program uses it, or it is not there.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self> {
        let (path, write) = (arguments.path.clone(), !arguments.no);
        let shown = safe_path(&path);
        if !write {
            return Ok(Self {
                path,
                write,
                _lock: None,
            });
        }
        if let Some(user) = loop_device_of(&path) {
            let user = safe_path(&user);
            bail!("{shown} is in use by {user}; check {user}, or detach it first (losetup --detach {user})");
        }
        let lock = DeviceLock::take(&path, Scope::Itself).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                return anyhow!(
                    "{shown} is locked by another program; try again when that is done"
                );
            }
            anyhow!(error).context(format!("{shown} cannot be opened"))
        })?;
        Ok(Self {
            path,
            write,
            _lock: Some(lock),
        })
    }

    /// Opens it, for writing if it may be written.
    ///
    /// # Errors
    ///
    /// If it is mounted or in use, and those of open(2).
    pub(crate) fn open(&self) -> Result<FileMedium> {
        let shown = safe_path(&self.path);
        FileMedium::open(&self.path, self.write).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => {
                anyhow!("{shown} is mounted or in use otherwise; unmount it first, or look with -n")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if self.write => {
                anyhow!("{shown} is read-only or not yours; look with -n")
            }
            _ => anyhow!(error).context(format!("{shown} cannot be opened")),
        })
    }
}
