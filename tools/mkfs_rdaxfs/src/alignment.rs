// SPDX-License-Identifier: GPL-2.0

//! Where a device's memory is, as far as huge pages care.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rdaxfs_core::format::{BLOCK_SIZE, CHUNK_BLOCKS};

/// The bytes of a sector in sysfs.
const SECTOR: u64 = 512;
/// A huge page, in bytes.
const HUGE: u64 = CHUNK_BLOCKS * BLOCK_SIZE;

/// The first block of the device whose physical address is a multiple of 2 MiB; [`None`] if no block
/// has such an address, or it is a file's, where it does not matter.
///
/// A partition begins where its table says. The memory of a whole disk begins at a multiple of 2 MiB, which rpmem and
/// nd_pmem see to, and other disks have no memory.
#[must_use]
pub fn first_aligned_block(path: &Path) -> Option<u64> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.file_type().is_block_device() {
        return None;
    }
    let device = metadata.rdev();
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    let sysfs = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/start"));
    let start: u64 = match fs::read_to_string(sysfs) {
        Ok(text) => text.trim().parse().ok()?,
        Err(_) => 0,
    };
    block_after(start.checked_mul(SECTOR)?)
}

/// The first block of a volume at byte `start` that is at a multiple of 2 MiB.
fn block_after(start: u64) -> Option<u64> {
    let to_next = start.next_multiple_of(HUGE) - start;
    (to_next % BLOCK_SIZE == 0).then_some(to_next / BLOCK_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_starts_anywhere() {
        assert_eq!(block_after(0), Some(0));
        assert_eq!(block_after(1 << 20), Some(256));
        assert_eq!(block_after(4096), Some(511));
        assert_eq!(block_after((2 << 20) + 4096 * 100), Some(412));
        assert_eq!(block_after(34 * 512), None);
    }
}
