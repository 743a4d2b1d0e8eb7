// SPDX-License-Identifier: GPL-2.0

//! A medium that notes which of its blocks are read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use rdaxfs_core::format::{BLOCK_BYTES, BLOCK_SHIFT};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::Result;

/// A medium, and the blocks of it that were read for what they hold.
///
/// Larger reads are those of a survey that looks for inode chunks, most of which are of file data.
pub(super) struct Watched<M> {
    medium: M,
    blocks: RefCell<BTreeSet<u64>>,
}

impl<M> Watched<M> {
    pub(super) fn new(medium: M) -> Self {
        Self {
            medium,
            blocks: RefCell::default(),
        }
    }

    /// The blocks that were read.
    pub(super) fn into_blocks(self) -> BTreeSet<u64> {
        self.blocks.into_inner()
    }
}

impl<M: Medium> Medium for Watched<M> {
    fn len(&self) -> u64 {
        self.medium.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        if into.len() <= BLOCK_BYTES {
            self.blocks.borrow_mut().insert(offset >> BLOCK_SHIFT);
        }
        self.medium.read(offset, into)
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.medium.check_poison(offset, len)
    }
}

impl<M: Stores> Stores for Watched<M> {
    fn store_u64(&self, offset: u64, value: u64) {
        self.medium.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.medium.copy_nt(offset, bytes)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.medium.zero_nt(offset, len)
    }

    fn flush(&self, offset: u64, len: u64) {
        self.medium.flush(offset, len);
    }

    fn fence(&self) {
        self.medium.fence();
    }
}

impl<M: Digest> Digest for Watched<M> {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.medium.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.medium.siphash(key, bytes)
    }
}
