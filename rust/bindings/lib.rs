// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of the C headers that the kernel crate's bindings leave out.
//!
//! Only the abstractions in `kernel_ext` use this crate. Where a type exists in
//! `kernel::bindings` as well, the two describe the same C type: pointers to it are cast at the
//! border.
//!
//! See `rust/bindings/` for the header, the list of what is taken from it, and `rust/helpers/` for
//! the wrappers of inline functions and macros.

#![allow(
    clippy::all,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

mod raw {
    #![allow(
        dead_code,
        clippy::cast_lossless,
        clippy::ptr_as_ptr,
        clippy::ref_as_ptr,
        clippy::undocumented_unsafe_blocks
    )]

    use kernel::ffi;

    // bindgen is told to leave these out, so that they are as wide as Rust's own.
    type __kernel_size_t = usize;
    type __kernel_ssize_t = isize;
    type __kernel_ptrdiff_t = isize;

    include!(concat!(env!("RPMEM_BINDINGS"), "/bindings_generated.rs"));
    include!(concat!(env!("RPMEM_BINDINGS"), "/helpers_generated.rs"));
}

pub use raw::*;
