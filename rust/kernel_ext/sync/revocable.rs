// SPDX-License-Identifier: GPL-2.0

//! A value that can be taken away from those who use it, who may sleep meanwhile.
//!
//! C header: [`include/linux/srcu.h`](srctree/include/linux/srcu.h)

use crate::compat::{new_srcu, Srcu, SrcuGuard};
use core::{cell::UnsafeCell, mem::MaybeUninit, ops::Deref};
use kernel::{
    prelude::*,
    sync::atomic::{AtomicFlag, Full, Relaxed},
};

/// A value that is there until it is revoked.
///
/// As [`kernel::revocable::Revocable`], but with SRCU instead of RCU: who uses the value may sleep, and
/// [`revoke`](Self::revoke) waits for that.
///
/// # Examples
///
/// ```
/// use kernel_ext::sync::Revocable;
///
/// let value = KBox::pin_init(Revocable::new(KBox::new(7, GFP_KERNEL)?), GFP_KERNEL)?;
/// assert_eq!(value.try_access().map(|seven| **seven), Some(7));
/// assert!(value.revoke());
/// assert!(value.try_access().is_none());
/// assert!(!value.revoke());
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// - While `is_available` is true, `value` is initialised.
/// - `value` is dropped once, by the task that has made `is_available` false, after all read-side critical
///   sections of `srcu` that may have seen it true have ended.
#[pin_data(PinnedDrop)]
pub struct Revocable<T> {
    is_available: AtomicFlag,
    #[pin]
    srcu: Srcu,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: The value is used by whoever has access, and dropped by whoever revokes it.
unsafe impl<T: Send> Send for Revocable<T> {}
// SAFETY: As above: it is shared among those who have access, and may be dropped by any of them.
unsafe impl<T: Send + Sync> Sync for Revocable<T> {}

impl<T> Revocable<T> {
    /// With that value.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(value: T) -> impl PinInit<Self, Error> {
        // INVARIANT: The value is initialised.
        try_pin_init!(Self {
            is_available: AtomicFlag::new(true),
            srcu <- new_srcu(),
            value: UnsafeCell::new(MaybeUninit::new(value)),
        })
    }

    /// Access to the value, which stays until the guard is dropped; `None` if it has been revoked.
    #[inline]
    pub fn try_access(&self) -> Option<Guard<'_, T>> {
        let section = self.srcu.read_lock();
        // Ordered by SRCU: a section that begins after `synchronize` has begun sees what was before it.
        if !self.is_available.load(Relaxed) {
            return None;
        }
        // INVARIANT: It was available within the section.
        Some(Guard {
            // SAFETY: By the type invariants the value is initialised and is not dropped before the
            // section ends; there are only shared references to it.
            value: unsafe { (*self.value.get()).assume_init_ref() },
            _section: section,
        })
    }

    /// Takes the value away and drops it, after waiting for everybody who uses it. Returns whether it was
    /// there.
    ///
    /// May sleep. The caller has no guard of it, or this never returns.
    pub fn revoke(&self) -> bool {
        if !self.is_available.xchg(false, Full) {
            return false;
        }
        self.srcu.synchronize();
        // SAFETY: By the type invariants it is initialised until now; it was this task that made
        // `is_available` false, and nobody has a guard.
        unsafe { (*self.value.get()).assume_init_drop() };
        true
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Revocable<T> {
    fn drop(self: Pin<&mut Self>) {
        if self.is_available.load(Relaxed) {
            // SAFETY: By the type invariants it is initialised; guards borrow what is dropped here, so
            // there are none.
            unsafe { (*self.value.get()).assume_init_drop() };
        }
    }
}

/// Access to a value that cannot be revoked meanwhile.
pub struct Guard<'a, T> {
    value: &'a T,
    _section: SrcuGuard<'a>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}
