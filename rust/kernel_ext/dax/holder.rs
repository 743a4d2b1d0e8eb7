// SPDX-License-Identifier: GPL-2.0

//! Who uses a DAX device, and is told when memory of it fails: a file system, or a device on top.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

use crate::hwpoison::FailureFlags;
use core::ptr::NonNull;
use kernel::{error::to_result, prelude::*};
use kernel_bindings as bindings;

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
    /// # Safety
    ///
    /// `dax` must be valid, and its reference is given to the handle.
    pub(super) unsafe fn from_raw(dax: NonNull<bindings::dax_device>) -> Self {
        // INVARIANT: As the caller promises.
        Self { dax }
    }

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
