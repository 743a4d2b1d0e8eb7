// SPDX-License-Identifier: GPL-2.0

//! Mutexes of one lock class that a task holds at once.
//!
//! The kernel crate's `Mutex` cannot tell lockdep the subclass.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)
//!
//! # Examples
//!
//! ```
//! use kernel::{new_mutex, sync::Mutex};
//! use kernel_ext::sync::{mutex::LockNested as _, rwsem::Subclass};
//!
//! fn new(value: u32) -> impl PinInit<Mutex<u32>> {
//!     new_mutex!(value)
//! }
//! let (one, other) = (KBox::pin_init(new(1), GFP_KERNEL)?, KBox::pin_init(new(2), GFP_KERNEL)?);
//! let first = one.lock();
//! let second = other.lock_nested(Subclass::Second);
//! assert_eq!(*first + *second, 3);
//! # Ok::<(), Error>(())
//! ```

use super::rwsem::Subclass;
use core::ptr;
use kernel::{
    prelude::*,
    sync::{lock::Guard, Mutex, MutexGuard},
};
use kernel_bindings as bindings;

/// Locking by a task that holds other locks of the class.
pub trait LockNested<T> {
    /// Locks it. The task holds locks of the class of lower subclasses only. May sleep.
    fn lock_nested(&self, subclass: Subclass) -> MutexGuard<'_, T>;
}

impl<T> LockNested<T> for Mutex<T> {
    #[inline]
    fn lock_nested(&self, subclass: Subclass) -> MutexGuard<'_, T> {
        let mutex: *mut bindings::mutex = ptr::from_ref(self).cast_mut().cast();
        // SAFETY: `Lock` is `repr(C)` and begins with its state, a `struct mutex`, which its constructor has
        // initialised. It is pinned. Both declarations of `struct mutex` are bindgen's of the same C type.
        unsafe { bindings::mutex_lock_nested(mutex, subclass as c_uint) };
        // SAFETY: This task has just locked it.
        unsafe { Guard::new(self, ()) }
    }
}
