// SPDX-License-Identifier: GPL-2.0

//! A medium that fails or counts on demand.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::{Error, Result};
use rdaxfs_host::Dram;

/// Memory whose accesses can be made to fail.
pub(crate) struct Trial {
    dram: Dram,
    /// How many names have one hash: the hash is that of a name's first byte modulo this; 0: the
    /// names' own.
    hashes: u64,
    /// So many accesses succeed, then one fails.
    budget: AtomicU64,
    failed: AtomicBool,
    /// Bytes and calls, to compare costs with.
    pub(crate) reads: AtomicU64,
    pub(crate) read_bytes: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) fences: AtomicU64,
}

impl Trial {
    /// Memory of so many blocks that does not fail yet.
    pub(crate) fn new(blocks: u64, hashes: u64) -> Self {
        Self {
            dram: Dram::new(blocks * BLOCK_SIZE),
            hashes,
            budget: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            reads: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            fences: AtomicU64::new(0),
        }
    }

    fn access(&self) -> Result {
        let left = self.budget.load(Relaxed);
        if left == 0 {
            self.failed.store(true, Relaxed);
            self.budget.store(u64::MAX, Relaxed);
            return Err(Error::Io);
        }
        self.budget.store(left.wrapping_sub(1), Relaxed);
        Ok(())
    }

    /// Makes the access after so many fail.
    pub(crate) fn fail_after(&self, accesses: u64) {
        self.failed.store(false, Relaxed);
        self.budget.store(accesses, Relaxed);
    }

    /// Does something whose accesses do not fail or count.
    pub(crate) fn uncounted<R>(&self, body: impl FnOnce() -> R) -> R {
        let counters = [&self.reads, &self.read_bytes, &self.budget];
        let before = counters.map(|counter| counter.load(Relaxed));
        self.budget.store(u64::MAX, Relaxed);
        let result = body();
        for (counter, before) in counters.into_iter().zip(before) {
            counter.store(before, Relaxed);
        }
        result
    }

    /// Whether one has failed; none does any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.budget.store(u64::MAX, Relaxed);
        self.failed.load(Relaxed)
    }
}

impl Medium for Trial {
    fn len(&self) -> u64 {
        self.dram.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.access()?;
        self.reads.fetch_add(1, Relaxed);
        self.read_bytes.fetch_add(into.len() as u64, Relaxed);
        self.dram.read(offset, into)
    }
}

impl Stores for Trial {
    fn store_u64(&self, offset: u64, value: u64) {
        self.written_bytes.fetch_add(8, Relaxed);
        self.dram.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.access()?;
        self.written_bytes.fetch_add(bytes.len() as u64, Relaxed);
        self.dram.copy_nt(offset, bytes)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.access()?;
        self.dram.zero_nt(offset, len)
    }

    fn flush(&self, offset: u64, len: u64) {
        self.dram.flush(offset, len);
    }

    fn fence(&self) {
        self.fences.fetch_add(1, Relaxed);
        self.dram.fence();
    }
}

impl Digest for Trial {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.dram.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        match bytes.first() {
            Some(&first) if self.hashes > 0 => (u64::from(first) % self.hashes) << 40,
            _ => self.dram.siphash(key, bytes),
        }
    }
}
