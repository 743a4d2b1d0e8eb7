// SPDX-License-Identifier: GPL-2.0

//! ioctl(2): the generation of an inode; label and shutdown of the volume.

use kernel::{
    ffi::c_int,
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};
use kernel_ext::{
    capability::Capability,
    fs::{
        fserror,
        ioctl::{
            command::{
                FSLABEL_MAX, FS_IOC32_GETVERSION, FS_IOC_GETFSLABEL, FS_IOC_GETVERSION,
                FS_IOC_SETFSLABEL, FS_IOC_SHUTDOWN,
            },
            shutdown, Operations,
        },
        File, SuperBlock,
    },
};

use rdaxfs_core::format::LABEL_BYTES;

use crate::{error::met_at, super_block::Rdaxfs};

/// What open files and directories do for ioctl(2).
pub(crate) struct Ioctl;

impl Operations for Ioctl {
    type FileSystem = Rdaxfs;

    fn ioctl(file: &File<Rdaxfs>, command: u32, argument: UserPtr) -> Result {
        match command {
            FS_IOC_GETVERSION | FS_IOC32_GETVERSION => {
                let generation = file.inode().generation() as c_int;
                let mut user = UserSlice::new(argument, size_of::<c_int>()).writer();
                user.write(&generation)
            }
            FS_IOC_GETFSLABEL => get_label(file.inode().super_block(), argument),
            FS_IOC_SETFSLABEL => {
                require_administrator()?;
                set_label(file, argument)
            }
            FS_IOC_SHUTDOWN => {
                require_administrator()?;
                let mut user = UserSlice::new(argument, size_of::<u32>()).reader();
                shut_down(file.inode().super_block(), user.read()?)
            }
            _ => Err(ENOTTY),
        }
    }
}

/// Fails unless the calling task is the administrator's.
fn require_administrator() -> Result {
    if Capability::SYS_ADMIN.is_had() {
        Ok(())
    } else {
        Err(EPERM)
    }
}

/// Copies the label to the caller, with a NUL behind it.
fn get_label(sb: &SuperBlock<Rdaxfs>, argument: UserPtr) -> Result {
    let mut label = [0; LABEL_BYTES + 1];
    let volume = sb.data().mounted.volume()?;
    let found = volume.label().map_err(|error| met_at(sb, 0, error))?;
    drop(volume);
    for (place, byte) in label.iter_mut().zip(found) {
        *place = byte;
    }
    UserSlice::new(argument, label.len())
        .writer()
        .write_slice(&label)
}

/// Changes the label to what the caller has, up to a NUL.
///
/// # Errors
///
/// `EINVAL` if it is too long, no UTF-8, or has control characters; `EROFS`.
fn set_label(file: &File<Rdaxfs>, argument: UserPtr) -> Result {
    const { assert!(LABEL_BYTES < FSLABEL_MAX) };
    let mut label = [0; LABEL_BYTES + 1];
    UserSlice::new(argument, label.len())
        .reader()
        .read_slice(&mut label)?;
    let end = label.iter().position(|&byte| byte == 0).ok_or(EINVAL)?;
    let label = label.get(..end).ok_or(EINVAL)?;
    let _write = file.want_write()?;
    let sb = file.inode().super_block();
    let mut operation = sb.data().mounted.begin()?;
    operation
        .volume
        .set_label(&mut operation.workspace, label)
        .map_err(|error| met_at(sb, 0, error))
}

/// Stops the volume. What has been acknowledged is on the medium, and the next mount finds it.
///
/// # Errors
///
/// `EINVAL` for a way that is not known; `EBUSY`, and what writing dirty pages fails with.
fn shut_down(sb: &SuperBlock<Rdaxfs>, how: u32) -> Result {
    let mounted = &sb.data().mounted;
    let frozen = match how {
        shutdown::DEFAULT => Some(sb.block_device().freeze()?),
        // The log is always written: that of an operation before it returns.
        shutdown::LOGFLUSH | shutdown::NOLOGFLUSH => None,
        _ => return Err(EINVAL),
    };
    let volume = mounted.volume_to_end()?;
    if !volume.is_shut_down() {
        pr_alert!(
            "{}: shut down, as was asked for: everything fails until it is mounted again\n",
            sb.id(),
        );
        volume.shutdown();
        fserror::report_shutdown(sb);
    }
    drop(frozen);
    Ok(())
}
