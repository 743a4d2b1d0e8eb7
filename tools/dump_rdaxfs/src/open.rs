// SPDX-License-Identifier: GPL-2.0

//! Opens a volume for reading, and finds files on it.

use std::path::Path;

use anyhow::{anyhow, Context, Result};
use rdaxfs_core::format::Time;
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;
use rdaxfs_host::{resolve, FileMedium, Host, Mounted, Trouble};
use terminal::{safe, safe_path};

use crate::cli::What;

/// A volume that is open.
pub(crate) type Files = Volume<Host<FileMedium>>;

/// Opens a volume. Nothing is stored; what records the journal has is seen as if they were done.
pub(crate) fn open(path: &Path) -> Result<Mounted<FileMedium>> {
    let shown = safe_path(path);
    let medium =
        FileMedium::open(path, false).with_context(|| format!("{shown} cannot be opened"))?;
    let superblock = probe(&medium).map_err(|error| match Trouble::of(&medium) {
        Some(trouble) => anyhow!("{shown} {trouble}"),
        None => anyhow!("{shown}: {error}"),
    })?;
    let mut workspace = Box::new(Workspace::new());
    let host = Host::new(medium, &superblock);
    let volume =
        mount::mount(host, Access::NoStores, Time::new(0, 0), &mut workspace).map_err(|error| {
            anyhow!("{shown}: the journal cannot be replayed: {error}; run fsck.rdaxfs")
        })?;
    Ok(Mounted { volume, workspace })
}

/// An error of a volume, with the way out.
pub(crate) fn failed(error: Error, path: &Path) -> anyhow::Error {
    let shown = safe_path(path);
    match error {
        Error::Corrupt => anyhow!("{shown}: {error}; run fsck.rdaxfs"),
        error => anyhow!("{shown}: {error}"),
    }
}

/// The number of an inode.
pub(crate) fn number(volume: &Files, what: &What) -> Result<u64> {
    match what {
        What::Inode(ino) => Ok(*ino),
        What::Path(path) => resolve(volume, path)
            .map_err(|(name, error)| anyhow!("{}: \"{}\": {error}", safe(path), safe(name))),
    }
}
