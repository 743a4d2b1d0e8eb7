// SPDX-License-Identifier: GPL-2.0

//! `kernel_ext.ko`: the abstractions of `kernel_ext`, exported for `rpmem.ko` and `rdaxfs.ko`.
//!
//! Loading it has no effect of its own: it only prepares a lock.

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
        // SAFETY: This is the first that is called of this module, and is called once.
        #[cfg(any(MODULE, CONFIG_RUST_KERNEL_EXT_FS))]
        unsafe {
            kernel_ext::fs::dax::holder::init();
        }
        Ok(Self)
    }
}

impl Drop for KernelExt {
    fn drop(&mut self) {
        #[cfg(any(MODULE, CONFIG_RUST_KERNEL_EXT_FS))]
        kernel_ext::fs::dax::holder::exit();
    }
}
