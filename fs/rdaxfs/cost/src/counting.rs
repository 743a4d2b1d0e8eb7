// SPDX-License-Identifier: GPL-2.0

//! A medium that counts what is done to it.

use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use rdaxfs_core::platform::{Digest, Medium, Stores, CACHE_LINE};
use rdaxfs_core::Result;

/// What has been done to a medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize))]
pub struct Counts {
    /// Fences.
    pub fences: u64,
    /// Lines flushed, each as often as it was.
    pub lines: u64,
    /// Words stored through the cache.
    pub stores: u64,
    /// Bytes written past the cache.
    pub past_cache: u64,
    /// Reads.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
}

impl Counts {
    fn both(self, other: Self, then: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            fences: then(self.fences, other.fences),
            lines: then(self.lines, other.lines),
            stores: then(self.stores, other.stores),
            past_cache: then(self.past_cache, other.past_cache),
            reads: then(self.reads, other.reads),
            read_bytes: then(self.read_bytes, other.read_bytes),
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.both(other, u64::saturating_add)
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.both(other, u64::saturating_sub)
    }
}

/// The counters of a medium, to be read while a volume has it.
#[derive(Clone, Default)]
pub struct Counters(Arc<Cells>);

#[derive(Default)]
struct Cells {
    fences: AtomicU64,
    lines: AtomicU64,
    stores: AtomicU64,
    past_cache: AtomicU64,
    reads: AtomicU64,
    read_bytes: AtomicU64,
}

impl Counters {
    /// What they show.
    #[must_use]
    pub fn read(&self) -> Counts {
        let cells = &self.0;
        Counts {
            fences: cells.fences.load(Relaxed),
            lines: cells.lines.load(Relaxed),
            stores: cells.stores.load(Relaxed),
            past_cache: cells.past_cache.load(Relaxed),
            reads: cells.reads.load(Relaxed),
            read_bytes: cells.read_bytes.load(Relaxed),
        }
    }
}

/// A medium that counts.
pub struct Counting<M> {
    medium: M,
    counters: Counters,
}

impl<M> Counting<M> {
    /// The medium, and where it counts.
    pub fn new(medium: M) -> (Self, Counters) {
        let counters = Counters::default();
        let counting = Self {
            medium,
            counters: counters.clone(),
        };
        (counting, counters)
    }

    fn cells(&self) -> &Cells {
        &self.counters.0
    }
}

const LINE: u64 = CACHE_LINE as u64;

impl<M: Medium> Medium for Counting<M> {
    fn len(&self) -> u64 {
        self.medium.len()
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.medium.check_poison(offset, len)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.cells().reads.fetch_add(1, Relaxed);
        self.cells()
            .read_bytes
            .fetch_add(into.len() as u64, Relaxed);
        self.medium.read(offset, into)
    }
}

impl<M: Stores> Stores for Counting<M> {
    fn store_u64(&self, offset: u64, value: u64) {
        self.cells().stores.fetch_add(1, Relaxed);
        self.medium.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.cells()
            .past_cache
            .fetch_add(bytes.len() as u64, Relaxed);
        self.medium.copy_nt(offset, bytes)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.cells().past_cache.fetch_add(len, Relaxed);
        self.medium.zero_nt(offset, len)
    }

    fn flush(&self, offset: u64, len: u64) {
        let lines = (offset + len).div_ceil(LINE) - offset / LINE;
        self.cells().lines.fetch_add(lines, Relaxed);
        self.medium.flush(offset, len);
    }

    fn fence(&self) {
        self.cells().fences.fetch_add(1, Relaxed);
        self.medium.fence();
    }
}

impl<M: Digest> Digest for Counting<M> {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.medium.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.medium.siphash(key, bytes)
    }
}
