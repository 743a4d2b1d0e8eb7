// SPDX-License-Identifier: GPL-2.0

//! What a disk says of itself to the block core and to those who lay something out on it.
//!
//! The medium has no preference that would matter for I/O. Where something begins matters for
//! mappings: 2 MiB of a file are mapped by one entry of the page table only if they lie at a multiple of
//! 2 MiB, and mkfs, partitioning programs and LVM look for such a preference in `optimal_io_size` and
//! `minimum_io_size`. mkfs.ext4 and partitioning programs take the former; mkfs.xfs wants both.
//!
//! The latter has a price. A partition that begins at 1 MiB is misaligned then, for mkfs.xfs (which
//! wants `-f`) and for device mapper (which warns). And mkfs.xfs makes at least 8 allocation groups,
//! each of which must hold the log: below some 560 MiB it refuses. So disks that small do not ask for
//! it.

use kernel::sizes::{SZ_1G, SZ_2M};
use kernel_ext::{
    block::gen_disk::{Feature, Limits},
    PAGE_SIZE, SECTOR_SIZE,
};

/// Bytes that one entry of the page table maps above the pages.
const HUGE: u32 = SZ_2M as u32;

/// The smallest disk, in sectors, whose `minimum_io_size` is [`HUGE`]: 1 GiB.
const HUGE_FROM: u64 = (SZ_1G / SECTOR_SIZE) as u64;

/// The limits of a disk of `capacity` sectors, with logical blocks of as many bytes.
pub fn of(capacity: u64, logical_block_size: u32, read_only: bool) -> Limits {
    let page = PAGE_SIZE as u32;
    Limits {
        logical_block_size,
        physical_block_size: page,
        io_min: if capacity < HUGE_FROM { page } else { HUGE },
        io_opt: HUGE,
        capacity,
        read_only,
        features: Feature::WriteCache
            | Feature::Fua
            | Feature::Synchronous
            | Feature::NoWait
            | Feature::IoStat,
        write_zeroes: true,
    }
}
