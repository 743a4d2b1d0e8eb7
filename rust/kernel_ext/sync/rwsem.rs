// SPDX-License-Identifier: GPL-2.0

//! Locks that sleep, for one writer or many readers.
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)
//!
//! # Examples
//!
//! ```
//! use kernel_ext::{new_rwsem, sync::RwSemaphore};
//!
//! let lock = KBox::pin_init(new_rwsem!(5), GFP_KERNEL)?;
//! assert_eq!(*lock.read(), 5);
//! *lock.write() += 1;
//! assert_eq!(lock.try_read().map(|value| *value), Some(6));
//! # Ok::<(), Error>(())
//! ```

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

/// Creates an initialiser of an [`RwSemaphore`] with a new lock class.
#[macro_export]
macro_rules! new_rwsem {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::RwSemaphore::new(
            $inner,
            ::kernel::optional_name!($($name)?),
            ::kernel::static_lock_class!(),
        )
    };
}
pub use new_rwsem;

/// Which of several locks of one class that a task holds at once this is, so that lockdep can tell
/// the order among them. Locks of ascending subclasses are taken in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Subclass {
    /// The first, or the only one.
    First = 0,
    /// The second.
    Second = 1,
    /// The third.
    Third = 2,
    /// The fourth.
    Fourth = 3,
    /// The fifth.
    Fifth = 4,
    /// The sixth.
    Sixth = 5,
    /// The seventh.
    Seventh = 6,
    /// The eighth, the last that lockdep knows (`MAX_LOCKDEP_SUBCLASSES`).
    Eighth = 7,
}

impl Subclass {
    /// The subclasses in their order.
    pub const ALL: [Self; 8] = [
        Self::First,
        Self::Second,
        Self::Third,
        Self::Fourth,
        Self::Fifth,
        Self::Sixth,
        Self::Seventh,
        Self::Eighth,
    ];
}

/// A lock that one writer or many readers hold.
///
/// Not recursive: not even for readers, who may have to wait behind a writer that waits.
#[pin_data]
pub struct RwSemaphore<T> {
    #[pin]
    semaphore: Opaque<bindings::rw_semaphore>,
    #[pin]
    _pin: PhantomPinned,
    data: UnsafeCell<T>,
}

// SAFETY: The semaphore may be used from any thread; the data is sent with it.
unsafe impl<T: Send> Send for RwSemaphore<T> {}
// SAFETY: Readers share the data between threads, a writer has it for itself on any thread.
unsafe impl<T: Send + Sync> Sync for RwSemaphore<T> {}

impl<T> RwSemaphore<T> {
    /// Creates an initialiser; see [`new_rwsem!`](crate::new_rwsem).
    pub fn new(
        data: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            semaphore <- Opaque::ffi_init(|slot: *mut bindings::rw_semaphore| {
                // SAFETY: The slot is valid for writes, and is not moved; name and key are static.
                unsafe { bindings::__init_rwsem(slot, name.as_char_ptr(), key.as_ptr().cast()) }
            }),
            _pin: PhantomPinned,
            data: UnsafeCell::new(data),
        })
    }

    /// Locks it for reading. May sleep.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T> {
        self.read_nested(Subclass::First)
    }

    /// Locks it for reading, for a task that holds others of the class. May sleep.
    #[inline]
    pub fn read_nested(&self, subclass: Subclass) -> ReadGuard<'_, T> {
        // SAFETY: The semaphore is initialised, and does not move.
        unsafe { bindings::down_read_nested(self.semaphore.get(), subclass as c_int) };
        // INVARIANT: Locked.
        ReadGuard {
            lock: self,
            _task: NotThreadSafe,
        }
    }

    /// Locks it for writing. May sleep.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T> {
        self.write_nested(Subclass::First)
    }

    /// Locks it for writing, for a task that holds others of the class. May sleep.
    #[inline]
    pub fn write_nested(&self, subclass: Subclass) -> WriteGuard<'_, T> {
        // SAFETY: The semaphore is initialised, and does not move.
        unsafe { bindings::down_write_nested(self.semaphore.get(), subclass as c_int) };
        // INVARIANT: Locked.
        WriteGuard {
            lock: self,
            _task: NotThreadSafe,
        }
    }

    /// Locks it for reading if that needs no wait.
    #[inline]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        // SAFETY: The semaphore is initialised, and does not move.
        let locked = unsafe { bindings::down_read_trylock(self.semaphore.get()) } != 0;
        // INVARIANT: Locked.
        locked.then(|| ReadGuard {
            lock: self,
            _task: NotThreadSafe,
        })
    }

    /// Locks it for writing if that needs no wait.
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        // SAFETY: The semaphore is initialised, and does not move.
        let locked = unsafe { bindings::down_write_trylock(self.semaphore.get()) } != 0;
        // INVARIANT: Locked.
        locked.then(|| WriteGuard {
            lock: self,
            _task: NotThreadSafe,
        })
    }
}

/// Shared access to what a lock guards.
///
/// # Invariants
///
/// This task holds the lock for reading.
#[must_use]
pub struct ReadGuard<'l, T> {
    lock: &'l RwSemaphore<T>,
    _task: NotThreadSafe,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant nobody writes.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is held.
        unsafe { bindings::up_read(self.lock.semaphore.get()) };
    }
}

/// Sole access to what a lock guards.
///
/// # Invariants
///
/// This task holds the lock for writing.
#[must_use]
pub struct WriteGuard<'l, T> {
    lock: &'l RwSemaphore<T>,
    _task: NotThreadSafe,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant nobody else has access.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant nobody else has access.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is held.
        unsafe { bindings::up_write(self.lock.semaphore.get()) };
    }
}
