// SPDX-License-Identifier: GPL-2.0

//! Memory that costs a program as many instructions as persistent memory costs the kernel.
//!
//! The kernel compiles Rust without SSE, so every move of a structure is a call of `memcpy`, which is
//! `rep movsb` on a processor with FSRM: one instruction a byte, as callgrind and QEMU count them. A
//! program of the host hides that. What is linked with this crate gets:
//!
//! - [`string`](mod@string): `memcpy` and `memset` as `arch/x86/lib/memcpy_64.S` and `memset_64.S` have them;
//! - [`Memory`]: a medium of rdaxfs that is read as `copy_mc_to_kernel` does, written as
//!   `__memcpy_flushcache` does (`arch/x86/lib/usercopy_64.c`), and with the digests of the kernel:
//!   CRC-32C by the instruction, SipHash as in `lib/siphash.c`.
//!
//! Not modelled: return thunks, ftrace's nops, the kernel's locks: 5 to 8 % more.
//!
//! Only for x86-64 with SSE 4.2, and only for measurements: nothing here is durable.

#![cfg(target_arch = "x86_64")]

mod digest;
mod memory;
mod nontemporal;
pub mod string;

pub use memory::Memory;
