// SPDX-License-Identifier: GPL-2.0

//! The module's parameters.

use kernel::prelude::*;

/// The most that `struct_pages_share` can be, in percent.
const ALL: u32 = 100;

kernel_ext::module_param! {
    /// Whether a raw namespace gets struct pages, and with them DAX.
    pub(crate) static STRUCT_PAGES: bool = true;
    module: "nd_rpmem", name: "struct_pages", type: "bool",
    description: "Give raw namespaces struct pages in ordinary memory, for DAX (default: yes)";

    /// Percent of the available memory that they may take.
    pub(crate) static STRUCT_PAGES_SHARE: u32 = 50;
    module: "nd_rpmem", name: "struct_pages_share", type: "uint",
    description: "Percent of available memory that the struct pages of a raw namespace may take (default: 50)";
}

/// Refuses values that mean nothing.
pub(crate) fn check() -> Result {
    let share = STRUCT_PAGES_SHARE.get();
    if share > ALL {
        pr_err!("struct_pages_share={share}: more than {ALL} percent; use 0 to {ALL}\n");
        return Err(EINVAL);
    }
    Ok(())
}

/// Returns how many of `available` bytes the struct pages of a namespace may take.
pub(crate) fn share_of(available: u64) -> u64 {
    available / u64::from(ALL) * u64::from(STRUCT_PAGES_SHARE.get())
}
