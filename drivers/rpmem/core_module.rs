// SPDX-License-Identifier: GPL-2.0

//! `rpmem_core.ko`: what rpmem's drivers have in common, exported for `rpmem.ko` and `nd_rpmem.ko`.
//!
//! It holds nothing but code: loading it has no effect of its own.

use kernel::prelude::*;

module! {
    type: RpmemCore,
    name: "rpmem_core",
    authors: ["The rpmem developers"],
    description: "Core of the persistent memory block devices",
    license: "GPL",
}

struct RpmemCore;

impl kernel::Module for RpmemCore {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
