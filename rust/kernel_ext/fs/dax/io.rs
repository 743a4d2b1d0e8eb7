// SPDX-License-Identifier: GPL-2.0

//! Reads, writes and faults of files whose pages are those of the medium.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

use crate::fs::{
    inode::Locked,
    inode_lock::SharedInodeGuard,
    invalidate_lock::SharedInvalidateGuard,
    iomap::{Operations, Table},
    kiocb::{count_or_error, Kiocb},
    vm::{FaultResult, VmFault},
};
use core::ptr;
use kernel::{
    iov::{IovIterDest, IovIterSource},
    prelude::*,
};
use kernel_bindings as bindings;

/// Copies from the medium. May sleep, and may run the fault handler of any mapping.
///
/// # Errors
///
/// `EIO` at poison; `EFAULT`; those of [`Operations::begin`]. If nothing was read.
pub fn read<O: Operations>(
    kiocb: &mut Kiocb<'_, O::FileSystem>,
    to: &mut IovIterDest<'_>,
    _inode: &SharedInodeGuard<'_, O::FileSystem>,
) -> Result<usize> {
    // SAFETY: The read is one of a file of the operations' file system, whose inode is locked; the iterator
    // is valid.
    count_or_error(unsafe {
        bindings::dax_iomap_rw(kiocb.as_ptr(), to.as_raw().cast(), Table::<O>::OPS)
    })
}

/// Copies to the medium, around the CPU's caches, and clears poison of pages that are written as a whole. It is
/// durable after the next [`pmem_wmb`](crate::pmem::pmem_wmb). May sleep, and may run the fault
/// handler of any mapping, those of the same file among them.
///
/// # Errors
///
/// `EIO`; `EFAULT`; those of [`Operations::begin`]. If nothing was written.
pub fn write<O: Operations>(
    kiocb: &mut Kiocb<'_, O::FileSystem>,
    from: &mut IovIterSource<'_>,
    _inode: Locked<'_, O::FileSystem>,
) -> Result<usize> {
    // SAFETY: The write is one to a file of the operations' file system, whose inode is locked exclusively; the
    // iterator is valid.
    count_or_error(unsafe {
        bindings::dax_iomap_rw(kiocb.as_ptr(), from.as_raw().cast(), Table::<O>::OPS)
    })
}

/// Maps a page of the medium, of `1 << order` small pages: a page of zeros where the file has none and
/// nothing is stored. May sleep.
///
/// Behind the end of the file it is a SIGBUS, so it is for a page that is poisoned.
pub fn fault<O: Operations>(
    fault: &mut VmFault<'_, O::FileSystem>,
    order: u32,
    _pages: &SharedInvalidateGuard<'_, O::FileSystem>,
) -> FaultResult {
    let mut pfn = 0;
    // SAFETY: The fault is one in a file of the operations' file system, whose pages are locked; `pfn` is valid
    // for writes.
    let mut result = FaultResult(unsafe {
        bindings::dax_iomap_fault(
            fault.as_ptr(),
            order,
            &mut pfn,
            ptr::null_mut(),
            Table::<O>::OPS,
        )
    });
    if result.has(bindings::vm_fault_reason_VM_FAULT_NEEDDSYNC) {
        // SAFETY: As above; the page is that of the call before.
        let finished = unsafe { bindings::dax_finish_sync_fault(fault.as_ptr(), order, pfn) };
        result = FaultResult(finished);
    }
    result
}
