// SPDX-License-Identifier: GPL-2.0

//! How an operation on a volume is begun.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kernel::{
    prelude::*,
    str::{CStr, CString},
    sync::{new_mutex, Arc, Mutex},
};
use kernel_ext::{
    fs::{dax::DaxDevice, Timespec},
    memalloc::NofsScope,
    mempool::{MemPool, PoolBox},
    sync::{revocable::Guard, Revocable},
};
use rdaxfs_core::{
    bad_blocks::{BadBlocksOwner, Repaired},
    volume::Volume,
    workspace::Workspace,
    Error as CoreError,
};

use crate::{error::Reason, platform::Platform, time::to_medium};

/// Workspaces that are kept for when there is no memory: eviction and faults must not fail for want
/// of one. An operation has one, and waits for nothing but locks of the core while it has it.
const RESERVED_WORKSPACES: u16 = 4;

/// A mounted volume of the core until its device goes, with the memory that its operations work in.
pub(crate) struct MountedVolume {
    volume: Pin<KBox<Revocable<Volume<Platform>>>>,
    workspaces: MemPool<Workspace>,
    device: Arc<DaxDevice>,
    /// For messages.
    name: CString,
    /// The owner of blocks that stay bad. Taken above the core's locks.
    bad_blocks: Pin<KBox<Mutex<BadBlocksOwner>>>,
    /// A repair has failed, and that was said.
    cannot_repair: AtomicBool,
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
        name: &CStr,
    ) -> Result<Self> {
        Ok(Self {
            volume: KBox::pin_init(Revocable::new(volume), GFP_KERNEL)?,
            workspaces,
            device,
            name: name.try_into()?,
            bad_blocks: KBox::pin_init(
                new_mutex!(BadBlocksOwner::new(), "rdaxfs_bad_blocks"),
                GFP_KERNEL,
            )?,
            cannot_repair: AtomicBool::new(false),
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

    /// The device's name, for messages.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
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
        let volume = self.volume()?;
        let mut workspace = self.workspaces.alloc();
        if volume.bad_blocks().are_waiting() {
            self.repair_bad_blocks(&volume, &mut workspace);
        }
        Ok(Operation {
            volume,
            workspace,
            _scope: scope,
        })
    }

    /// Runs an operation; once more if it has found no free block, while bad ones waited for their repair and some of
    /// them can be used again. Neither a map lock nor an operation is held, but by the operation itself.
    ///
    /// # Errors
    ///
    /// Those of the operation.
    #[inline]
    pub(crate) fn again<T>(&self, mut operation: impl FnMut() -> Result<T>) -> Result<T> {
        let mut is_first = true;
        loop {
            match operation() {
                Err(error) if error == ENOSPC && is_first && self.has_got_blocks() => {
                    is_first = false;
                }
                done => return done,
            }
        }
    }

    /// Repairs bad blocks, if some wait for that. Returns whether there are free blocks that were not before.
    #[cold]
    fn has_got_blocks(&self) -> bool {
        let _scope = NofsScope::new();
        let Ok(volume) = self.volume() else {
            return false;
        };
        if !volume.bad_blocks().are_waiting() {
            return false;
        }
        // If somebody else repairs them, those are blocks, too.
        let mut owner = self.bad_blocks.lock();
        let mut workspace = self.workspaces.alloc();
        !volume.bad_blocks().are_waiting() || self.repair(&volume, &mut workspace, &mut owner) > 0
    }

    /// Has the driver repair free blocks that an operation has met and found bad, so that they can be used again.
    #[cold]
    fn repair_bad_blocks(&self, volume: &Volume<Platform>, workspace: &mut Workspace) {
        // One task is enough. Nobody waits for it: there are other blocks.
        if let Some(mut owner) = self.bad_blocks.try_lock() {
            self.repair(volume, workspace, &mut owner);
        }
    }

    /// As [`repair_bad_blocks`](Self::repair_bad_blocks), by who has the lock. Returns how many blocks can be used
    /// again.
    fn repair(
        &self,
        volume: &Volume<Platform>,
        workspace: &mut Workspace,
        owner: &mut BadBlocksOwner,
    ) -> u64 {
        let now = to_medium(Timespec::now());
        match volume.bad_blocks().repair(workspace, owner, now) {
            Ok(Repaired {
                repaired,
                quarantined: 0,
            }) => return repaired,
            Ok(Repaired {
                repaired,
                quarantined,
            }) => {
                pr_warn!(
                    "{}: {} bad blocks cannot be repaired, and are not used any more\n",
                    &*self.name,
                    quarantined,
                );
                return repaired;
            }
            Err(CoreError::ReadOnly) => {}
            Err(error) => {
                if !self.cannot_repair.swap(true, Relaxed) {
                    pr_err!(
                        "{}: free blocks are bad, and cannot be put aside ({})\n",
                        &*self.name,
                        Reason(error),
                    );
                }
            }
        }
        0
    }

    /// The device is going to be removed: waits for operations that have begun, and lets go of its
    /// memory. Others fail. Does not wait for processes that have it mapped, nor for I/O to their pages.
    ///
    /// The caller has begun no operation. Does nothing but the first time.
    pub(crate) fn remove_device(&self) {
        if self.volume.revoke() {
            pr_err!(
                "{}: the device has gone: everything fails from now on\n",
                &*self.name,
            );
        }
    }

    /// The device, for what maps its pages.
    pub(crate) fn dax_device(&self) -> &DaxDevice {
        &self.device
    }

    /// The device, for what lives as long as the volume.
    pub(crate) fn device(&self) -> Arc<DaxDevice> {
        self.device.clone()
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
