// SPDX-License-Identifier: GPL-2.0

//! The memory of a file system's device.
//!
//! C headers: [`include/linux/dax.h`](srctree/include/linux/dax.h),
//! [`include/linux/memremap.h`](srctree/include/linux/memremap.h)

pub mod holder;
pub mod io;
pub mod layout;

use crate::{block::block_device::BlockDevice, compat::code::EOPNOTSUPP, pmem::Window, PAGE_SIZE};
use core::ptr::{self, NonNull};
use kernel::{
    error::to_result,
    ffi::{c_long, c_ulong},
    prelude::*,
    sync::{Arc, ArcBorrow},
};
use kernel_bindings as bindings;

/// The DAX device of a file system's block device.
///
/// # Invariants
///
/// `dax` is valid, with a reference that is ours; the block device's first byte is the DAX device's
/// byte `start`, a multiple of the page size.
pub struct DaxDevice {
    dax: NonNull<bindings::dax_device>,
    start: u64,
}

// SAFETY: The DAX core locks; the reference count is atomic.
unsafe impl Send for DaxDevice {}
// SAFETY: As above.
unsafe impl Sync for DaxDevice {}

impl DaxDevice {
    /// The DAX device of a block device; `None` if it has none, it is not alive, or the block device is a
    /// partition that does not begin and end with a page.
    ///
    /// Who is to be told of failures of the medium becomes its [holder].
    pub fn of(device: &BlockDevice) -> Option<Self> {
        let mut start = 0;
        // SAFETY: The block device is open.
        let dax = unsafe {
            bindings::fs_dax_get_by_bdev(device.as_ptr(), &mut start, ptr::null_mut(), ptr::null())
        };
        // INVARIANT: The call takes a reference, and judges the start.
        NonNull::new(dax).map(|dax| Self { dax, start })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::dax_device {
        self.dax.as_ptr()
    }

    /// Where the block device begins in the DAX device, in bytes.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Whether a store that has been flushed and fenced is in the medium: not where a host's page
    /// cache is in between.
    pub fn is_synchronous(&self) -> bool {
        // SAFETY: By the type invariant it is valid.
        unsafe { bindings::dax_synchronous(self.as_ptr()) }
    }

    /// Maps the first `len` bytes of the block device, which are adjacent in memory.
    ///
    /// The memory stays as long as the mapping: the device's driver waits for that. Where the device may go
    /// at any time the mapping belongs into a [`Revocable`](crate::sync::Revocable).
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the memory is not adjacent or has no struct pages; `ENXIO` if the device is not
    /// alive; `ERANGE` if it is not so long; `EINVAL` if `len` is 0 or not one of whole pages.
    pub fn map(self: Arc<Self>, len: u64) -> Result<Mapping> {
        if len == 0 || len % PAGE_SIZE as u64 != 0 {
            return Err(EINVAL);
        }
        let pages = len / PAGE_SIZE as u64;
        let _lock = ReadLock::new();
        let first = self.page(0, pages, bindings::dax_access_mode_DAX_RECOVERY_WRITE)?;
        // SAFETY: Any number may be asked for.
        let reference = unsafe { bindings::get_dev_pagemap(first.pfn) };
        // INVARIANT: The reference was taken; the driver unmaps nothing while there is one (`memunmap_pages`
        // waits for the last). That all pages are among those is judged before it is used.
        let mapping = Mapping {
            addr: first.addr,
            pfn: first.pfn,
            len,
            pages: NonNull::new(reference).ok_or(EOPNOTSUPP)?,
            dax: self,
        };
        // At poison the device gives less at a time.
        let mut at = first.pages;
        while at < pages {
            let next =
                mapping
                    .dax
                    .page(at, pages - at, bindings::dax_access_mode_DAX_RECOVERY_WRITE)?;
            let offset = usize::try_from(at)? * PAGE_SIZE;
            if next.addr != first.addr.wrapping_add(offset) {
                return Err(EOPNOTSUPP);
            }
            at += next.pages;
        }
        // SAFETY: Any number may be asked for; the reference is given back.
        let is_one = unsafe {
            let last = bindings::get_dev_pagemap(first.pfn + (pages - 1) as c_ulong);
            if !last.is_null() {
                bindings::put_dev_pagemap(last);
            }
            last == reference
        };
        if is_one {
            Ok(mapping)
        } else {
            Err(EOPNOTSUPP)
        }
    }

    /// What the device has from a page of the block device on. The caller has the read lock.
    fn page(&self, page: u64, pages: u64, mode: bindings::dax_access_mode) -> Result<Pages> {
        let mut addr = ptr::null_mut();
        let mut pfn = 0;
        let first = self.start / PAGE_SIZE as u64 + page;
        // SAFETY: By the type invariant the device is valid; the pointers are valid for writes.
        let found = unsafe {
            bindings::dax_direct_access(
                self.as_ptr(),
                first as c_ulong,
                pages as c_long,
                mode,
                &mut addr,
                &mut pfn,
            )
        };
        match found {
            ..0 => Err(Error::from_errno(found as c_int)),
            0 => Err(ERANGE),
            _ => Ok(Pages {
                addr: addr.cast(),
                pfn,
                pages: found as u64,
            }),
        }
    }
}

impl Drop for DaxDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to give back, and no holder.
        unsafe { bindings::fs_put_dax(self.as_ptr(), ptr::null_mut()) };
    }
}

/// Adjacent pages of a device.
struct Pages {
    addr: *mut u8,
    pfn: c_ulong,
    pages: u64,
}

/// The DAX core's SRCU read lock: a device does not die meanwhile.
struct ReadLock(c_int);

impl ReadLock {
    fn new() -> Self {
        // SAFETY: May be called in any context that may sleep.
        Self(unsafe { bindings::dax_read_lock() })
    }
}

impl Drop for ReadLock {
    fn drop(&mut self) {
        // SAFETY: Locked by this task.
        unsafe { bindings::dax_read_unlock(self.0) };
    }
}

/// The memory of a file system's device.
///
/// Processes map the same memory and store to it at any time: there is no reference to it, only
/// copies in and out, and each is within the memory.
///
/// # Invariants
///
/// - `addr` is the kernel's address of `len` bytes of physical memory, whole pages from the start of page `pfn`.
/// - The reference `pages` is held until the mapping is dropped, and with it that memory stays mapped, with
///   its struct pages.
pub struct Mapping {
    addr: *mut u8,
    pfn: c_ulong,
    len: u64,
    pages: NonNull<bindings::dev_pagemap>,
    dax: Arc<DaxDevice>,
}

// SAFETY: The memory may be copied from and to on any thread.
unsafe impl Send for Mapping {}
// SAFETY: As above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The length in bytes.
    #[inline]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing: never.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of its first physical page.
    pub fn first_pfn(&self) -> u64 {
        self.pfn as u64
    }

    /// The device.
    pub fn dax_device(&self) -> ArcBorrow<'_, DaxDevice> {
        self.dax.as_arc_borrow()
    }

    /// A part of the memory.
    #[inline]
    fn window(&self, offset: u64, len: usize) -> Result<Window<'_>> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.len => {
                // SAFETY: By the type invariants: within the memory, which stays as long as the mapping.
                Ok(unsafe { Window::new(self.addr.wrapping_add(offset as usize), len) })
            }
            _ => Err(ERANGE),
        }
    }

    /// Copies from the memory.
    ///
    /// # Errors
    ///
    /// `EIO` at poison; `ERANGE` if it is not all there.
    #[inline]
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.window(offset, into.len())?.read(into)
    }

    /// Loads a word.
    ///
    /// # Errors
    ///
    /// As [`Mapping::read`]; `EINVAL` if `offset` is not a multiple of 8.
    #[inline]
    pub fn load_u64(&self, offset: u64) -> Result<u64> {
        self.window(offset, size_of::<u64>())?.load_u64()
    }

    /// Fails if the device knows of poison in one of the pages of the range.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EIO`; `ERANGE` if it is not all there.
    pub fn check_poison(&self, offset: u64, len: u64) -> Result {
        let end = offset.checked_add(len).ok_or(ERANGE)?;
        if end > self.len {
            return Err(ERANGE);
        }
        let _lock = ReadLock::new();
        let mut page = offset / PAGE_SIZE as u64;
        let end = end.div_ceil(PAGE_SIZE as u64);
        while page < end {
            let mode = bindings::dax_access_mode_DAX_ACCESS;
            page += self
                .dax
                .page(page, end - page, mode)
                .map_err(|_| EIO)?
                .pages;
        }
        Ok(())
    }

    /// Stores a word through the cache. Does nothing if it is not all there, or not aligned.
    #[inline]
    pub fn store_u64(&self, offset: u64, value: u64) {
        if let Ok(window) = self.window(offset, size_of::<u64>()) {
            window.store_u64(value);
        }
    }

    /// Stores a byte through the cache. Does nothing if it is not there.
    #[inline]
    pub fn store_u8(&self, offset: u64, value: u8) {
        if let Ok(window) = self.window(offset, 1) {
            window.store_u8(value);
        }
    }

    /// Copies to the memory around the cache. Durable after the next [`pmem_wmb`](crate::pmem::pmem_wmb).
    ///
    /// # Errors
    ///
    /// `ERANGE` if it is not all there.
    #[inline]
    pub fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.window(offset, bytes.len())?.write(bytes)
    }

    /// Zeroes around the cache, and clears poison where the range has whole pages. Durable after the
    /// next [`pmem_wmb`](crate::pmem::pmem_wmb).
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EIO` if poison cannot be cleared; `ERANGE` if it is not all there.
    pub fn zero_nt(&self, offset: u64, len: u64) -> Result {
        static ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        const PAGE: u64 = PAGE_SIZE as u64;

        let end = offset.checked_add(len).ok_or(ERANGE)?;
        if end > self.len {
            return Err(ERANGE);
        }
        if offset % PAGE == 0 && len % PAGE == 0 {
            return self.zero_pages(offset / PAGE, len / PAGE);
        }
        let mut at = offset;
        while at < end {
            let piece = (end - at).min(PAGE) as usize;
            self.copy_nt(at, ZEROES.get(..piece).ok_or(EINVAL)?)?;
            at += piece as u64;
        }
        Ok(())
    }

    fn zero_pages(&self, page: u64, pages: u64) -> Result {
        let _lock = ReadLock::new();
        let first = self.dax.start / PAGE_SIZE as u64 + page;
        for page in first..first + pages {
            // The DAX core refuses more than one page at a time.
            // SAFETY: The device is valid.
            to_result(unsafe {
                bindings::dax_zero_page_range(self.dax.as_ptr(), page as c_ulong, 1)
            })
            .map_err(|_| EIO)?;
        }
        Ok(())
    }

    /// Starts to write back the cache lines of a range; durable after the next
    /// [`pmem_wmb`](crate::pmem::pmem_wmb). Does nothing where that is not needed, or if it is not all there.
    #[inline]
    pub fn flush(&self, offset: u64, len: u64) {
        if let Ok(window) = self.window(offset, len as usize) {
            // SAFETY: The device and the window are valid.
            unsafe {
                bindings::dax_flush(self.dax.as_ptr(), window.as_ptr().cast(), window.len());
            }
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is held, and nobody uses the memory any more.
        unsafe { bindings::put_dev_pagemap(self.pages.as_ptr()) };
    }
}
