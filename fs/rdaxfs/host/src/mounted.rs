// SPDX-License-Identifier: GPL-2.0

//! A mounted volume with what its operations want.

use rdaxfs_core::format::{Time, BLOCK_SIZE};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Result;

use crate::Host;

/// A mounted volume and its memory to work in, for one thread.
pub struct Mounted<M> {
    /// The volume.
    pub volume: Volume<Host<M>>,
    /// What its operations work in.
    pub workspace: Box<Workspace>,
}

impl<M: Medium + Stores + Digest> Mounted<M> {
    /// Makes a volume that fills the medium, the same each time, and mounts it for writing.
    ///
    /// # Errors
    ///
    /// Those of [`make`] and [`mount::mount`].
    pub fn make(medium: M, now: Time) -> Result<Self> {
        let options = Options {
            uuid: [9; 16],
            hash_key: [1, 2],
            now,
            ..Options::new(medium.len() / BLOCK_SIZE)
        };
        make(&medium, &options)?;
        Self::mount(medium, Access::ReadWrite, now)
    }

    /// Mounts what is there.
    ///
    /// # Errors
    ///
    /// Those of [`probe`] and [`mount::mount`].
    pub fn mount(medium: M, access: Access, now: Time) -> Result<Self> {
        let superblock = probe(&medium)?;
        let mut workspace = Box::new(Workspace::new());
        let host = Host::new(medium, &superblock);
        let volume = mount::mount(host, access, now, &mut workspace)?;
        Ok(Self { volume, workspace })
    }

    /// Unmounts it as clean, and returns the medium.
    ///
    /// # Errors
    ///
    /// Those of [`mount::unmount`].
    pub fn unmount(self) -> Result<M> {
        mount::unmount(&self.volume)?;
        Ok(self.volume.into_platform().into_medium())
    }
}
