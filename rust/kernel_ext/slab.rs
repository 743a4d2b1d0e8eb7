// SPDX-License-Identifier: GPL-2.0

//! Caches of objects of one size.
//!
//! C header: [`include/linux/slab.h`](srctree/include/linux/slab.h)

use core::{ffi::c_void, ptr::NonNull};
use kernel::{prelude::*, str::CStr};
use kernel_bindings as bindings;

/// Sets an object up when its slab is made. The object is in that state each time it is allocated,
/// and has to be in that state when it is freed.
///
/// # Safety
///
/// Called with a pointer that is valid for writes of the cache's object size. May not sleep.
pub(crate) type Constructor = unsafe extern "C" fn(*mut c_void);

/// A slab cache.
///
/// # Invariants
///
/// `cache` is a valid cache from `__kmem_cache_create_args()` that is ours to destroy.
pub(crate) struct KmemCache {
    cache: NonNull<bindings::kmem_cache>,
}

// SAFETY: The slab allocator locks.
unsafe impl Send for KmemCache {}
// SAFETY: As above.
unsafe impl Sync for KmemCache {}

impl KmemCache {
    /// Makes a cache of objects of `size` bytes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        name: &CStr,
        size: u32,
        align: u32,
        flags: u32,
        constructor: Constructor,
    ) -> Result<Self> {
        let mut args = bindings::kmem_cache_args {
            align,
            ctor: Some(constructor),
            ..Default::default()
        };
        // SAFETY: The name and the arguments are valid, and copied.
        let cache = unsafe {
            bindings::__kmem_cache_create_args(name.as_char_ptr(), size, &mut args, flags)
        };
        // INVARIANT: From `__kmem_cache_create_args()`.
        Ok(Self {
            cache: NonNull::new(cache).ok_or(ENOMEM)?,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::kmem_cache {
        self.cache.as_ptr()
    }
}

impl Drop for KmemCache {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the cache is ours. Objects that RCU callbacks free are waited
        // for before.
        unsafe {
            bindings::rcu_barrier();
            bindings::kmem_cache_destroy(self.as_ptr());
        }
    }
}
