// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions of libnvdimm, as drivers of its namespaces need them.
//!
//! They are a crate of their own, linked into its user: libnvdimm is a module, which who does not use it
//! should not have to load.
//!
//! | module | C header |
//! |---|---|
//! | [`driver`] | `include/linux/nd.h` |
//! | [`namespace`] | `include/linux/nd.h` |
//! | [`pfn`] | `drivers/nvdimm/pfn.h` |
//! | [`region`] | `include/linux/libnvdimm.h`, `drivers/nvdimm/nd.h`, `drivers/cxl/cxlmem.h` |

#![no_std]

/// What the printing macros put in front of a message.
const __LOG_PREFIX: &[u8] = b"nd_rpmem\0";

#[allow(
    clippy::all,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks
)]
mod bindings {
    use kernel::ffi;

    // bindgen is told to leave these out, so that they are as wide as Rust's own.
    type __kernel_size_t = usize;
    type __kernel_ssize_t = isize;
    type __kernel_ptrdiff_t = isize;

    include!(concat!(env!("RPMEM_ND_BINDINGS"), "/nd_generated.rs"));
}

mod bad;
#[cfg(has_cxl)]
mod cxl;
pub mod driver;
pub mod namespace;
pub mod pfn;
pub mod region;
