// SPDX-License-Identifier: GPL-2.0

//! The module's parameters.

use kernel::prelude::*;
use kernel_ext::module_param::Switch;

kernel_ext::module_param! {
    /// The regions to take, in the notation of `memmap=`.
    pub(crate) static REGIONS: Option<&'static CStr> = core::ptr::null_mut();
    module: "rpmem", name: "regions", type: "charp",
    description: "Regions to take: SIZE@ADDR[:ro][,SIZE@ADDR[:ro]...], ro for read-only, K M G T suffixes, decimal or hex";

    /// Whether to take what `memmap=nn!ss` made.
    pub(crate) static AUTO: Switch = -1;
    module: "rpmem", name: "auto", type: "bint",
    description: "Take every free Persistent Memory (legacy) range (default: yes if regions= is absent)";

    /// Whether a region may lie where firmware describes nothing.
    pub(crate) static FORCE: bool = false;
    module: "rpmem", name: "force", type: "bool",
    description: "Take regions that are neither Reserved nor Persistent Memory (default: no)";

    /// Bytes in a logical block.
    pub(crate) static LOGICAL_BLOCK_SIZE: u32 = 512;
    module: "rpmem", name: "logical_block_size", type: "uint",
    description: "Bytes in a logical block: 512 (default) or 4096";
}

/// Refuses values that no region can be taken with.
pub(crate) fn check() -> Result {
    let size = LOGICAL_BLOCK_SIZE.get();
    if !matches!(size, 512 | 4096) {
        pr_err!("logical_block_size={size}: not a size that the disks can have; use 512 or 4096\n");
        return Err(EINVAL);
    }
    Ok(())
}
