// SPDX-License-Identifier: GPL-2.0

//! Taking pages of the medium from a file: first from all who have them mapped or transfer to them.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h) (`dax_break_layout()`)

use super::DaxDevice;
use crate::{
    fs::{file_system::FileSystem, invalidate_lock::InvalidateGuard},
    pmem,
};
use core::{mem::MaybeUninit, ops::Range};
use kernel::{error::to_result, ffi::c_long, prelude::*, time::msecs_to_jiffies};
use kernel_bindings as bindings;

/// Size of the largest page that a mapping has, in bytes: a DAX entry is for so many at most.
const HUGE_PAGE: u64 = 2 << 20;

/// How long a busy page is waited for before the range is unmapped again, in milliseconds.
const LONGEST_WAIT_MS: u32 = 20;

impl<T: FileSystem> InvalidateGuard<'_, T> {
    /// Unmaps the pages with the bytes of a range, waits until no transfer to or from them goes on, and
    /// deletes their DAX entries. Pages behind the range's end at `u64::MAX` are all there are. When this
    /// returns, no task has them, and none gets them while the guard exists.
    ///
    /// What has been stored to bytes beside the range that share a page with it is durable then.
    ///
    /// Does nothing for an inode whose pages are in the page cache. Lets faults go on while it waits. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` if a signal comes while it waits; `EIO`.
    pub fn break_layout(&mut self, device: &DaxDevice, range: &Range<u64>) -> Result {
        self.break_pages(device, range, Self::write_back_edges)
    }

    /// As [`break_layout`](Self::break_layout), and what has been stored to the range itself is durable as well: it
    /// stays the file's.
    ///
    /// # Errors
    ///
    /// As [`break_layout`](Self::break_layout).
    pub fn unmap_pages(&mut self, device: &DaxDevice, range: &Range<u64>) -> Result {
        self.break_pages(device, range, Self::write_back_all)
    }

    fn break_pages(
        &mut self,
        device: &DaxDevice,
        range: &Range<u64>,
        write_back: fn(&Self, &DaxDevice, &Range<u64>) -> Result,
    ) -> Result {
        if range.is_empty() || !self.is_dax() || self.is_empty() {
            return Ok(());
        }
        let first = range.start as i64;
        let last = match range.end {
            u64::MAX => i64::MAX,
            end => end.saturating_sub(1) as i64,
        };
        loop {
            write_back(self, device, range)?;
            // Entries are deleted only if no page is busy, and what was written back just now has no stores
            // since then: they need a fault.
            // SAFETY: The inode is valid, and its pages locked, as the function wants it.
            let broken = unsafe { bindings::dax_break_layout(self.as_ptr(), first, last, None) };
            match to_result(broken) {
                Err(error) if error == ERESTARTSYS => self.wait_until_idle(first, last)?,
                broken => return broken,
            }
        }
    }

    /// Writes back what is dirty in entries that are in the range in part.
    fn write_back_edges(&self, device: &DaxDevice, range: &Range<u64>) -> Result {
        let before = range.start & !(HUGE_PAGE - 1);
        if before != range.start {
            self.write_back(device, &(before..range.start))?;
        }
        if let Some(behind) = range.end.checked_next_multiple_of(HUGE_PAGE) {
            self.write_back(device, &(range.end..behind))?;
        }
        Ok(())
    }

    /// Writes back what is dirty in the range, and in entries that are in it in part.
    fn write_back_all(&self, device: &DaxDevice, range: &Range<u64>) -> Result {
        self.write_back_edges(device, range)?;
        self.write_back(device, range)
    }

    fn write_back(&self, device: &DaxDevice, range: &Range<u64>) -> Result {
        if range.is_empty() || range.end > i64::MAX as u64 {
            return Ok(());
        }
        let mut control = MaybeUninit::<bindings::writeback_control>::zeroed();
        let control = control.as_mut_ptr();
        // SAFETY: Zeroes are a control of nothing yet; the mapping of a valid inode is valid, and the device that
        // of the file's blocks.
        let written = unsafe {
            (*control).nr_to_write = c_long::MAX;
            (*control).range_start = range.start as i64;
            (*control).range_end = range.end as i64 - 1;
            (*control).sync_mode = bindings::writeback_sync_modes_WB_SYNC_ALL;
            bindings::dax_writeback_mapping_range(self.mapping(), device.as_ptr(), control)
        };
        pmem::pmem_wmb();
        to_result(written)
    }

    /// Waits a while for a page of the range that is busy, if there is one. Faults go on meanwhile.
    ///
    /// Only a page that nobody has wakes who waits for it. A task that touches the page has it mapped again, so
    /// that the last transfer may end without that: hence the time limit.
    fn wait_until_idle(&mut self, first: i64, last: i64) -> Result {
        let mapping = self.mapping();
        // SAFETY: The inode is valid, and its pages locked, as the function wants it.
        let page = unsafe { bindings::dax_layout_busy_page_range(mapping, first, last) };
        if page.is_null() {
            return Ok(());
        }
        let limit = msecs_to_jiffies(LONGEST_WAIT_MS) as c_long;
        // SAFETY: By the type invariant this task holds the lock, and does so again at the end. The page stays,
        // since the device's struct pages do.
        let left = unsafe {
            bindings::filemap_invalidate_unlock(mapping);
            let left = bindings::wait_dax_page_idle(page, limit);
            bindings::filemap_invalidate_lock(mapping);
            left
        };
        if left < 0 {
            return Err(Error::from_errno(left as c_int));
        }
        Ok(())
    }
}
