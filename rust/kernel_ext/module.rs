// SPDX-License-Identifier: GPL-2.0

//! Who uses a module.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use kernel::{
    prelude::*,
    time::{delay::fsleep, Delta},
};
use kernel_bindings as bindings;

/// Waits, in a module's init function, until nobody but that function holds a reference to the
/// module.
///
/// A module whose init function fails is freed whoever uses it. If it has shown a disk, somebody
/// may have opened that: the partition scan, whose file is closed later, or a program that looks at
/// every new device. So a failing init function takes its disks away and then calls this. What the
/// same task has opened is only closed when it returns to user space: whatever opens a disk, which
/// showing one does, has to be done by another, such as a work item.
///
/// May sleep.
pub fn wait_until_unreferenced(module: &ThisModule) {
    /// The reference that is held while the init function runs.
    const OWN: c_int = 1;

    // SAFETY: The module exists, because its code runs.
    while unsafe { bindings::module_refcount(module.as_ptr().cast()) } > OWN {
        fsleep(Delta::from_millis(1));
    }
}
