// SPDX-License-Identifier: GPL-2.0

//! Allocations, and memory, that fail on request.
//!
//! For allocations, the kernel's fault injection, as a process uses it through `/proc/self/fail-nth` and debugfs; see
//! `Documentation/fault-injection/fault-injection.rst`. It reaches the slab (`failslab`) and the page
//! allocator (`fail_page_alloc`, which leaves single pages alone), whoever calls them: Rust or C.

use core::ffi::CStr;
use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::{c_ulong, c_void},
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

/// The faults that are let happen, by the name of their folder in debugfs.
const FAULTS: [&CStr; 2] = [c"failslab", c"fail_page_alloc"];

/// Lets allocations fail that may sleep too, which the kernel leaves alone by default, and keeps the
/// log free of a stack trace for each.
///
/// # Errors
///
/// `ENOENT` if the kernel has no such fault injection.
pub fn enable() -> Result {
    for fault in FAULTS {
        // SAFETY: What `debugfs_create_bool()` and `debugfs_create_ul()` were given for these files in
        // `lib/fault-inject.c`, `mm/failslab.c` and `mm/fail_page_alloc.c`: statics that others write
        // to at any time.
        unsafe {
            value(fault, c"ignore-gfp-wait")?
                .cast::<bool>()
                .write_volatile(false);
            value(fault, c"verbose")?
                .cast::<c_ulong>()
                .write_volatile(0);
        }
    }
    Ok(())
}

/// Returns what the debugfs file `folder/name` shows.
fn value(folder: &CStr, name: &CStr) -> Result<*mut c_void> {
    let folder = Dentry::lookup(folder, core::ptr::null_mut())?;
    let file = Dentry::lookup(name, folder.0)?;
    // SAFETY: A file that exists has an inode, which the reference keeps.
    Ok(unsafe { (*(*file.0).d_inode).i_private })
}

/// A reference to an entry of debugfs.
struct Dentry(*mut bindings::dentry);

impl Dentry {
    fn lookup(name: &CStr, parent: *mut bindings::dentry) -> Result<Self> {
        // SAFETY: The name is a NUL-terminated string; the parent is null or an entry of debugfs.
        let dentry = from_err_ptr(unsafe { bindings::debugfs_lookup(name.as_char_ptr(), parent) })?;
        if dentry.is_null() {
            return Err(ENOENT);
        }
        Ok(Self(dentry))
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        // SAFETY: `debugfs_lookup()` returned a reference.
        unsafe { bindings::dput(self.0) };
    }
}

/// Tells the kernel that a page frame has failed, as a machine check does: `memory_failure()`. May sleep.
///
/// What it answers depends on who uses the page; what the owner of the memory has been told is the
/// same.
pub fn fail_page(pfn: usize) {
    // SAFETY: Takes any page frame.
    unsafe { bindings::memory_failure(pfn, 0) };
}

/// Calls `f`, in which the `nth` allocation that this task makes fails, counted from 1; returns what
/// `f` does, and whether there were as many.
///
/// Asynchronous work, interrupts and other tasks are not concerned.
pub fn with_nth_failing<R>(nth: u32, f: impl FnOnce() -> R) -> (R, bool) {
    // SAFETY: The running task is valid, and only it writes to its counter here.
    let counter = unsafe { &raw mut (*bindings::get_current()).fail_nth };
    // SAFETY: As above.
    unsafe { counter.write_volatile(nth) };
    let result = f();
    // SAFETY: As above.
    let left = unsafe { counter.read_volatile() };
    // SAFETY: As above.
    unsafe { counter.write_volatile(0) };
    (result, left == 0)
}

/// Failed pages that can be mapped again, that one included which cannot; 0 and less: all can.
static MAPPABLE: Atomic<i32> = Atomic::new(0);

/// Calls `f`, in which the `nth` failed page that is to be mapped again cannot be, counted from 1.
///
/// The kernel has no fault injection for that: page tables of the direct map are split when a page is
/// unmapped, and mapping it again needs no memory.
pub fn with_nth_unmappable<R>(nth: i32, f: impl FnOnce() -> R) -> R {
    MAPPABLE.store(nth, Relaxed);
    let result = f();
    MAPPABLE.store(0, Relaxed);
    result
}

/// Whether a failed page may be mapped again.
pub(crate) fn may_map() -> Result {
    match MAPPABLE.fetch_sub(1, Relaxed) {
        1 => Err(ENOMEM),
        _ => Ok(()),
    }
}
