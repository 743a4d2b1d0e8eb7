// SPDX-License-Identifier: GPL-2.0

//! DAX devices, as their drivers make them.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

use super::{AccessError, AccessMode, Handle};
use crate::{pmem::Window, PAGE_SIZE};
use core::ptr::NonNull;
use kernel::{
    bits::bit_u32,
    error::{from_err_ptr, from_result, VTABLE_DEFAULT_ERROR},
    ffi::{c_long, c_ulong, c_void},
    impl_flags,
    iov::IovIterSource,
    prelude::*,
    sync::Arc,
};
use kernel_bindings as bindings;

impl_flags!(
    /// What a DAX device is created with.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Properties(u32);

    /// One of them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Property {
        /// Copies to the memory go around the CPU's caches: fsync flushes what was stored through a
        /// mapping, but nothing that write(2) has copied (`set_dax_nocache()`).
        NoCache = bit_u32(0),

        /// Copies from the memory survive poison (`set_dax_nomc()`).
        NoMc = bit_u32(1),

        /// A store is in the medium once it is flushed, so that `MAP_SYNC` works
        /// (`set_dax_synchronous()`).
        Synchronous = bit_u32(2),

        /// fsync writes the CPU's caches back, until [`Device::set_write_cache`] says otherwise.
        WriteCache = bit_u32(3),
    }
);

/// What a DAX device does. The implementing type is what the device works on.
///
/// The operations run under the DAX core's SRCU read lock, from any thread, and may sleep. None
/// runs once [`Device::kill`] has returned.
#[vtable]
pub trait Operations: Send + Sync + Sized + 'static {
    /// The module that they are in.
    type OwnerModule: crate::compat::ModuleMetadata;

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
    ///
    /// Without this operation nothing can be written over poison.
    fn recovery_write(
        &self,
        _pgoff: u64,
        _offset: usize,
        _bytes: usize,
        _iter: &mut IovIterSource<'_>,
    ) -> usize {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
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
        recovery_write: optional!(T::HAS_RECOVERY_WRITE, recovery_write),
    };

    /// Creates a device for memory that the CPU stores to. May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` where the data caches have aliases; `ENOMEM`.
    pub fn new(data: Arc<T>, properties: Properties) -> Result<Self> {
        // SAFETY: The operations are static and take a pointer to a `T`, which lives as long as the
        // device is alive because `_data` does.
        let dax = from_err_ptr(unsafe {
            bindings::alloc_dax(
                (&raw const *data).cast_mut().cast::<c_void>(),
                const { &Self::OPS },
            )
        })?;
        let dax = NonNull::new(dax).ok_or(ENOMEM)?;

        // SAFETY: The device is valid, and nobody else has seen it.
        unsafe {
            if properties.contains(Property::NoCache) {
                bindings::set_dax_nocache(dax.as_ptr());
            }
            if properties.contains(Property::NoMc) {
                bindings::set_dax_nomc(dax.as_ptr());
            }
            if properties.contains(Property::Synchronous) {
                bindings::set_dax_synchronous(dax.as_ptr());
            }
            if properties.contains(Property::WriteCache) {
                bindings::dax_write_cache(dax.as_ptr(), true);
            }
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
        let mode = AccessMode::from_raw(mode);
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
            // SAFETY: Takes any address.
            if unsafe { bindings::is_vmalloc_addr(window.as_ptr().cast()) } {
                // Mapped without struct pages, which nobody can use in this way.
                return ENXIO.to_errno() as c_long;
            }
            // SAFETY: As the caller promises. The window lies in the kernel's direct map.
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
        from_result(|| {
            // SAFETY: As the caller promises.
            let data = unsafe { Self::data(dax) }.ok_or(ENXIO)?;
            data.zero_page_range(pgoff as u64, nr_pages)?;
            Ok(0)
        })
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
        // SAFETY: The reference was taken above.
        unsafe { Handle::from_raw(self.dax) }
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
