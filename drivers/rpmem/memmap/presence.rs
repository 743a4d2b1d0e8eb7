// SPDX-License-Identifier: GPL-2.0

//! Whether there is memory behind a region: what [`rpmem_regions::presence`] asks, on the medium.
//!
//! A line of zeroes or ones is written and restored. Should the machine lose power in between, it holds
//! a pattern afterwards: a microsecond for each such line, at load only.

use kernel::prelude::*;
use kernel_ext::{
    memremap::{Operations, PageMap},
    pmem::{self, Window},
    sched::cond_resched,
};
use rpmem_regions::presence::{is_telling, lines, pattern, LINE};

/// Lines that are looked at before the scheduler is asked.
const BATCH: usize = 1024;

/// Returns the offset of the first line that has no memory behind it, among those that are looked at;
/// `None` if there is none.
///
/// `may_write` is whether lines of zeroes or ones may be written; without it they count as memory. The
/// region must be claimed, and nobody use it yet. May sleep.
pub(crate) fn first_absent<T: Operations>(pages: &PageMap<T>, may_write: bool) -> Option<u64> {
    for (nth, offset) in lines(pages.len() as u64).enumerate() {
        if nth % BATCH == BATCH - 1 {
            cond_resched();
        }
        // In the region, whose size is a `usize`.
        let line = pages.window(offset as usize, LINE)?;
        if !is_present(line, offset, may_write) {
            return Some(offset);
        }
    }
    None
}

fn is_present(line: Window<'_>, offset: u64, may_write: bool) -> bool {
    let mut held = [0; LINE];
    // Memory that has failed is memory.
    if read(line, &mut held).is_err() || is_telling(&held) || !may_write {
        return true;
    }
    let wanted = pattern(offset);
    let mut found = [0; LINE];
    let answered = write(line, &wanted).and_then(|()| {
        line.invalidate();
        read(line, &mut found)
    });
    let restored = write(line, &held);
    // As above: a machine check is an answer.
    restored.is_ok() && (answered.is_err() || found == wanted)
}

fn read(mut line: Window<'_>, bytes: &mut [u8; LINE]) -> Result {
    line.read(bytes)
}

/// Writes a line, which is durable then.
fn write(mut line: Window<'_>, bytes: &[u8; LINE]) -> Result {
    line.write(bytes)?;
    pmem::pmem_wmb();
    Ok(())
}
