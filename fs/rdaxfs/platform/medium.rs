// SPDX-License-Identifier: GPL-2.0

//! The medium: persistent memory that the kernel has mapped.
//!
//! The order in which stores become durable that the core relies on is that of one CPU, where the core stays from its
//! first store to the fence.

use kernel_ext::{
    fs::dax::Mapping,
    pmem,
    sched::{migrate_disable, migrate_enable},
};
use rdaxfs_core::{
    format::CHUNK_BLOCKS,
    platform::{Medium as CoreMedium, Stores},
    Result,
};

use super::Platform;
use crate::error::medium as failed;

/// The memory of a device.
pub(crate) struct Medium(Mapping);

impl Medium {
    /// That memory.
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self(mapping)
    }

    /// The memory.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.0
    }
}

impl CoreMedium for Medium {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.0.read(offset, into).map_err(failed)
    }

    fn load_u64(&self, offset: u64) -> Result<u64> {
        self.0.load_u64(offset).map_err(failed)
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.0.check_poison(offset, len).map_err(failed)
    }

    fn align_offset(&self) -> Option<u32> {
        // Blocks and pages are alike where there is DAX.
        let behind = self.0.first_pfn() % CHUNK_BLOCKS;
        Some(((CHUNK_BLOCKS - behind) % CHUNK_BLOCKS) as u32)
    }
}

impl CoreMedium for Platform {
    fn len(&self) -> u64 {
        self.medium.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.medium.read(offset, into)
    }

    #[inline]
    fn load_u64(&self, offset: u64) -> Result<u64> {
        self.medium.load_u64(offset)
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.medium.check_poison(offset, len)
    }

    fn align_offset(&self) -> Option<u32> {
        self.medium.align_offset()
    }
}

impl Stores for Platform {
    fn pin(&self) {
        migrate_disable();
    }

    fn unpin(&self) {
        migrate_enable();
    }

    fn store_u64(&self, offset: u64, value: u64) {
        self.mapping().store_u64(offset, value);
    }

    fn store_u8(&self, offset: u64, value: u8) {
        self.mapping().store_u8(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.mapping().copy_nt(offset, bytes).map_err(failed)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.mapping().zero_nt(offset, len).map_err(failed)
    }

    fn flush(&self, offset: u64, len: u64) {
        self.mapping().flush(offset, len);
    }

    fn fence(&self) {
        pmem::pmem_wmb();
    }
}
