// SPDX-License-Identifier: GPL-2.0

//! What a file system says of where files are: lseek(2), fiemap, `FIBMAP`.
//!
//! C header: [`include/linux/iomap.h`](srctree/include/linux/iomap.h)

use super::{Operations, Table};
use crate::fs::{
    file::{offset_or_error, Whence},
    inode::Inode,
};
use kernel::{error::to_result, prelude::*, types::Opaque};
use kernel_bindings as bindings;

/// Looks for data or for a hole in a file, from `offset` on (`SEEK_DATA`, `SEEK_HOLE`). [`None`] if `whence`
/// is something else.
///
/// # Errors
///
/// `ENXIO` behind the end of the file, or if there is no more data; those of [`Operations::begin`].
pub fn seek<O: Operations>(
    inode: &Inode<O::FileSystem>,
    offset: i64,
    whence: Whence,
) -> Option<Result<i64>> {
    let seek = match whence {
        Whence::DATA => bindings::iomap_seek_data,
        Whence::HOLE => bindings::iomap_seek_hole,
        _ => return None,
    };
    // SAFETY: The inode is valid and one of the operations' file system.
    Some(offset_or_error(unsafe {
        seek(inode.as_ptr(), offset, Table::<O>::OPS)
    }))
}

/// A list of extents that somebody has asked for.
#[repr(transparent)]
pub struct FiemapInfo(Opaque<bindings::fiemap_extent_info>);

impl FiemapInfo {
    /// # Safety
    ///
    /// `info` must be valid and this task's own for `'a`.
    pub(crate) unsafe fn from_raw<'a>(info: *mut bindings::fiemap_extent_info) -> &'a mut Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &mut *info.cast() }
    }

    /// Whether the extents of the attributes are asked for, not those of the file (`FIEMAP_FLAG_XATTR`). The caller
    /// [`fill`](Self::fill)s in those, then: it is not asked for a second time.
    pub fn take_attributes(&mut self) -> bool {
        // SAFETY: By the promise of `from_raw` it is valid, and this task's own.
        let flags = unsafe { &mut (*self.0.get()).fi_flags };
        let is_asked = *flags & bindings::FIEMAP_FLAG_XATTR != 0;
        *flags &= !bindings::FIEMAP_FLAG_XATTR;
        is_asked
    }

    /// Enters the extents of the `len` bytes of a file from `start` on. May sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `EINVAL`, `EFBIG`, `EBADR`; those of [`Operations::begin`].
    pub fn fill<O: Operations>(
        &mut self,
        inode: &Inode<O::FileSystem>,
        start: u64,
        len: u64,
    ) -> Result {
        // SAFETY: All are valid; the inode is one of the operations' file system.
        to_result(unsafe {
            bindings::iomap_fiemap(inode.as_ptr(), self.0.get(), start, len, Table::<O>::OPS)
        })
    }
}
