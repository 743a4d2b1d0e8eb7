// SPDX-License-Identifier: GPL-2.0

//! Copies and stores as the kernel's functions for persistent memory do them.
//!
//! C headers: `include/linux/uaccess.h`, `include/linux/libnvdimm.h`.

use core::arch::asm;

/// As `copy_mc_fragile`: words, each of which could be poisoned.
///
/// # Safety
///
/// Both ranges are valid and do not overlap.
#[inline(never)]
pub(crate) unsafe fn copy_mc(mut to: *mut u8, mut from: *const u8, mut len: usize) {
    // SAFETY: By this function's contract; no more than `len` bytes are touched.
    unsafe {
        while len >= 8 {
            asm!("mov {word}, [{from}]", "mov [{to}], {word}", word = out(reg) _,
                from = in(reg) from, to = in(reg) to, options(nostack, preserves_flags));
            to = to.add(8);
            from = from.add(8);
            len -= 8;
        }
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
            options(nostack, preserves_flags));
    }
}

/// As `__memcpy_flushcache`, of whole words.
///
/// # Safety
///
/// Both ranges are valid and do not overlap; `to` is a multiple of 8, and so is `len`.
#[inline(never)]
pub(crate) unsafe fn copy(mut to: *mut u8, mut from: *const u8, mut len: usize) {
    // SAFETY: By this function's contract; no more than `len` bytes are touched.
    unsafe {
        while len >= 32 {
            asm!(
                "mov {a}, [{from}]", "mov {b}, [{from} + 8]",
                "mov {c}, [{from} + 16]", "mov {d}, [{from} + 24]",
                "movnti [{to}], {a}", "movnti [{to} + 8], {b}",
                "movnti [{to} + 16], {c}", "movnti [{to} + 24], {d}",
                a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
                from = in(reg) from, to = in(reg) to, options(nostack, preserves_flags)
            );
            to = to.add(32);
            from = from.add(32);
            len -= 32;
        }
        while len >= 8 {
            asm!("mov {word}, [{from}]", "movnti [{to}], {word}", word = out(reg) _,
                from = in(reg) from, to = in(reg) to, options(nostack, preserves_flags));
            to = to.add(8);
            from = from.add(8);
            len -= 8;
        }
    }
}

/// Zeroes whole words past the cache, as kernel_ext's helper does.
///
/// # Safety
///
/// The range is valid; `to` is a multiple of 8, and so is `len`.
#[inline(never)]
pub(crate) unsafe fn zero(mut to: *mut u8, mut len: usize) {
    // SAFETY: By this function's contract; no more than `len` bytes are touched.
    unsafe {
        while len >= 64 {
            asm!(
                "movnti [{to}], {zero}", "movnti [{to} + 8], {zero}",
                "movnti [{to} + 16], {zero}", "movnti [{to} + 24], {zero}",
                "movnti [{to} + 32], {zero}", "movnti [{to} + 40], {zero}",
                "movnti [{to} + 48], {zero}", "movnti [{to} + 56], {zero}",
                to = in(reg) to, zero = in(reg) 0_u64, options(nostack, preserves_flags)
            );
            to = to.add(64);
            len -= 64;
        }
        while len >= 8 {
            asm!("movnti [{to}], {zero}", to = in(reg) to, zero = in(reg) 0_u64,
                options(nostack, preserves_flags));
            to = to.add(8);
            len -= 8;
        }
    }
}

/// Waits for them.
pub(crate) fn fence() {
    // SAFETY: It touches nothing.
    unsafe { asm!("sfence", options(nostack, preserves_flags)) }
}

/// Stands for the flush of a line, which callgrind does not know.
pub(crate) fn flush_line() {
    // SAFETY: It touches nothing.
    unsafe { asm!("nop", options(nostack, nomem, preserves_flags)) }
}
