// SPDX-License-Identifier: GPL-2.0

//! Who uses a module.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use kernel::{
    prelude::*,
    time::{delay::fsleep, Delta},
};

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
///
/// # Examples
///
/// ```
/// use kernel::ModuleMetadata;
/// use kernel_ext::module::wait_until_unreferenced;
///
/// // In code that is a part of the kernel, at once.
/// wait_until_unreferenced(&crate::LocalModule::THIS_MODULE);
/// ```
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
    const POLL: Delta = Delta::from_millis(1);

    let mut polls = time.as_millis();
    loop {
        if !is_referenced(module) {
            return true;
        }
        if polls <= 0 {
            return false;
        }
        fsleep(POLL);
        polls -= 1;
    }
}

/// Whether somebody else than the module's init function, which runs, holds a reference to it.
#[cfg(MODULE)]
fn is_referenced(module: &ThisModule) -> bool {
    /// The reference that is held while the init function runs.
    const OWN: c_int = 1;

    // SAFETY: The module exists, because its code runs.
    unsafe { kernel_bindings::module_refcount(module.as_ptr().cast()) > OWN }
}

/// Nobody holds one to code that is a part of the kernel.
#[cfg(not(MODULE))]
fn is_referenced(_module: &ThisModule) -> bool {
    false
}
