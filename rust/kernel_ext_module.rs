// SPDX-License-Identifier: GPL-2.0

//! `kernel_ext.ko`: the abstractions of `kernel_ext`, exported for `rpmem.ko` and `rdaxfs.ko`.
//!
//! It holds nothing but code: loading it has no effect of its own.

use kernel::prelude::*;

module! {
    type: KernelExt,
    name: "kernel_ext",
    authors: ["The rpmem developers"],
    description: "Rust abstractions for block devices, persistent memory and file systems",
    license: "GPL",
}

struct KernelExt;

impl kernel::Module for KernelExt {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
