// SPDX-License-Identifier: GPL-2.0

//! What is asked of a DAX device that is to give out memory, and why it does not.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

use kernel::{ffi::c_long, prelude::*};
use kernel_bindings as bindings;

/// Why memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// To be read, written or mapped: there must be no poison in it.
    Access,
    /// To be overwritten by [`Operations::recovery_write`](super::Operations::recovery_write), because there is poison in it.
    RecoveryWrite,
}

/// Why memory cannot be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// There is poison in the way (`EHWPOISON`): a reader gets `EIO`, a writer comes again with
    /// [`AccessMode::RecoveryWrite`], a process that maps it gets `SIGBUS`.
    Poison,
    /// The page is not in the device (`ERANGE`).
    OutOfRange,
}

impl AccessMode {
    pub(super) fn from_raw(mode: bindings::dax_access_mode) -> Self {
        if mode == bindings::dax_access_mode_DAX_RECOVERY_WRITE {
            AccessMode::RecoveryWrite
        } else {
            AccessMode::Access
        }
    }
}

impl AccessError {
    pub(super) fn to_errno(self) -> c_long {
        match self {
            AccessError::Poison => -(kernel::bindings::EHWPOISON as c_long),
            AccessError::OutOfRange => ERANGE.to_errno() as c_long,
        }
    }
}
