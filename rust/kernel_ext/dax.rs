// SPDX-License-Identifier: GPL-2.0

//! Devices whose memory file systems and processes access directly.
//!
//! # Examples
//!
//! A device without memory:
//!
//! ```
//! use kernel::{iov::IovIterSource, sync::Arc};
//! use kernel_ext::{
//!     dax::{AccessError, AccessMode, Device, Operations},
//!     pmem::Window,
//! };
//!
//! struct Nothing;
//!
//! impl Operations for Nothing {
//!     fn direct_access(
//!         &self,
//!         _pgoff: u64,
//!         _nr_pages: usize,
//!         _mode: AccessMode,
//!     ) -> Result<Window<'_>, AccessError> {
//!         Err(AccessError::OutOfRange)
//!     }
//!
//!     fn zero_page_range(&self, _pgoff: u64, _nr_pages: usize) -> Result {
//!         Err(EIO)
//!     }
//!
//!     fn recovery_write(
//!         &self,
//!         _pgoff: u64,
//!         _offset: usize,
//!         _bytes: usize,
//!         _iter: &mut IovIterSource<'_>,
//!     ) -> usize {
//!         0
//!     }
//! }
//!
//! let device = Device::new(Arc::new(Nothing, GFP_KERNEL)?)?;
//! assert!(device.write_cache());
//! // Whoever has the handle keeps the structure, not the device.
//! let handle = device.handle();
//! drop(device);
//! drop(handle);
//! # Ok::<(), Error>(())
//! ```
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

use crate::{memremap::FailureFlags, pmem::Window, PAGE_SIZE};
use core::ptr::NonNull;
use kernel::{
    error::{from_err_ptr, to_result},
    ffi::{c_long, c_ulong, c_void},
    iov::IovIterSource,
    prelude::*,
    sync::Arc,
};
use kernel_bindings as bindings;

/// Why memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// To be read, written or mapped: there must be no poison in it.
    Access,
    /// To be overwritten by [`Operations::recovery_write`], because there is poison in it.
    RecoveryWrite,
}

/// Why memory cannot be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// There is poison in the way (`EHWPOISON`): a reader gets `EIO`, a writer comes again with
    /// [`AccessMode::RecoveryWrite`], a process that maps it gets `SIGBUS`.
    Poison,
    /// The page is not in the device (`ERANGE`).
    OutOfRange,
}

impl AccessError {
    fn to_errno(self) -> c_long {
        match self {
            AccessError::Poison => -(kernel::bindings::EHWPOISON as c_long),
            AccessError::OutOfRange => ERANGE.to_errno() as c_long,
        }
    }
}

/// What a DAX device does. The implementing type is what the device works on.
///
/// The operations run under the DAX core's SRCU read lock, from any thread, and may sleep. None
/// runs once [`Device::kill`] has returned.
pub trait Operations: Send + Sync + Sized + 'static {
    /// Returns the memory from page `pgoff` of the device on, for a caller that can use `nr_pages`
    /// pages.
    ///
    /// The window starts at that page and holds at least one page, all of it in the device; it may
    /// be shorter or longer than asked for.
    fn direct_access(
        &self,
        pgoff: u64,
        nr_pages: usize,
        mode: AccessMode,
    ) -> Result<Window<'_>, AccessError>;

    /// Writes zeroes to pages, durably, and clears their poison.
    ///
    /// # Errors
    ///
    /// `EIO` if not all of them are in the device.
    fn zero_page_range(&self, pgoff: u64, nr_pages: usize) -> Result;

    /// Writes `bytes` bytes from `iter` over poison, from byte `offset` of page `pgoff` on, and
    /// clears it; returns the number of bytes written, 0 if it cannot.
    fn recovery_write(
        &self,
        pgoff: u64,
        offset: usize,
        bytes: usize,
        iter: &mut IovIterSource<'_>,
    ) -> usize;
}

/// A reference to a DAX device that need not be alive.
///
/// # Invariants
///
/// `dax` points to a valid `struct dax_device` with a reference that is ours.
pub struct Handle {
    dax: NonNull<bindings::dax_device>,
}

// SAFETY: The DAX core locks; the reference count is atomic.
unsafe impl Send for Handle {}

// SAFETY: As above.
unsafe impl Sync for Handle {}

impl Handle {
    /// Tells the holder of the device, a file system or a device on top, that `len` bytes from `offset`
    /// on have failed. May sleep.
    ///
    /// # Errors
    ///
    /// What the holder says; `EOPNOTSUPP` if there is none, `ENXIO` if the device is dead.
    pub fn notify_failure(&self, offset: u64, len: u64, flags: FailureFlags) -> Result {
        // SAFETY: By the type invariant the device is valid.
        to_result(unsafe {
            bindings::dax_holder_notify_failure(self.dax.as_ptr(), offset, len, flags.as_raw())
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to give back.
        unsafe { bindings::put_dax(self.dax.as_ptr()) };
    }
}

/// A DAX device that is alive until it is killed or dropped.
///
/// # Invariants
///
/// `dax` points to a valid `struct dax_device` from `alloc_dax()` with a reference that is ours;
/// its private pointer is that of `_data`.
pub struct Device<T> {
    dax: NonNull<bindings::dax_device>,
    // Freed after `Device::drop`, when no operation runs any more.
    _data: Arc<T>,
}

// SAFETY: The DAX core locks; the data is shared between threads by an `Arc` anyway.
unsafe impl<T: Send + Sync> Send for Device<T> {}

// SAFETY: All that `&Device` allows may be called from any thread at any time.
unsafe impl<T: Send + Sync> Sync for Device<T> {}

impl<T: Operations> Device<T> {
    const OPS: bindings::dax_operations = bindings::dax_operations {
        direct_access: Some(Self::direct_access),
        zero_page_range: Some(Self::zero_page_range),
        recovery_write: Some(Self::recovery_write),
    };

    /// Creates a device for memory that the CPU stores to.
    ///
    /// Copies to it go around the CPU's caches (`set_dax_nocache`: fsync flushes what was stored
    /// through a mapping, but nothing that write(2) copied), copies from it survive poison
    /// (`set_dax_nomc`), and a store is in the medium once flushed, so that `MAP_SYNC` works
    /// (`set_dax_synchronous`). The core flushes on fsync.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` where the data caches have aliases; `ENOMEM`.
    pub fn new(data: Arc<T>) -> Result<Self> {
        // SAFETY: The operations are static and take a pointer to a `T`, which lives as long as the
        // device is alive because `_data` does.
        let dax = from_err_ptr(unsafe {
            bindings::alloc_dax((&raw const *data).cast_mut().cast::<c_void>(), &Self::OPS)
        })?;
        let dax = NonNull::new(dax).ok_or(ENOMEM)?;

        // SAFETY: The device is valid, and nobody else has seen it.
        unsafe {
            bindings::set_dax_nocache(dax.as_ptr());
            bindings::set_dax_nomc(dax.as_ptr());
            bindings::set_dax_synchronous(dax.as_ptr());
            bindings::dax_write_cache(dax.as_ptr(), true);
        }
        // INVARIANT: From `alloc_dax()`, with its first reference.
        Ok(Self { dax, _data: data })
    }

    /// # Safety
    ///
    /// For the DAX core, which passes a device with these operations, under its SRCU read lock, and
    /// pointers that are null or valid for writes.
    unsafe extern "C" fn direct_access(
        dax: *mut bindings::dax_device,
        pgoff: c_ulong,
        nr_pages: c_long,
        mode: bindings::dax_access_mode,
        kaddr: *mut *mut c_void,
        pfn: *mut c_ulong,
    ) -> c_long {
        // SAFETY: As the caller promises.
        let Some(data) = (unsafe { Self::data(dax) }) else {
            return ENXIO.to_errno() as c_long;
        };
        let mode = if mode == bindings::dax_access_mode_DAX_RECOVERY_WRITE {
            AccessMode::RecoveryWrite
        } else {
            AccessMode::Access
        };
        // The core has refused a negative count.
        let window = match data.direct_access(pgoff as u64, nr_pages.unsigned_abs(), mode) {
            Ok(window) => window,
            Err(error) => return error.to_errno(),
        };

        if !kaddr.is_null() {
            // SAFETY: As the caller promises.
            unsafe { *kaddr = window.as_ptr().cast() };
        }
        if !pfn.is_null() {
            // SAFETY: As the caller promises. A window lies in the kernel's direct map.
            unsafe { *pfn = bindings::virt_to_phys(window.as_ptr().cast()) as c_ulong / PAGE_SIZE };
        }
        (window.len() / PAGE_SIZE) as c_long
    }

    /// # Safety
    ///
    /// For the DAX core, which passes a device with these operations, under its SRCU read lock.
    unsafe extern "C" fn zero_page_range(
        dax: *mut bindings::dax_device,
        pgoff: c_ulong,
        nr_pages: usize,
    ) -> c_int {
        // SAFETY: As the caller promises.
        let Some(data) = (unsafe { Self::data(dax) }) else {
            return ENXIO.to_errno();
        };
        match data.zero_page_range(pgoff as u64, nr_pages) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// For the DAX core, which passes a device with these operations, under its SRCU read lock, and
    /// the iterator of a write, which is valid and used by nobody else meanwhile.
    unsafe extern "C" fn recovery_write(
        dax: *mut bindings::dax_device,
        pgoff: c_ulong,
        addr: *mut c_void,
        bytes: usize,
        iter: *mut bindings::iov_iter,
    ) -> usize {
        // SAFETY: As the caller promises.
        let Some(data) = (unsafe { Self::data(dax) }) else {
            return 0;
        };
        // SAFETY: As the caller promises. Both declarations of `struct iov_iter` are bindgen's of the same C type.
        let iter = unsafe { IovIterSource::from_raw(iter.cast()) };
        // `addr` is what `direct_access` gave for the page, plus the offset in it.
        data.recovery_write(pgoff as u64, addr.addr() % PAGE_SIZE, bytes, iter)
    }

    /// Returns what the device works on; `None` if it was killed.
    ///
    /// # Safety
    ///
    /// `dax` must be a valid DAX device with the operations of this type, and the caller under the
    /// DAX core's SRCU read lock for `'a`.
    unsafe fn data<'a>(dax: *mut bindings::dax_device) -> Option<&'a T> {
        // SAFETY: As the caller promises. The data outlives the read lock: `kill` waits for readers
        // before the device, and with it the data, can go.
        unsafe { bindings::dax_get_private(dax).cast::<T>().as_ref() }
    }
}

impl<T> Device<T> {
    pub(crate) fn as_raw(&self) -> *mut bindings::dax_device {
        self.dax.as_ptr()
    }

    /// Whether fsync writes the CPU's caches back to the medium.
    pub fn write_cache(&self) -> bool {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::dax_write_cache_enabled(self.as_raw()) }
    }

    /// Sets whether fsync writes the CPU's caches back to the medium: it need not where they are in
    /// the power-fail domain themselves.
    pub fn set_write_cache(&self, on: bool) {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::dax_write_cache(self.as_raw(), on) };
    }

    /// Returns a reference that may outlive the device.
    pub fn handle(&self) -> Handle {
        // SAFETY: By the type invariant the device is valid, and so is its inode, whose reference
        // count is the device's.
        unsafe { bindings::ihold(bindings::dax_inode(self.as_raw())) };
        // INVARIANT: The reference was taken above.
        Handle { dax: self.dax }
    }

    /// Ends the device: tells its holder, lets no new operation begin and waits for those that
    /// run. May sleep; may be called more than once.
    pub fn kill(&self) {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::kill_dax(self.as_raw()) };
    }
}

impl<T> Drop for Device<T> {
    fn drop(&mut self) {
        self.kill();
        // SAFETY: By the type invariant there is a reference to give back. File systems may have
        // more, but the device is dead to them.
        unsafe { bindings::put_dax(self.as_raw()) };
    }
}
