// SPDX-License-Identifier: GPL-2.0

//! Block devices that somebody has opened.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use crate::SECTOR_SIZE;
use kernel::{error::to_result, prelude::*, str::CStr, types::Opaque};
use kernel_bindings as bindings;

/// A block device.
///
/// # Invariants
///
/// It is open while there is a reference to this.
#[repr(transparent)]
pub struct BlockDevice(Opaque<bindings::block_device>);

// SAFETY: What may be called on a shared reference may be called from any thread.
unsafe impl Sync for BlockDevice {}

impl BlockDevice {
    /// # Safety
    ///
    /// `device` must be open for `'a`.
    pub(crate) unsafe fn from_raw<'a>(device: *mut bindings::block_device) -> &'a Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*device.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::block_device {
        self.0.get()
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        // SAFETY: By the type invariant it is open.
        unsafe { bindings::bdev_nr_sectors(self.as_ptr()) * SECTOR_SIZE as u64 }
    }

    /// The length in bytes of what the device reads and writes as a whole.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: By the type invariant it is open.
        unsafe { bindings::bdev_logical_block_size(self.as_ptr()) }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it cannot be written.
    pub fn is_read_only(&self) -> bool {
        // SAFETY: By the type invariant it is open.
        unsafe { bindings::bdev_read_only(self.as_ptr()) }
    }

    /// The name of the disk that it is, or that it is a partition of.
    pub fn disk_name(&self) -> &CStr {
        // SAFETY: By the type invariant it is open, and so it has a disk, whose name ends with a NUL.
        unsafe {
            let disk = (*self.as_ptr()).bd_disk;
            CStr::from_char_ptr((&raw const (*disk).disk_name).cast())
        }
    }

    /// Writes what the page cache of the device has, and drops the cache, so that the medium can be
    /// read directly. May sleep.
    ///
    /// # Errors
    ///
    /// `EIO`.
    pub fn sync_and_invalidate(&self) -> Result {
        // SAFETY: By the type invariant it is open.
        unsafe {
            to_result(bindings::sync_blockdev(self.as_ptr()))?;
            bindings::invalidate_bdev(self.as_ptr());
        }
        Ok(())
    }

    /// Asks the device to make durable what it has. May sleep.
    ///
    /// # Errors
    ///
    /// Those of the device.
    pub fn flush(&self) -> Result {
        // SAFETY: By the type invariant it is open.
        to_result(unsafe { bindings::blkdev_issue_flush(self.as_ptr()) })
    }

    /// Freezes the file system that is on it, until the guard is dropped: it is in order, and nothing is stored.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn freeze(&self) -> Result<FrozenDevice<'_>> {
        // SAFETY: By the type invariant it is open.
        to_result(unsafe { bindings::bdev_freeze(self.as_ptr()) })?;
        // INVARIANT: Frozen just now.
        Ok(FrozenDevice(self))
    }
}

/// A device whose file system is frozen.
///
/// # Invariants
///
/// It is thawed by this.
#[must_use = "the file system is thawed when this is dropped"]
pub struct FrozenDevice<'a>(&'a BlockDevice);

impl Drop for FrozenDevice<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is open, and was frozen for this. A file system that cannot be thawed
        // says so itself.
        unsafe { bindings::bdev_thaw(self.0.as_ptr()) };
    }
}
