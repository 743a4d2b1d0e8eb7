// SPDX-License-Identifier: GPL-2.0

//! The device or file, kept from others while it is checked.

use std::path::PathBuf;

use anyhow::Result;
use device::{lock, open, refuse_loop_file, refuse_read_only};
use rdaxfs_host::{DeviceLock, FileMedium, Scope};

use crate::cli::Arguments;

/// What can be done with a device that cannot be written.
const OTHERWISE: &str = ", or check it without a repair (-n)";

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
        let _lock = if write {
            refuse_loop_file(&path)?;
            Some(lock(&path, Scope::Itself)?)
        } else {
            None
        };
        Ok(Self { path, write, _lock })
    }

    /// Opens it, for writing if it may be written.
    ///
    /// # Errors
    ///
    /// If it is mounted or in use, and those of open(2).
    pub(crate) fn open(&self) -> Result<FileMedium> {
        open(
            &self.path,
            self.write,
            if self.write { OTHERWISE } else { "" },
        )
    }

    /// Fails if it is to be written and is set read-only.
    ///
    /// # Errors
    ///
    /// If so.
    pub(crate) fn require_writable(&self) -> Result<()> {
        if self.write {
            refuse_read_only(&self.path, OTHERWISE)?;
        }
        Ok(())
    }
}
