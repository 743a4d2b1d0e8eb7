// SPDX-License-Identifier: GPL-2.0

//! I/O accounting for drivers whose I/O is done when `submit_bio` returns.
//!
//! The numbers are those of `bio_start_io_acct()` and `bio_end_io_acct()`, at a seventh of their
//! cost. Those keep a clock of jiffies, and most I/O to memory begins and ends within one: then it
//! took no time, kept the disk busy for none, and all that it changes is how many I/Os and sectors
//! there were. Where a jiffy has passed, they are called, both at the end. What cannot be seen is an
//! I/O while it runs: `inflight` is 0.
//!
//! C header: [`include/linux/part_stat.h`](srctree/include/linux/part_stat.h)

use crate::percpu::this_cpu_add;
use kernel::ffi::{c_uint, c_ulong};
use kernel_bindings as bindings;

/// When an I/O began, in jiffies.
#[derive(Clone, Copy)]
pub(super) struct Begin(c_ulong);

/// Returns the clock.
#[inline]
fn jiffies() -> c_ulong {
    // SAFETY: The variable is always valid for reads; it changes at any time, hence volatile.
    unsafe { (&raw const bindings::jiffies).read_volatile() }
}

/// Begins the accounting of an I/O, if the queue's `iostats` is on.
///
/// # Safety
///
/// `bdev` must be a valid block device.
#[inline]
pub(super) unsafe fn begin(bdev: *mut bindings::block_device) -> Option<Begin> {
    // SAFETY: As the caller promises, and a block device has a queue. The features may change at
    // any time; then this I/O is counted or not.
    let features = unsafe {
        let queue = (*bdev).bd_queue;
        (&raw const (*queue).limits.features).read_volatile()
    };
    (features & bindings::BLK_FEAT_IO_STAT != 0).then(|| Begin(jiffies()))
}

/// Ends the accounting of an I/O of `sectors` sectors.
///
/// # Safety
///
/// `bdev` must be a valid block device, the one that `begin` was about.
#[inline]
pub(super) unsafe fn end(
    bdev: *mut bindings::block_device,
    op: bindings::req_op,
    sectors: u32,
    begin: Begin,
) {
    if jiffies() != begin.0 {
        // SAFETY: As the caller promises.
        return unsafe { end_later(bdev, op, sectors, begin) };
    }
    // What is written has odd numbers; a driver of this kind takes no discards, which are a group of
    // their own.
    let group = (op & 1) as usize;
    // SAFETY: As the caller promises; a block device has statistics, and a partition a whole.
    unsafe {
        count((*bdev).bd_stats, group, sectors);
        if (&raw const (*bdev).__bd_flags.counter).read_volatile() & bindings::BD_PARTNO as i32 != 0
        {
            count((*(*(*bdev).bd_disk).part0).bd_stats, group, sectors);
        }
    }
}

/// # Safety
///
/// `stats` must be the statistics of a block device.
#[inline]
unsafe fn count(stats: *mut bindings::disk_stats, group: usize, sectors: u32) {
    // SAFETY: As the caller promises these are per-CPU counters. `group` is 0 or 1, of 3. The C side
    // changes them in the same way.
    unsafe {
        let ios = (&raw mut (*stats).ios).cast::<c_ulong>();
        let all_sectors = (&raw mut (*stats).sectors).cast::<c_ulong>();
        this_cpu_add(ios.wrapping_add(group), 1);
        this_cpu_add(all_sectors.wrapping_add(group), sectors as c_ulong);
    }
}

/// # Safety
///
/// As [`end`].
#[cold]
unsafe fn end_later(
    bdev: *mut bindings::block_device,
    op: bindings::req_op,
    sectors: c_uint,
    begin: Begin,
) {
    // SAFETY: As the caller promises.
    unsafe {
        bindings::bdev_start_io_acct(bdev, op, begin.0);
        bindings::bdev_end_io_acct(bdev, op, sectors, begin.0);
    }
}
