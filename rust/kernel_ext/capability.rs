// SPDX-License-Identifier: GPL-2.0

//! What the calling task may do.
//!
//! C header: [`include/linux/capability.h`](srctree/include/linux/capability.h)

use kernel::ffi::c_int;
use kernel_bindings as bindings;

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(c_int);

impl Capability {
    /// Administration of the system (`CAP_SYS_ADMIN`).
    pub const SYS_ADMIN: Self = Self(bindings::CAP_SYS_ADMIN as c_int);

    /// Whether the calling task has it in the first user namespace.
    ///
    /// For what is refused without it, which is noted as its use.
    pub fn is_had(self) -> bool {
        // SAFETY: The number is that of a capability.
        unsafe { bindings::capable(self.0) }
    }

    /// As [`is_had`](Self::is_had), for what is only left out without it: nothing is noted.
    pub fn is_had_noaudit(self) -> bool {
        // SAFETY: The number is that of a capability; the first user namespace always is.
        unsafe { bindings::ns_capable_noaudit(&raw mut bindings::init_user_ns, self.0) }
    }
}
