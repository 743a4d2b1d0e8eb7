// SPDX-License-Identifier: GPL-2.0

//! Scopes in which allocations do less to reclaim memory.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use kernel::{prelude::*, types::NotThreadSafe};
use kernel_bindings as bindings;

/// While this exists, allocations of the task do not reclaim memory through file systems, as if
/// each had `GFP_NOFS`: for a task that holds a lock which a file system takes in reclaim.
///
/// Scopes may be nested, and end in the reverse order.
///
/// # Examples
///
/// ```
/// use kernel_ext::memalloc::NofsScope;
///
/// let scope = NofsScope::new();
/// let page = KBox::new([0_u8; 64], GFP_KERNEL)?;
/// drop(scope);
/// # Ok::<(), Error>(())
/// ```
#[must_use]
pub struct NofsScope {
    flags: c_uint,
    _task: NotThreadSafe,
}

impl NofsScope {
    /// Begins a scope.
    #[inline]
    #[allow(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        Self {
            // SAFETY: May be called in any context.
            flags: unsafe { bindings::memalloc_nofs_save() },
            _task: NotThreadSafe,
        }
    }
}

impl Drop for NofsScope {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The flags are those of this task, which is not left by this type.
        unsafe { bindings::memalloc_nofs_restore(self.flags) };
    }
}

/// While this exists, allocations of the task begin no I/O to reclaim memory, as if each had `GFP_NOIO`: for a task
/// that holds a lock which a driver takes for a bio, or whose own bios are queued behind the one that it handles.
///
/// Scopes may be nested, and end in the reverse order.
///
/// # Examples
///
/// ```
/// use kernel_ext::memalloc::NoioScope;
///
/// let scope = NoioScope::new();
/// let page = KBox::new([0_u8; 64], GFP_KERNEL)?;
/// drop(scope);
/// # Ok::<(), Error>(())
/// ```
#[must_use]
pub struct NoioScope {
    flags: c_uint,
    _task: NotThreadSafe,
}

impl NoioScope {
    /// Begins a scope.
    #[inline]
    #[allow(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        Self {
            // SAFETY: May be called in any context.
            flags: unsafe { bindings::memalloc_noio_save() },
            _task: NotThreadSafe,
        }
    }
}

impl Drop for NoioScope {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The flags are those of this task, which is not left by this type.
        unsafe { bindings::memalloc_noio_restore(self.flags) };
    }
}
