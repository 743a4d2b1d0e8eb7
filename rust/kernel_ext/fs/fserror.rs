// SPDX-License-Identifier: GPL-2.0

//! Errors of the medium and of metadata, for programs that watch file systems (fanotify's `FAN_FS_ERROR`).
//!
//! A report is passed on by a work item: it may be made with any lock held. It names an inode only while that
//! is in use.
//!
//! C header: [`include/linux/fserror.h`](srctree/include/linux/fserror.h)

use super::{FileSystem, Inode, SuperBlock};
use crate::compat::code::ESHUTDOWN;
use core::{ops::Range, ptr};
use kernel::prelude::*;
use kernel_bindings as bindings;

/// How data of a file came to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It was read from the medium.
    Read,
    /// It was written to the medium.
    Write,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    DirectRead,
    DirectWrite,
    DataLost,
    Metadata,
}

impl Type {
    fn to_raw(self) -> bindings::fserror_type {
        match self {
            Self::DirectRead => bindings::fserror_type_FSERR_DIRECTIO_READ,
            Self::DirectWrite => bindings::fserror_type_FSERR_DIRECTIO_WRITE,
            Self::DataLost => bindings::fserror_type_FSERR_DATA_LOST,
            Self::Metadata => bindings::fserror_type_FSERR_METADATA,
        }
    }
}

fn report<T: FileSystem>(
    sb: &SuperBlock<T>,
    inode: Option<&Inode<T>>,
    kind: Type,
    range: &Range<u64>,
    error: Error,
) {
    let inode = inode.map_or(ptr::null_mut(), Inode::as_ptr);
    // SAFETY: The super block is valid, and the inode, if there is one, its own; errors are negative.
    unsafe {
        bindings::fserror_report(
            sb.as_ptr(),
            inode,
            kind.to_raw(),
            range.start as i64,
            range.end.saturating_sub(range.start),
            error.to_errno(),
            bindings::GFP_NOFS,
        );
    }
}

/// Metadata of an inode, or the inode itself, is not what it must be.
pub fn report_file_metadata<T: FileSystem>(inode: &Inode<T>, error: Error) {
    report(
        inode.super_block(),
        Some(inode),
        Type::Metadata,
        &(0..0),
        error,
    );
}

/// Metadata of a volume is not what it must be.
pub fn report_metadata<T: FileSystem>(sb: &SuperBlock<T>, error: Error) {
    report(sb, None, Type::Metadata, &(0..0), error);
}

/// These bytes of a file could not be read or written.
pub fn report_io<T: FileSystem>(
    inode: &Inode<T>,
    access: Access,
    range: &Range<u64>,
    error: Error,
) {
    let kind = match access {
        Access::Read => Type::DirectRead,
        Access::Write => Type::DirectWrite,
    };
    report(inode.super_block(), Some(inode), kind, range, error);
}

/// These bytes of a volume, which are a file's, are lost.
pub fn report_data_lost<T: FileSystem>(sb: &SuperBlock<T>, range: &Range<u64>) {
    report(sb, None, Type::DataLost, range, EIO);
}

/// A volume has been shut down.
pub fn report_shutdown<T: FileSystem>(sb: &SuperBlock<T>) {
    report(sb, None, Type::Metadata, &(0..0), ESHUTDOWN);
}
