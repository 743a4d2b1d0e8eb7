// SPDX-License-Identifier: GPL-2.0

//! A place for one value that one task leaves and another takes.
//!
//! C header: [`include/linux/atomic.h`](srctree/include/linux/atomic.h)

use core::ptr::{null_mut, NonNull};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Full},
};

/// A place that holds a value or nothing, without a lock: good for a `static`, which cannot have one of
/// the kernel's locks before the module's code runs.
///
/// A value that is still there when a `static` slot goes away with its module is leaked.
///
/// # Examples
///
/// ```
/// use kernel_ext::sync::Slot;
///
/// static SLOT: Slot<u32> = Slot::new();
///
/// assert!(SLOT.take().is_none());
/// assert!(SLOT.put(KBox::new(7, GFP_KERNEL)?).is_none());
/// assert_eq!(SLOT.put(KBox::new(8, GFP_KERNEL)?).as_deref(), Some(&7));
/// assert_eq!(SLOT.take().as_deref(), Some(&8));
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `value` is null or comes from [`KBox::into_raw`], and belongs to the slot.
pub struct Slot<T> {
    value: Atomic<*mut T>,
}

// SAFETY: The slot only moves values from task to task.
unsafe impl<T: Send> Send for Slot<T> {}

// SAFETY: As above: `&Slot` gives no access to a value that is inside.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty slot.
    pub const fn new() -> Self {
        // INVARIANT: Null.
        Self {
            value: Atomic::new(null_mut()),
        }
    }

    /// Leaves a value; returns the one that was there.
    pub fn put(&self, value: KBox<T>) -> Option<KBox<T>> {
        self.exchange(KBox::into_raw(value))
    }

    /// Takes the value.
    pub fn take(&self) -> Option<KBox<T>> {
        self.exchange(null_mut())
    }

    /// Puts null, or a pointer from `KBox::into_raw` that is given up.
    fn exchange(&self, new: *mut T) -> Option<KBox<T>> {
        let old = NonNull::new(self.value.xchg(new, Full))?;
        // SAFETY: By the type invariant the pointer is from `KBox::into_raw`, and it is the slot's no
        // more: only one task gets it.
        Some(unsafe { KBox::from_raw(old.as_ptr()) })
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
