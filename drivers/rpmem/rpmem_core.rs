// SPDX-License-Identifier: GPL-2.0

//! The core of rpmem: what its drivers have in common, wherever their memory is from.
//!
//! The way of an I/O is short: `block` takes the bio, `medium` copies. Around it:
//!
//! | module | holds |
//! |---|---|
//! | [`backing`] | what a medium is a part of, and what that knows of it |
//! | `block` | the disk's operations |
//! | `dax` | the DAX device's operations |
//! | [`keeper`] | regions that are still in use when their disk has gone |
//! | [`limits`] | what a disk says of itself |
//! | `machine_check` | what a machine check in a region does |
//! | [`medium`] | the mapped region: reading, overwriting, zeroing |
//! | [`name`] | the names of disks |
//! | [`poison`] | the list of bad blocks, and the rule by which a write clears them |
//! | [`shown`] | a disk that everyone sees, until it is taken away |
//! | [`sysfs`] | the disk's files |
//!
//! Its drivers: `memmap`, for what the kernel's command line or `regions=` names; `nd`, for what libnvdimm
//! has found.
//!
//! There is no `unsafe` here: it is in `rust/`, behind `kernel_ext`.

#![no_std]
#![forbid(unsafe_code)]

/// What the printing macros put in front of a message.
const __LOG_PREFIX: &[u8] = b"rpmem\0";

/// Whose module implementations of `#[vtable]` traits are; `#[vtable]` of 7.2 does not ask.
#[allow(dead_code)]
type LocalModule = kernel_ext::NoModule;

pub mod backing;
mod block;
mod dax;
pub mod keeper;
pub mod limits;
#[cfg(CONFIG_X86_MCE)]
mod machine_check;
pub mod medium;
pub mod name;
pub mod poison;
pub mod shown;
pub mod sysfs;
