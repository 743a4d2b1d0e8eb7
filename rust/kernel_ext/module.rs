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
    while !is_unreferenced_within(module, Delta::from_secs(1)) {}
}

/// Waits, in a module's init function, at most `time` for the same, and returns whether it is so.
///
/// For an init function that succeeds: the files of the partition scans are closed a moment later,
/// and until then the module cannot be unloaded.
///
/// May sleep.
pub fn is_unreferenced_within(module: &ThisModule, time: Delta) -> bool {
    /// The reference that is held while the init function runs.
    const OWN: c_int = 1;
    const POLL: Delta = Delta::from_millis(1);

    let mut polls = time.as_millis();
    loop {
        // SAFETY: The module exists, because its code runs.
        if unsafe { bindings::module_refcount(module.as_ptr().cast()) } <= OWN {
            return true;
        }
        if polls <= 0 {
            return false;
        }
        fsleep(POLL);
        polls -= 1;
    }
}
