// SPDX-License-Identifier: GPL-2.0

//! What is mounted for writing becomes read-only, and the other way round.

use kernel::prelude::*;
use kernel_ext::fs::{FsContext, SuperBlock, Timespec};
use rdaxfs_core::{mount as core_mount, Error as CoreError};

use crate::{
    error::{errno, Reason},
    mount::{check_order, writable_access},
    options::Options,
    super_block::Rdaxfs,
    time::to_medium,
    unfinished::finish_all,
};

/// A mount for writing becomes read-only: the volume is clean then. The VFS has seen to it that nobody has a
/// file open for writing, and that no inode without a name is left.
pub(crate) fn remount_ro(sb: &SuperBlock<Rdaxfs>, context: &FsContext<Rdaxfs>) -> Result {
    let volume = sb.data().mounted.volume()?;
    core_mount::remount_ro(&volume).map_err(|error| {
        context.error(fmt!(
            "{}: the volume cannot be marked as clean ({}); run fsck.rdaxfs",
            sb.id(),
            Reason(error),
        ));
        errno(error)
    })
}

/// A read-only mount becomes one for writing: the journal is replayed on the medium, and what was left to do
/// is finished.
pub(crate) fn remount_rw(
    sb: &SuperBlock<Rdaxfs>,
    context: &FsContext<Rdaxfs>,
    options: &Options,
) -> Result {
    let mounted = &sb.data().mounted;
    check_order(sb.id(), context, mounted.dax_device(), options)?;
    let volume = mounted.volume()?;
    if options.superblock_copy {
        context.error(fmt!(
            "{}: mounted from the copy of the superblock: run fsck.rdaxfs, and mount the volume without superblock=",
            sb.id(),
        ));
        return Err(EROFS);
    }
    let Some(access) = writable_access(volume.errors().found_damage(), options) else {
        context.error(fmt!(
            "{}: the volume is damaged: unmount it and run fsck.rdaxfs, or use errors=continue",
            sb.id(),
        ));
        return Err(EROFS);
    };
    let now = to_medium(Timespec::now());
    let mut workspace = mounted.patient_workspace()?;
    let writable = core_mount::remount_rw(&volume, access, now, &mut workspace);
    drop(workspace);
    writable.map_err(|error| {
        match error {
            CoreError::ReadOnly => context.error(fmt!(
                "{}: the volume has features that this version can only read",
                sb.id(),
            )),
            error => context.error(fmt!(
                "{}: the volume cannot be made writable ({}); run fsck.rdaxfs",
                sb.id(),
                Reason(error),
            )),
        }
        errno(error)
    })?;
    finish_all(sb, context).inspect_err(|_| {
        // It is read-only still.
        let _ = core_mount::remount_ro(&volume);
    })
}
