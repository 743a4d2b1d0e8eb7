// SPDX-License-Identifier: GPL-2.0

//! Objects for work that must go on when memory is short.
//!
//! C header: [`include/linux/mempool.h`](srctree/include/linux/mempool.h)
//!
//! # Examples
//!
//! ```
//! use kernel_ext::mempool::MemPool;
//!
//! // Two buffers are kept for callers that cannot wait for reclaim.
//! let pool = MemPool::<[u8; 4096]>::new(c"example_buffers", 2)?;
//! let mut buffer = pool.alloc();
//! buffer[0] = 1;
//! drop(buffer);
//! # Ok::<(), Error>(())
//! ```

use crate::slab::KmemCache;
use core::{
    ffi::c_void,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};
use kernel::{prelude::*, str::CStr};
use kernel_bindings as bindings;
use zerocopy::FromZeros;

/// A pool of objects, of which some are kept back, so that an allocation that may wait succeeds.
///
/// An object's content is whatever its last user left, or zeroes.
///
/// # Invariants
///
/// `pool` is a valid mempool over `_cache`, whose objects are valid `T` also while nobody has them.
pub struct MemPool<T> {
    pool: NonNull<bindings::mempool>,
    // Destroyed after the pool.
    cache: KmemCache,
    _objects: PhantomData<T>,
}

// SAFETY: The pool locks; an object has one user at a time, on any thread.
unsafe impl<T: Send> Send for MemPool<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for MemPool<T> {}

impl<T: FromZeros> MemPool<T> {
    /// Makes a pool that keeps back `reserve` objects. No other cache may have its name.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for a type that has to be dropped, or is larger than 4 GiB.
    pub fn new(name: &CStr, reserve: u16) -> Result<Self> {
        if core::mem::needs_drop::<T>() {
            return Err(EINVAL);
        }
        let size = u32::try_from(size_of::<T>()).map_err(|_| EINVAL)?;
        let cache = KmemCache::new(name, size, align_of::<T>() as u32, 0, zero::<T>)?;
        // SAFETY: The cache is valid and outlives the pool.
        let pool = unsafe {
            bindings::mempool_create_node_noprof(
                c_int::from(reserve),
                Some(alloc),
                Some(free),
                cache.as_ptr().cast(),
                bindings::GFP_KERNEL,
                bindings::NUMA_NO_NODE,
            )
        };
        // INVARIANT: From `mempool_create_node()`. The constructor has zeroed the objects, and users
        // of `PoolBox` leave valid ones.
        Ok(Self {
            pool: NonNull::new(pool).ok_or(ENOMEM)?,
            cache,
            _objects: PhantomData,
        })
    }
}

impl<T> MemPool<T> {
    /// Takes an object; waits for one that somebody puts back if there is no memory.
    ///
    /// May sleep, and may reclaim memory, not through file systems.
    pub fn alloc(&self) -> PoolBox<'_, T> {
        loop {
            // SAFETY: By the type invariant the pool is valid.
            let object =
                unsafe { bindings::mempool_alloc_noprof(self.pool.as_ptr(), bindings::GFP_NOFS) };
            // It cannot fail where it may reclaim.
            if let Some(object) = NonNull::new(object.cast()) {
                // INVARIANT: From the pool.
                return PoolBox {
                    object,
                    origin: Origin::Pool(self),
                };
            }
        }
    }

    /// Allocates an object without using up those that are kept back: for a caller that keeps it for long.
    ///
    /// May sleep, and may reclaim memory through file systems.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn alloc_noreserve(&self) -> Result<PoolBox<'_, T>> {
        // SAFETY: By the type invariant the cache is valid.
        let object =
            unsafe { bindings::kmem_cache_alloc_noprof(self.cache.as_ptr(), bindings::GFP_KERNEL) };
        let object = NonNull::new(object.cast()).ok_or(ENOMEM)?;
        // INVARIANT: From the cache.
        Ok(PoolBox {
            object,
            origin: Origin::Cache(self),
        })
    }
}

impl<T> Drop for MemPool<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the pool is valid; each object has been put back, because a
        // `PoolBox` borrows the pool.
        unsafe { bindings::mempool_destroy(self.pool.as_ptr()) };
    }
}

/// What `mempool_alloc_slab()` does, which takes no cache with a constructor.
///
/// # Safety
///
/// `cache` must be a valid cache.
unsafe extern "C" fn alloc(gfp: bindings::gfp_t, cache: *mut c_void) -> *mut c_void {
    // SAFETY: As the caller promises.
    unsafe { bindings::kmem_cache_alloc_noprof(cache.cast(), gfp) }
}

/// # Safety
///
/// `object` must be from [`alloc`] for that cache.
unsafe extern "C" fn free(object: *mut c_void, cache: *mut c_void) {
    // SAFETY: As the caller promises.
    unsafe { bindings::kmem_cache_free(cache.cast(), object) };
}

/// # Safety
///
/// `object` must be valid for writes of a `T`.
unsafe extern "C" fn zero<T: FromZeros>(object: *mut c_void) {
    // SAFETY: As the caller promises.
    unsafe { object.cast::<T>().write_bytes(0, 1) };
}

/// Where an object goes back to.
enum Origin<'p, T> {
    Pool(&'p MemPool<T>),
    Cache(&'p MemPool<T>),
}

/// An object of a pool, put back when dropped.
///
/// # Invariants
///
/// `object` is a valid `T` that only this has, allocated from what `origin` says.
pub struct PoolBox<'p, T> {
    object: NonNull<T>,
    origin: Origin<'p, T>,
}

// SAFETY: It owns the object; the pool may be used from any thread.
unsafe impl<T: Send> Send for PoolBox<'_, T> {}

impl<T> Deref for PoolBox<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant.
        unsafe { self.object.as_ref() }
    }
}

impl<T> DerefMut for PoolBox<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant.
        unsafe { self.object.as_mut() }
    }
}

impl<T> Drop for PoolBox<'_, T> {
    fn drop(&mut self) {
        let object = self.object.as_ptr().cast();
        match self.origin {
            // SAFETY: By the type invariant it came from this pool.
            Origin::Pool(pool) => unsafe { bindings::mempool_free(object, pool.pool.as_ptr()) },
            // SAFETY: By the type invariant it came from this cache.
            Origin::Cache(pool) => unsafe {
                bindings::kmem_cache_free(pool.cache.as_ptr(), object);
            },
        }
    }
}
