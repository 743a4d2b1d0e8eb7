// SPDX-License-Identifier: GPL-2.0

//! Stopping the machine.
//!
//! C header: [`include/linux/panic.h`](srctree/include/linux/panic.h)

use core::ffi::c_void;
use kernel::{fmt, str::CStrExt as _};
use kernel_bindings as bindings;

/// Stops the machine with a message, where the user has asked for that: Rust's own `panic!` is a bug of the
/// code, and stops only the task.
pub fn panic(message: fmt::Arguments<'_>) -> ! {
    // SAFETY: "%pA" takes formatted arguments.
    unsafe {
        bindings::panic(
            c"%pA".as_char_ptr(),
            core::ptr::from_ref(&message).cast::<c_void>(),
        )
    }
}
