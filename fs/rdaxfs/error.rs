// SPDX-License-Identifier: GPL-2.0

//! The core's errors as the kernel's.

use kernel::prelude::*;
use kernel_ext::fs::{
    fserror::{self, Access},
    Inode, SuperBlock,
};
use rdaxfs_core::{
    format::{ErrorKind, BLOCK_SIZE},
    Error as CoreError,
};

use crate::super_block::Rdaxfs;

/// The errno of an error of the core.
pub(crate) fn errno(error: CoreError) -> Error {
    Error::from_errno(-error.errno())
}

/// The errno of an error that an operation on an inode has met. Where something is damaged, the user gets
/// what `errors=` asks for. No lock of a group or a journal slot is held.
pub(crate) fn met(inode: &Inode<Rdaxfs>, error: CoreError) -> Error {
    let sb = inode.super_block();
    if is_reported(sb, error) {
        fserror::report_file_metadata(inode, errno(error));
    }
    count(sb, inode.ino(), error)
}

/// As [`met`], for an inode that is not in memory, or leaves it.
pub(crate) fn met_at(sb: &SuperBlock<Rdaxfs>, ino: u64, error: CoreError) -> Error {
    if is_reported(sb, error) {
        fserror::report_metadata(sb, errno(error));
    }
    count(sb, ino, error)
}

/// Whether an error is one of the volume. Everything fails on one that has been shut down, or whose device has
/// gone.
fn is_reported(sb: &SuperBlock<Rdaxfs>, error: CoreError) -> bool {
    matches!(error, CoreError::Corrupt | CoreError::Io) && sb.data().mounted.volume().is_ok()
}

fn count(sb: &SuperBlock<Rdaxfs>, ino: u64, error: CoreError) -> Error {
    match error {
        CoreError::Corrupt => sb.data().found_damage(sb, ino),
        CoreError::Io => sb.data().count_error(ErrorKind::Unreadable),
        _ => {}
    }
    errno(error)
}

/// A read or a write of a file has failed at a byte.
pub(crate) fn access_failed(inode: &Inode<Rdaxfs>, access: Access, at: u64, error: Error) {
    if error == EIO {
        data_failed(inode, access, at);
    }
}

/// The page of a file that has a byte cannot be read or written as it is.
pub(crate) fn data_failed(inode: &Inode<Rdaxfs>, access: Access, at: u64) {
    let sb = inode.super_block();
    if sb.data().mounted.volume().is_err() {
        // Where the device has gone everything fails.
        return;
    }
    let page = at - at % BLOCK_SIZE..at - at % BLOCK_SIZE + BLOCK_SIZE;
    fserror::report_io(inode, access, &page, EIO);
    sb.data().lost_data(sb, inode.ino(), access, &page);
}

/// The error of the core that a medium's access stands for.
pub(crate) fn medium(_: Error) -> CoreError {
    CoreError::Io
}

/// An error of the core, for messages.
pub(crate) struct Reason(pub(crate) CoreError);

impl kernel::fmt::Display for Reason {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}
