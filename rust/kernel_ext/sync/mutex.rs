// SPDX-License-Identifier: GPL-2.0

//! Locks that sleep, of which a task may hold several of one class.
//!
//! The kernel crate's `Mutex` has no subclass for lockdep.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)
//!
//! # Examples
//!
//! ```
//! use kernel_ext::{new_nested_mutex, sync::{rwsem::Subclass, NestedMutex}};
//!
//! fn new(value: u32) -> impl PinInit<NestedMutex<u32>> {
//!     new_nested_mutex!(value)
//! }
//! let (one, other) = (KBox::pin_init(new(1), GFP_KERNEL)?, KBox::pin_init(new(2), GFP_KERNEL)?);
//! let first = one.lock(Subclass::First);
//! let second = other.lock(Subclass::Second);
//! assert_eq!(*first + *second, 3);
//! assert!(one.try_lock().is_none());
//! # Ok::<(), Error>(())
//! ```

use super::rwsem::Subclass;
use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ops::{Deref, DerefMut},
};
use kernel::{
    prelude::*,
    str::CStr,
    sync::LockClassKey,
    types::{NotThreadSafe, Opaque},
};
use kernel_bindings as bindings;

/// Creates an initialiser of a [`NestedMutex`] with a new lock class.
#[macro_export]
macro_rules! new_nested_mutex {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::NestedMutex::new(
            $inner,
            ::kernel::optional_name!($($name)?),
            ::kernel::static_lock_class!(),
        )
    };
}
pub use new_nested_mutex;

/// A lock that one task holds.
#[pin_data]
pub struct NestedMutex<T> {
    #[pin]
    mutex: Opaque<bindings::mutex>,
    #[pin]
    _pin: PhantomPinned,
    data: UnsafeCell<T>,
}

// SAFETY: The mutex may be used from any thread; the data is sent with it.
unsafe impl<T: Send> Send for NestedMutex<T> {}
// SAFETY: Who has the lock has the data for itself, on any thread.
unsafe impl<T: Send> Sync for NestedMutex<T> {}

impl<T> NestedMutex<T> {
    /// Creates an initialiser; see [`new_nested_mutex!`](crate::new_nested_mutex).
    pub fn new(
        data: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            mutex <- Opaque::ffi_init(|slot: *mut bindings::mutex| {
                // SAFETY: The slot is valid for writes, and is not moved; name and key are static.
                unsafe { bindings::__mutex_init(slot, name.as_char_ptr(), key.as_ptr().cast()) }
            }),
            _pin: PhantomPinned,
            data: UnsafeCell::new(data),
        })
    }

    /// Locks it, for a task that holds others of the class of lower subclasses only. May sleep.
    #[inline]
    pub fn lock(&self, subclass: Subclass) -> Guard<'_, T> {
        // SAFETY: The mutex is initialised, and does not move.
        unsafe { bindings::mutex_lock_nested(self.mutex.get(), subclass as c_uint) };
        // INVARIANT: Locked.
        Guard {
            lock: self,
            _task: NotThreadSafe,
        }
    }

    /// Locks it if that needs no wait.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        // SAFETY: The mutex is initialised, and does not move.
        let locked = unsafe { bindings::mutex_trylock(self.mutex.get()) } != 0;
        // INVARIANT: Locked.
        locked.then(|| Guard {
            lock: self,
            _task: NotThreadSafe,
        })
    }
}

/// Sole access to what a lock guards.
///
/// # Invariants
///
/// This task holds the lock.
#[must_use]
pub struct Guard<'l, T> {
    lock: &'l NestedMutex<T>,
    _task: NotThreadSafe,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant nobody else has access.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant nobody else has access.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is held.
        unsafe { bindings::mutex_unlock(self.lock.mutex.get()) };
    }
}
