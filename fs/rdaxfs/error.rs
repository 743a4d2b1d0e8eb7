// SPDX-License-Identifier: GPL-2.0

//! The core's errors as the kernel's.

use kernel::prelude::*;
use kernel_ext::fs::{Inode, SuperBlock};
use rdaxfs_core::{format::ErrorKind, Error as CoreError};

use crate::super_block::Rdaxfs;

/// The errno of an error of the core.
pub(crate) fn errno(error: CoreError) -> Error {
    Error::from_errno(-error.errno())
}

/// The errno of an error that an operation on an inode has met. Where something is damaged, the user gets
/// what `errors=` asks for. No lock of a group or a journal slot is held.
pub(crate) fn met(inode: &Inode<Rdaxfs>, error: CoreError) -> Error {
    met_at(inode.super_block(), inode.ino(), error)
}

/// As [`met`], for an inode that is not in memory.
pub(crate) fn met_at(sb: &SuperBlock<Rdaxfs>, ino: u64, error: CoreError) -> Error {
    match error {
        CoreError::Corrupt => sb.data().found_damage(sb, ino),
        CoreError::Io => sb.data().count_error(ErrorKind::Unreadable),
        _ => {}
    }
    errno(error)
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
