// SPDX-License-Identifier: GPL-2.0

//! A medium that fails, and that counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rdaxfs_core::format::{Time, BLOCK_SIZE};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{Dram, Host};

/// A medium of which a page is poisoned, or one read fails, and whose reads are counted.
pub(crate) struct Flaky {
    dram: Dram,
    /// So many more reads succeed before one fails.
    pub(crate) good_reads: AtomicU64,
    /// The poisoned page's offset.
    pub(crate) poison: AtomicU64,
    /// So many reads are enough for anything that ends.
    pub(crate) reads_left: AtomicU64,
    /// The number of reads.
    pub(crate) reads: AtomicU64,
    /// The length of the longest one.
    pub(crate) longest_read: AtomicU64,
}

pub(crate) const NEVER: u64 = u64::MAX;

impl Medium for Flaky {
    fn len(&self) -> u64 {
        self.dram.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        let len = into.len() as u64;
        self.reads.fetch_add(1, Relaxed);
        let before = self.reads_left.fetch_sub(1, Relaxed);
        assert!(before > 0, "an operation does not end");
        self.longest_read.fetch_max(len, Relaxed);
        let poison = self.poison.load(Relaxed);
        if poison != NEVER && poison < offset + len && offset < poison + BLOCK_SIZE {
            return Err(Error::Io);
        }
        let left = self.good_reads.load(Relaxed);
        if left != NEVER {
            let after = left.checked_sub(1).unwrap_or(NEVER);
            self.good_reads.store(after, Relaxed);
            if left == 0 {
                return Err(Error::Io);
            }
        }
        self.dram.read(offset, into)
    }
}

impl Stores for Flaky {
    fn store_u64(&self, offset: u64, value: u64) {
        self.dram.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        let poison = self.poison.load(Relaxed);
        if poison != NEVER && (poison..poison + BLOCK_SIZE).contains(&offset) {
            return Err(Error::Io);
        }
        self.dram.copy_nt(offset, bytes)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        let poison = self.poison.load(Relaxed);
        if poison != NEVER && offset <= poison && poison + BLOCK_SIZE <= offset + len {
            self.poison.store(NEVER, Relaxed);
        }
        self.dram.zero_nt(offset, len)
    }

    fn flush(&self, _offset: u64, _len: u64) {}

    fn fence(&self) {}
}

impl Digest for Flaky {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.dram.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.dram.siphash(key, bytes)
    }
}

/// A volume of so many MiB on a medium that does not fail yet, mounted.
pub(crate) fn flaky_volume(mib: u64) -> (Volume<Host<Flaky>>, Box<Workspace>) {
    let medium = Flaky {
        dram: Dram::new(mib << 20),
        good_reads: AtomicU64::new(NEVER),
        poison: AtomicU64::new(NEVER),
        reads_left: AtomicU64::new(u64::MAX),
        reads: AtomicU64::new(0),
        longest_read: AtomicU64::new(0),
    };
    make(&medium, &Options::new(medium.dram.blocks())).unwrap();
    mount(medium).unwrap()
}

/// Mounts the volume on a medium.
///
/// # Errors
///
/// Those of [`probe`] and [`mount::mount`].
pub(crate) fn mount(medium: Flaky) -> Result<(Volume<Host<Flaky>>, Box<Workspace>)> {
    let mut workspace = Box::new(Workspace::new());
    let superblock = probe(&medium)?;
    let host = Host::new(medium, &superblock);
    let volume = mount::mount(host, Access::ReadWrite, Time::new(1, 0), &mut workspace)?;
    Ok((volume, workspace))
}
