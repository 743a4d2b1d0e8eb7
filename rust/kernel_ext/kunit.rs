// SPDX-License-Identifier: GPL-2.0

//! What the KUnit suites of drivers stand on: the other side of what a driver implements, and
//! failures on request.
//!
//! The kernel crate's [`macro@kernel::macros::kunit_tests`] makes suites; this is what the cases in
//! them call. A driver answers bios and the DAX core; here are those that ask.
//!
//! | module | holds |
//! |---|---|
//! | [`bio`] | bios that a test makes, for a disk or straight for its driver |
//! | [`dax`] | what file systems ask of a DAX device |
//! | [`fault`] | allocations and pages that fail |
//! | [`trace`] | the stores and fences of [`crate::pmem`], in their order |
//!
//! Compiled only with `CONFIG_RUST_KERNEL_EXT_KUNIT_TEST`.
//!
//! C header: [`include/kunit/test.h`](srctree/include/kunit/test.h)

pub mod bio;
pub mod dax;
pub mod fault;
pub mod trace;

use crate::{
    block::gen_disk::{Disk, Operations},
    sysfs::OpenFile,
};
use kernel::bindings;

/// Marks the running test as skipped, which its report then says with the reason.
///
/// The test goes on, and should return. Nothing happens outside a test.
pub fn mark_skipped(reason: &str) {
    // SAFETY: May be called from anywhere.
    let test = unsafe { bindings::kunit_get_current_test() };
    if test.is_null() {
        return;
    }
    // SAFETY: KUnit's context of the running test, which is this task's own; its comment is a buffer
    // of as many bytes, all zeroes at the start of a case.
    unsafe {
        (*test).status = bindings::kunit_status_KUNIT_SKIPPED;
        for (to, from) in (*test).status_comment.iter_mut().zip(reason.bytes()) {
            *to = from;
        }
    }
}

/// Stands for an open file of a binary attribute, one for each number.
pub fn open_file(number: u64) -> OpenFile {
    OpenFile::from_cookie(number)
}

/// Makes a disk read-only, or writable again, as `blockdev --setro` does. May sleep.
pub fn set_read_only<T: Operations>(disk: &Disk<T>, on: bool) {
    // SAFETY: The whole device is valid as long as the disk, and knows its disk.
    unsafe { bindings::set_disk_ro((*disk.whole()).bd_disk, on) };
}
