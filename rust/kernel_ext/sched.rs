// SPDX-License-Identifier: GPL-2.0

//! Giving the CPU away.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use kernel_bindings as bindings;

/// Lets other tasks run where the kernel does not preempt by itself: for long loops. May sleep.
///
/// # Examples
///
/// ```
/// for _ in 0..1000 {
///     kernel_ext::sched::cond_resched();
/// }
/// ```
pub fn cond_resched() {
    // SAFETY: May be called wherever sleeping is allowed; in atomic context the kernel warns, and
    // nothing is accessed.
    unsafe { bindings::cond_resched() };
}

/// Keeps the calling task on its CPU until [`migrate_enable`]; may be nested. It may sleep meanwhile, and
/// continues on the same CPU. To be ended by the same task.
#[inline]
pub fn migrate_disable() {
    // SAFETY: May be called by any task, and counts.
    unsafe { bindings::migrate_disable() };
}

/// Ends [`migrate_disable`]. One too many is a warning of the kernel's.
#[inline]
pub fn migrate_enable() {
    // SAFETY: May be called by any task; without a call of the other the kernel warns, and nothing is done.
    unsafe { bindings::migrate_enable() };
}
