// SPDX-License-Identifier: GPL-2.0

//! The holder of a DAX device: who is told that memory of it fails, or that it is going to be removed.
//!
//! A DAX device has one holder, and a disk has one DAX device, however many partitions it has. So all volumes
//! of file systems in Rust share one holder: a table of volumes, with where each begins on its device. A
//! failure is passed on to the volumes that it is in.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h) (`struct dax_holder_operations`)

use super::DaxDevice;
use crate::{
    compat::code::EOPNOTSUPP,
    fs::{to_errno, FileSystem, SuperBlock},
    SECTOR_SIZE,
};
use core::{
    ffi::{c_int, c_void},
    ops::Range,
    pin::Pin,
    ptr::{self, NonNull},
};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic},
        global_lock, Arc,
    },
};
use kernel_bindings as bindings;

/// What has become of a volume's device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Memory has failed: these bytes of the volume's block device, whole pages.
    Memory(Range<u64>),
    /// The device is going to be removed.
    PreRemove,
}

/// What a file system does when a volume's device fails.
pub trait Operations {
    /// The file system.
    type FileSystem: FileSystem;

    /// The device of a mounted volume fails. The caller is `memory_failure()` or the device's driver, and
    /// holds no lock of a file system; volumes are not registered or released meanwhile.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` has the kernel look for the processes that map the page itself, and kill them; any other
    /// leaves that to the file system.
    fn notify_failure(sb: &SuperBlock<Self::FileSystem>, failure: &Failure) -> Result;
}

/// A volume that is told of failures.
///
/// # Invariants
///
/// `sb` is a super block of the file system that `notify` is for. It is valid while the entry is in the table,
/// and so is its data once it is born.
struct Entry {
    device: Arc<DaxDevice>,
    /// The bytes of the DAX device that are the volume's block device.
    range: Range<u64>,
    sb: *mut bindings::super_block,
    notify: unsafe fn(*mut bindings::super_block, &Failure) -> Result,
}

// SAFETY: What the super block is for may be done in any task.
unsafe impl Send for Entry {}

/// The volumes, and what it takes to end.
struct Table {
    entries: KVec<Entry>,
    /// A DAX device without memory, whose end waits for all that the DAX core is doing.
    last: Option<Unused>,
}

impl Table {
    /// Whether a volume is on a device.
    fn has(&self, dax: NonNull<bindings::dax_device>) -> bool {
        self.entries.iter().any(|entry| entry.device.dax == dax)
    }
}

global_lock! {
    // SAFETY: `init` is called when the module is loaded, before another one can call its functions.
    unsafe(uninit) static TABLE: Mutex<Table> = Table {
        entries: KVec::new(),
        last: None,
    };
}

/// Prepares the table: for the module that has this crate.
///
/// # Safety
///
/// To be called once, before anything else of this module.
pub unsafe fn init() {
    // SAFETY: As the caller promises.
    unsafe { TABLE.init() };
}

/// Waits until the DAX core no longer calls `notify_failure`. For the exit of the module that this crate is
/// linked into, when no volume is mounted. May sleep.
pub fn exit() {
    let last = TABLE.lock().last.take();
    drop(last);
    TABLE.lock().entries = KVec::new();
}

/// A DAX device without memory.
///
/// # Invariants
///
/// It is valid, with a reference that is ours.
struct Unused(NonNull<bindings::dax_device>);

// SAFETY: The DAX core locks.
unsafe impl Send for Unused {}

impl Unused {
    fn new() -> Result<Self> {
        // SAFETY: A device may have no operations, and then needs no data.
        let dax = from_err_ptr(unsafe { bindings::alloc_dax(ptr::null_mut(), ptr::null()) })?;
        // INVARIANT: From `alloc_dax()`, with its first reference.
        Ok(Self(NonNull::new(dax).ok_or(ENOMEM)?))
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is valid, and there is a reference to give back. Killing a device
        // waits for all read-side critical sections of the DAX core, of whatever device.
        unsafe {
            bindings::kill_dax(self.0.as_ptr());
            bindings::put_dax(self.0.as_ptr());
        }
    }
}

/// The holder, for the DAX core: an address that is nobody else's.
fn holder() -> *mut c_void {
    (&raw const TABLE).cast_mut().cast()
}

const OPS: bindings::dax_holder_operations = bindings::dax_holder_operations {
    notify_failure: Some(notify_failure),
};

/// # Safety
///
/// For the DAX core.
unsafe extern "C" fn notify_failure(
    dax: *mut bindings::dax_device,
    offset: u64,
    len: u64,
    flags: c_int,
) -> c_int {
    let failed = offset..offset.saturating_add(len);
    let is_pre_remove = flags & bindings::mf_flags_MF_MEM_PRE_REMOVE as c_int != 0;
    // Where no volume is, another file system may have files mapped.
    let mut result = Err(EOPNOTSUPP);
    let table = TABLE.lock();
    for entry in table.entries.iter() {
        let start = failed.start.max(entry.range.start);
        let end = failed.end.min(entry.range.end);
        // SAFETY: By the type invariant the super block is valid.
        if entry.device.dax.as_ptr() != dax || start >= end || !unsafe { is_born(entry.sb) } {
            continue;
        }
        let failure = if is_pre_remove {
            Failure::PreRemove
        } else {
            Failure::Memory(start - entry.range.start..end - entry.range.start)
        };
        // SAFETY: By the type invariants it is one of the right type; it has its data, because it is born.
        result = unsafe { (entry.notify)(entry.sb, &failure) };
    }
    to_errno(result)
}

/// Whether a volume is mounted: what was done to mount it is seen after this.
///
/// # Safety
///
/// `sb` must be valid.
unsafe fn is_born(sb: *mut bindings::super_block) -> bool {
    const _: () = assert!(size_of::<c_ulong>() == size_of::<i64>());
    // SAFETY: As the caller promises. The word may change at any time; `super_wake()` sets the flag with
    // release ordering.
    let flags = unsafe { Atomic::<i64>::from_ptr((&raw mut (*sb).s_flags).cast()) };
    flags.load(Acquire) as c_ulong & bindings::SB_BORN as c_ulong != 0
}

/// # Safety
///
/// `sb` must be a valid super block of the operations' file system that has its data.
unsafe fn notify<O: Operations>(sb: *mut bindings::super_block, failure: &Failure) -> Result {
    // SAFETY: As the caller promises.
    O::notify_failure(unsafe { SuperBlock::from_raw(sb) }, failure)
}

/// Has a volume told of failures, which is being mounted on a block device with that DAX device.
///
/// # Safety
///
/// `sb` must be a super block of the operations' file system, whose block device is that of `device` and open. It
/// and the data that it gets stay until [`release`].
///
/// # Errors
///
/// `EBUSY` if the device has another holder, or is being removed; `ENOMEM`.
pub(in crate::fs) unsafe fn hold<O: Operations>(
    sb: *mut bindings::super_block,
    device: Arc<DaxDevice>,
) -> Result {
    let mut table = TABLE.lock();
    if table.last.is_none() {
        table.last = Some(Unused::new()?);
    }
    let is_held = table.has(device.dax);
    // SAFETY: The block device is open.
    let len = unsafe { bindings::bdev_nr_sectors((*sb).s_bdev) } * SECTOR_SIZE as u64;
    let range = device.start..device.start.saturating_add(len);
    // INVARIANT: As the caller promises.
    let entry = Entry {
        device,
        range,
        sb,
        notify: notify::<O>,
    };
    table.entries.push(entry, GFP_KERNEL)?;
    if !is_held {
        let mut start = 0;
        // SAFETY: The block device is open; the operations are static, and need nothing but the table.
        let dax = unsafe {
            bindings::fs_dax_get_by_bdev((*sb).s_bdev, &mut start, holder(), const { &OPS })
        };
        if dax.is_null() {
            table.entries.pop();
            return Err(EBUSY);
        }
    }
    Ok(())
}

/// A volume is not told of anything any more when this returns. Does nothing if it never was. May sleep.
pub(in crate::fs) fn release(sb: *mut bindings::super_block) {
    let mut table = TABLE.lock();
    let Some(at) = table.entries.iter().position(|entry| entry.sb == sb) else {
        return;
    };
    let Ok(entry) = table.entries.remove(at) else {
        return;
    };
    let dax = entry.device.dax;
    if !table.has(dax) {
        // SAFETY: The reference of the first volume that held the device; no other volume does.
        unsafe { bindings::fs_put_dax(dax.as_ptr(), holder()) };
    }
}
