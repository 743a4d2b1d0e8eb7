// SPDX-License-Identifier: GPL-2.0

//! How an operation on a volume is begun.

use kernel::{
    prelude::*,
    str::{CStr, CString},
};
use kernel_ext::{
    memalloc::NofsScope,
    mempool::{MemPool, PoolBox},
};
use rdaxfs_core::{volume::Volume, workspace::Workspace};

use crate::platform::Platform;

/// Workspaces that are kept for when there is no memory: eviction and faults must not fail for want
/// of one. An operation has one, and waits for nothing but locks of the core while it has it.
const RESERVED_WORKSPACES: u16 = 4;

/// A mounted volume of the core, with the memory that its operations work in.
pub(crate) struct MountedVolume {
    volume: Volume<Platform>,
    workspaces: MemPool<Workspace>,
}

impl MountedVolume {
    /// Puts them together.
    pub(crate) fn new(volume: Volume<Platform>, workspaces: MemPool<Workspace>) -> Self {
        Self { volume, workspaces }
    }

    /// Makes the memory to work in, for the volume on the device of that name.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new_workspaces(device: &CStr) -> Result<MemPool<Workspace>> {
        let name = CString::try_from_fmt(fmt!("rdaxfs_workspace-{device}"))?;
        MemPool::new(&name, RESERVED_WORKSPACES)
    }

    /// The volume, for what only reads.
    pub(crate) fn volume(&self) -> &Volume<Platform> {
        &self.volume
    }

    /// Begins an operation. To be called before any map lock is taken.
    pub(crate) fn begin(&self) -> Operation<'_> {
        let scope = NofsScope::new();
        Operation {
            volume: &self.volume,
            workspace: self.workspaces.alloc(),
            _scope: scope,
        }
    }

    /// A workspace for an operation that lets go of all locks and then waits for others with what it has
    /// read: none of those that are kept.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn patient_workspace(&self) -> Result<PoolBox<'_, Workspace>> {
        self.workspaces.alloc_noreserve()
    }
}

/// An operation that is going on: allocations do not reclaim memory through file systems.
///
/// Dropped after the map locks.
pub(crate) struct Operation<'v> {
    /// The volume.
    pub(crate) volume: &'v Volume<Platform>,
    /// What it works in.
    pub(crate) workspace: PoolBox<'v, Workspace>,
    _scope: NofsScope,
}
