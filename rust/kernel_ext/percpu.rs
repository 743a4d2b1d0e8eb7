// SPDX-License-Identifier: GPL-2.0

//! Variables of which each CPU has its own.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use kernel::ffi::c_ulong;

/// Adds to this CPU's instance of a per-CPU counter.
///
/// This is `this_cpu_add()`, which may be used with preemption on: a
/// task that moves to another CPU before or after it counts there.
///
/// # Safety
///
/// `counter` must be a valid per-CPU pointer (`unsigned long __percpu *`), of which each CPU changes
/// its own instance only.
#[inline]
pub(crate) unsafe fn this_cpu_add(counter: *mut c_ulong, value: c_ulong) {
    #[cfg(all(CONFIG_X86_64, CONFIG_SMP))]
    // SAFETY: As the caller promises the counter has an instance on this CPU, which lies at the
    // same offset from this CPU's base, in GS, as the pointer says.
    unsafe {
        core::arch::asm!(
            "add qword ptr gs:[{counter}], {value}",
            counter = in(reg) counter,
            value = in(reg) value,
            options(nostack),
        )
    };
    #[cfg(not(all(CONFIG_X86_64, CONFIG_SMP)))]
    // SAFETY: As the caller promises.
    unsafe {
        kernel_bindings::this_cpu_add(counter, value)
    };
}
