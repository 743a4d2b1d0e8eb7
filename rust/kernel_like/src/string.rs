// SPDX-License-Identifier: GPL-2.0

//! `memcpy` and `memset` of the whole program, one instruction a byte.
//!
//! C headers: `include/linux/string.h`, `arch/x86/include/asm/string_64.h`.

use core::arch::asm;

/// Copies bytes, forwards.
///
/// # Safety
///
/// As C's `memcpy`: both ranges are valid and do not overlap.
#[no_mangle]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: By this function's contract `rep movsb` reads and writes what it may. The direction flag
    // is clear, as the ABI has it.
    unsafe {
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
            options(nostack, preserves_flags));
    }
    to
}

/// Sets bytes.
///
/// # Safety
///
/// As C's `memset`: the range is valid.
#[no_mangle]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    // SAFETY: By this function's contract `rep stosb` writes what it may. The direction flag is clear.
    unsafe {
        asm!("rep stosb", inout("rdi") to => _, in("al") byte as u8, inout("rcx") len => _,
            options(nostack, preserves_flags));
    }
    to
}
