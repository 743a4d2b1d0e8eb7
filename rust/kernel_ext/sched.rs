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
