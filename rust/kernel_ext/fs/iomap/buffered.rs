// SPDX-License-Identifier: GPL-2.0

//! Reads and writes of a file through the page cache, and what takes pages out of it.
//!
//! C headers: [`include/linux/iomap.h`](srctree/include/linux/iomap.h),
//! [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h)

use super::{Operations, Table};
use crate::fs::{
    file_system::FileSystem,
    inode::{Inode, Locked},
    invalidate_lock::{InvalidateGuard, SharedInvalidateGuard},
    kiocb::{count_or_error, Kiocb},
    vm::{FaultResult, VmFault},
};
use core::{ops::Range, ptr};
use kernel::{
    error::to_result,
    iov::{IovIterDest, IovIterSource},
    prelude::*,
};
use kernel_bindings as bindings;

/// Reads through the page cache. May sleep.
///
/// # Errors
///
/// `EIO`, `EFAULT`, `EAGAIN`.
pub fn read<T: FileSystem>(kiocb: &mut Kiocb<'_, T>, to: &mut IovIterDest<'_>) -> Result<usize> {
    // SAFETY: The read is one of an open file, and the iterator valid.
    count_or_error(unsafe { bindings::generic_file_read_iter(kiocb.as_ptr(), to.as_raw().cast()) })
}

/// Writes to the page cache. The inode's size moves with what is written. May sleep.
///
/// # Errors
///
/// Those of [`Operations::begin`]; `EFAULT`, `ENOMEM`, `EAGAIN`, `EIO`.
pub fn write<O: Operations>(
    kiocb: &mut Kiocb<'_, O::FileSystem>,
    from: &mut IovIterSource<'_>,
    _inode: Locked<'_, O::FileSystem>,
) -> Result<usize> {
    // SAFETY: The write is one to a file of the operations' file system, whose inode is locked; the iterator
    // is valid.
    count_or_error(unsafe {
        bindings::iomap_file_buffered_write(
            kiocb.as_ptr(),
            from.as_raw().cast(),
            Table::<O>::OPS,
            ptr::null(),
            ptr::null_mut(),
        )
    })
}

/// Zeroes part of a file in the page cache, where it does not read as zeros. May sleep.
///
/// # Errors
///
/// Those of [`Operations::begin`]; `ENOMEM`, `EIO`.
pub fn zero_range<O: Operations>(inode: Locked<'_, O::FileSystem>, range: &Range<u64>) -> Result {
    let len = range.end.saturating_sub(range.start);
    if len == 0 {
        return Ok(());
    }
    // SAFETY: The inode is one of the operations' file system, and locked.
    to_result(unsafe {
        bindings::iomap_zero_range(
            inode.as_ptr(),
            range.start as i64,
            len as i64,
            ptr::null_mut(),
            Table::<O>::OPS,
            ptr::null(),
            ptr::null_mut(),
        )
    })
}

/// A process stores to a page of the page cache for the first time. May sleep.
pub fn page_mkwrite<O: Operations>(
    fault: &mut VmFault<'_, O::FileSystem>,
    _pages: &SharedInvalidateGuard<'_, O::FileSystem>,
) -> FaultResult {
    // SAFETY: The fault is one in a file of the operations' file system.
    FaultResult(unsafe {
        bindings::iomap_page_mkwrite(fault.as_ptr(), Table::<O>::OPS, ptr::null_mut())
    })
}

impl<T: FileSystem> Inode<T> {
    /// Writes the dirty pages of a range of bytes, and waits for them. May sleep.
    ///
    /// # Errors
    ///
    /// `EIO`, `ENOSPC`.
    pub fn write_and_wait(&self, range: &Range<u64>) -> Result {
        if range.is_empty() {
            return Ok(());
        }
        let last = range.end.saturating_sub(1).min(i64::MAX as u64) as i64;
        // SAFETY: The mapping of a valid inode is valid.
        to_result(unsafe {
            bindings::filemap_write_and_wait_range(self.mapping(), range.start as i64, last)
        })
    }

    /// Waits for direct I/O that goes on without the inode's lock. May sleep.
    pub fn wait_for_direct_io(&self, _inode: Locked<'_, T>) {
        // SAFETY: The inode is valid, and locked, so that none begins.
        unsafe { bindings::inode_dio_wait(self.as_ptr()) };
    }
}

impl<T: FileSystem> InvalidateGuard<'_, T> {
    /// Sets the inode's size, and takes what is behind it out of the page cache and of all mappings. May
    /// sleep.
    pub fn truncate_set_size(&self, _inode: Locked<'_, T>, size: u64) {
        // SAFETY: The inode is locked and its pages too, as the function wants it.
        unsafe { bindings::truncate_setsize(self.as_ptr(), size as i64) };
    }

    /// Takes a range of bytes out of the page cache and of all mappings; of pages that are in it in part the
    /// bytes are zeroed. May sleep.
    pub fn truncate_range(&self, range: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        let last = range.end.saturating_sub(1).min(i64::MAX as u64) as i64;
        // SAFETY: The inode is valid and its pages are locked.
        unsafe { bindings::truncate_pagecache_range(self.as_ptr(), range.start as i64, last) };
    }
}
