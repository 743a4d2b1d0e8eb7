// SPDX-License-Identifier: GPL-2.0

//! How the pages of a process are mapped.
//!
//! C header: `include/uapi/linux/fs.h`, `PAGEMAP_SCAN`; `Documentation/admin-guide/mm/pagemap.rst`.
//!
//! `/proc/PID/smaps` does not count huge pages of DAX: `FilePmdMapped` leaves pages of devices out.

use rustix::fd::AsFd;
use rustix::io;
use rustix::ioctl::{ioctl, opcode, Opcode, Updater};
use std::ops::Range;

/// `PAGE_IS_PRESENT`.
const PRESENT: u64 = 1 << 3;
/// `PAGE_IS_HUGE`.
const HUGE: u64 = 1 << 6;

/// What of a range of addresses is mapped, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// By pages of any size.
    pub all: u64,
    /// By huge pages.
    pub huge: u64,
}

/// `struct page_region`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Request {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// How many regions one call may bring.
const AT_ONCE: usize = 256;

/// `PAGEMAP_SCAN`.
const PAGEMAP_SCAN: Opcode = opcode::read_write::<Request>(b'f', 16);

/// What of a range of addresses is mapped in the process whose `/proc/PID/pagemap` is open. The range is made of whole pages.
///
/// # Errors
///
/// `ENOTTY` before Linux 6.7; others as ioctl(2) says.
pub fn mapped(pagemap: impl AsFd, range: Range<u64>) -> io::Result<Mapped> {
    let mut mapped = Mapped::default();
    let mut start = range.start;
    while start < range.end {
        let (regions, walked) = scan(&pagemap, start..range.end)?;
        for region in regions {
            let bytes = region.end.saturating_sub(region.start);
            mapped.all += bytes;
            if region.categories & HUGE != 0 {
                mapped.huge += bytes;
            }
        }
        // A kernel that does not come on must not be asked for ever.
        if walked <= start {
            break;
        }
        start = walked;
    }
    Ok(mapped)
}

/// The regions of pages that are present, and up to where they were looked for.
fn scan(pagemap: impl AsFd, range: Range<u64>) -> io::Result<(Vec<Region>, u64)> {
    let mut regions = [Region::default(); AT_ONCE];
    let mut request = Request {
        size: size_of::<Request>() as u64,
        flags: 0,
        start: range.start,
        end: range.end,
        walk_end: 0,
        vec: regions.as_mut_ptr().expose_provenance() as u64,
        vec_len: AT_ONCE as u64,
        max_pages: 0,
        category_inverted: 0,
        category_mask: PRESENT,
        category_anyof_mask: 0,
        return_mask: PRESENT | HUGE,
    };
    // SAFETY: PAGEMAP_SCAN takes a `struct pm_scan_arg`, which `Request` is, of the length that `size` says. It writes to
    // that and to at most `vec_len` regions at `vec`, which is the length of `regions`; that lives until after the call, and
    // nothing else refers to it meanwhile. Any bit pattern is a valid value of their fields, which are integers. Without
    // flags it changes nothing of the process.
    unsafe { ioctl(pagemap, Updater::<PAGEMAP_SCAN, _>::new(&mut request))? };
    // What was not filled in is empty.
    let filled = regions.iter().filter(|region| region.end > region.start);
    Ok((filled.copied().collect(), request.walk_end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn layout_is_the_header_s() {
        assert_eq!(size_of::<Request>(), 96);
        assert_eq!(PAGEMAP_SCAN, 0xC060_6610);
    }

    #[test]
    fn what_was_touched_is_mapped() {
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        let bytes = vec![1_u8; 1 << 20];
        let start = (bytes.as_ptr().addr() as u64).next_multiple_of(4096);
        match mapped(&pagemap, start..start + (1 << 19)) {
            Ok(mapped) => assert_eq!(mapped.all, 1 << 19),
            // Before Linux 6.7.
            Err(error) => assert_eq!(error, io::Errno::NOTTY),
        }
        assert_eq!(bytes.last(), Some(&1));
    }
}
