// SPDX-License-Identifier: GPL-2.0

//! How an operation on a volume is begun.

use kernel::{
    prelude::*,
    str::{CStr, CString},
    sync::Arc,
};
use kernel_ext::{
    fs::dax::DaxDevice,
    memalloc::NofsScope,
    mempool::{MemPool, PoolBox},
    sync::{revocable::Guard, Revocable},
};
use rdaxfs_core::{volume::Volume, workspace::Workspace};

use crate::platform::Platform;

/// Workspaces that are kept for when there is no memory: eviction and faults must not fail for want
/// of one. An operation has one, and waits for nothing but locks of the core while it has it.
const RESERVED_WORKSPACES: u16 = 4;

/// A mounted volume of the core until its device goes, with the memory that its operations work in.
pub(crate) struct MountedVolume {
    volume: Pin<KBox<Revocable<Volume<Platform>>>>,
    workspaces: MemPool<Workspace>,
    device: Arc<DaxDevice>,
}

impl MountedVolume {
    /// Puts them together, with the device that the volume is on.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        volume: Volume<Platform>,
        workspaces: MemPool<Workspace>,
        device: Arc<DaxDevice>,
    ) -> Result<Self> {
        Ok(Self {
            volume: KBox::pin_init(Revocable::new(volume), GFP_KERNEL)?,
            workspaces,
            device,
        })
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

    /// The volume, for what only reads. The device's driver waits until it is dropped: no access to memory of
    /// user space meanwhile.
    ///
    /// # Errors
    ///
    /// `EIO` if the device has gone, or the volume has been shut down.
    pub(crate) fn volume(&self) -> Result<Guard<'_, Volume<Platform>>> {
        let volume = self.volume_to_end()?;
        if volume.is_shut_down() {
            return Err(EIO);
        }
        Ok(volume)
    }

    /// As [`volume`](Self::volume), for what has to be done after a shutdown, too.
    ///
    /// # Errors
    ///
    /// `EIO` if the device has gone.
    pub(crate) fn volume_to_end(&self) -> Result<Guard<'_, Volume<Platform>>> {
        self.volume.try_access().ok_or(EIO)
    }

    /// Begins an operation. To be called before any map lock is taken.
    ///
    /// # Errors
    ///
    /// `EIO` if the device has gone, or the volume has been shut down.
    pub(crate) fn begin(&self) -> Result<Operation<'_>> {
        let scope = NofsScope::new();
        Ok(Operation {
            volume: self.volume()?,
            workspace: self.workspaces.alloc(),
            _scope: scope,
        })
    }

    /// The device goes: waits for operations that have begun, and lets go of its memory. Others fail.
    pub(crate) fn revoke(&self) {
        self.volume.revoke();
    }

    /// The device, for what maps its pages.
    pub(crate) fn dax_device(&self) -> &DaxDevice {
        &self.device
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
    pub(crate) volume: Guard<'v, Volume<Platform>>,
    /// What it works in.
    pub(crate) workspace: PoolBox<'v, Workspace>,
    _scope: NofsScope,
}
