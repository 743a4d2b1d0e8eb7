// SPDX-License-Identifier: GPL-2.0

//! How a mount maps owners.
//!
//! C header: [`include/linux/mnt_idmapping.h`](srctree/include/linux/mnt_idmapping.h)

use kernel::types::Opaque;
use kernel_bindings as bindings;

/// The mapping of owners of the mount through which an operation came.
#[repr(transparent)]
pub struct MntIdmap(Opaque<bindings::mnt_idmap>);

impl MntIdmap {
    /// # Safety
    ///
    /// `idmap` must be valid for `'a`.
    pub(crate) unsafe fn from_raw<'a>(idmap: *mut bindings::mnt_idmap) -> &'a Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*idmap.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        self.0.get()
    }
}
