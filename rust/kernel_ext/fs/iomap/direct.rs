// SPDX-License-Identifier: GPL-2.0

//! Direct I/O: reads and writes of a file that pass the page cache, through the block device.
//!
//! C header: [`include/linux/iomap.h`](srctree/include/linux/iomap.h) (`iomap_dio_rw()`)

use super::{Operations, Table};
use crate::fs::{
    inode::Locked,
    inode_lock::SharedInodeGuard,
    kiocb::{count_or_error, Kiocb},
};
use core::ptr;
use kernel::{
    iov::{IovIterDest, IovIterSource},
    prelude::*,
};
use kernel_bindings as bindings;

/// Reads. It may go on when this returns with `EIOCBQUEUED`. May sleep.
///
/// # Errors
///
/// `EINVAL` if it is not aligned to the device's blocks; `EIO`, `EFAULT`, `EAGAIN`.
pub fn read<O: Operations>(
    kiocb: &mut Kiocb<'_, O::FileSystem>,
    to: &mut IovIterDest<'_>,
    _inode: &SharedInodeGuard<'_, O::FileSystem>,
) -> Result<usize> {
    // SAFETY: The read is one of a file of the operations' file system, and the iterator valid.
    count_or_error(unsafe {
        bindings::iomap_dio_rw(
            kiocb.as_ptr(),
            to.as_raw().cast(),
            Table::<O>::OPS,
            ptr::null(),
            0,
            ptr::null_mut(),
            0,
        )
    })
}

/// Writes, and waits until the device has it. The caller commits the file's size. May sleep.
///
/// # Errors
///
/// As [`read`]; `ENOTBLK` if pages of the range in the page cache cannot be dropped, with nothing written.
pub fn write<O: Operations>(
    kiocb: &mut Kiocb<'_, O::FileSystem>,
    from: &mut IovIterSource<'_>,
    _inode: Locked<'_, O::FileSystem>,
) -> Result<usize> {
    // SAFETY: The write is one to a file of the operations' file system, and the iterator valid.
    count_or_error(unsafe {
        bindings::iomap_dio_rw(
            kiocb.as_ptr(),
            from.as_raw().cast(),
            Table::<O>::OPS,
            ptr::null(),
            bindings::IOMAP_DIO_FORCE_WAIT,
            ptr::null_mut(),
            0,
        )
    })
}
