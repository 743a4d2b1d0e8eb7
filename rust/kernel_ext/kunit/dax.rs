// SPDX-License-Identifier: GPL-2.0

//! What file systems ask of a DAX device.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

use crate::{
    dax::{AccessMode, Device},
    PAGE_SIZE,
};
use core::ptr::null_mut;
use kernel::{error::to_result, ffi::c_void, prelude::*};
use kernel_bindings as bindings;

/// What `dax_direct_access()` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// How many pages.
    pub pages: usize,
    /// The frame of the first one.
    pub pfn: usize,
    /// Its address in the kernel.
    kaddr: *mut c_void,
}

impl Access {
    /// Whether the address is that of the frame in the kernel's direct map.
    pub fn addresses_agree(&self) -> bool {
        // SAFETY: The address is one of the direct map, which the device promises.
        unsafe { bindings::virt_to_phys(self.kaddr) as usize == self.pfn * PAGE_SIZE }
    }
}

/// Keeps a DAX device alive.
struct ReadLock(c_int);

impl ReadLock {
    fn take() -> Self {
        // SAFETY: May be called from any context that can sleep.
        Self(unsafe { bindings::dax_read_lock() })
    }
}

impl Drop for ReadLock {
    fn drop(&mut self) {
        // SAFETY: What `dax_read_lock()` returned.
        unsafe { bindings::dax_read_unlock(self.0) };
    }
}

/// Asks for memory, as a file system does: `dax_direct_access()`. May sleep.
///
/// # Errors
///
/// What the device or the DAX core says.
pub fn direct_access<T>(
    dax: &Device<T>,
    pgoff: u64,
    nr_pages: isize,
    mode: AccessMode,
) -> Result<Access> {
    let mut access = Access {
        pages: 0,
        pfn: 0,
        kaddr: null_mut(),
    };
    let mode = match mode {
        AccessMode::Access => bindings::dax_access_mode_DAX_ACCESS,
        AccessMode::RecoveryWrite => bindings::dax_access_mode_DAX_RECOVERY_WRITE,
    };
    let _lock = ReadLock::take();
    // SAFETY: The device is valid, the lock is held, and both places are valid for writes.
    let pages = unsafe {
        bindings::dax_direct_access(
            dax.as_raw(),
            pgoff as usize,
            nr_pages,
            mode,
            &mut access.kaddr,
            &mut access.pfn,
        )
    };
    access.pages = usize::try_from(pages).map_err(|_| Error::from_errno(pages as c_int))?;
    Ok(access)
}

/// Writes zeroes to pages: `dax_zero_page_range()`. May sleep.
///
/// # Errors
///
/// What the device or the DAX core says.
pub fn zero_page_range<T>(dax: &Device<T>, pgoff: u64, nr_pages: usize) -> Result {
    let _lock = ReadLock::take();
    // SAFETY: The device is valid and the lock held.
    to_result(unsafe { bindings::dax_zero_page_range(dax.as_raw(), pgoff as usize, nr_pages) })
}

/// Writes `data` from byte `offset` of page `pgoff` on, over poison, as `dax_iomap_iter()` does: asks
/// for the memory with [`AccessMode::RecoveryWrite`], and writes as much of `data` as that covers with
/// `dax_recovery_write()`. Returns the number of bytes written. May sleep.
///
/// # Errors
///
/// What the device says to the first question.
pub fn recovery_write<T>(dax: &Device<T>, pgoff: u64, offset: usize, data: &[u8]) -> Result<usize> {
    let wanted = (offset + data.len()).div_ceil(PAGE_SIZE);
    let access = direct_access(dax, pgoff, wanted as isize, AccessMode::RecoveryWrite)?;
    let len = data
        .len()
        .min((access.pages * PAGE_SIZE).saturating_sub(offset));
    let mut source = kernel::bindings::kvec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: len,
    };
    let mut iter = kernel::bindings::iov_iter::default();
    let _lock = ReadLock::take();
    // SAFETY: The source outlives the iterator, which only reads it; the device is valid, the lock
    // held, and the address is what the device gave for the page, plus an offset in it.
    Ok(unsafe {
        kernel::bindings::iov_iter_kvec(
            &mut iter,
            kernel::bindings::ITER_SOURCE,
            &raw mut source,
            1,
            len,
        );
        bindings::dax_recovery_write(
            dax.as_raw(),
            pgoff as usize,
            access.kaddr.wrapping_byte_add(offset),
            len,
            (&raw mut iter).cast(),
        )
    })
}
