// SPDX-License-Identifier: GPL-2.0

//! What is stored without a transaction: bytes of files, to blocks that are the file's. A crash may
//! leave any words of them old.

use core::sync::atomic::Ordering::Relaxed;

use crate::format::{block_offset, BLOCK_SIZE};
use crate::inode::MapState;
use crate::platform::{Platform, Stores};
use crate::volume::Volume;
use crate::Result;

/// Stores of bytes that belong to a file, under the map lock of which there is a holder.
///
/// Before anything says that they are there, [`fence_data`](crate::file::Files::fence_data) follows, or a commit after
/// [`after_data`](super::Transaction::after_data).
pub(crate) struct Data<'v, P> {
    volume: &'v Volume<P>,
}

impl<P: Platform> Volume<P> {
    /// To store bytes of the file whose lock that is.
    pub(crate) fn data(&self, _map: &MapState) -> Data<'_, P> {
        Data { volume: self }
    }

    /// A group has set a bad block aside.
    #[cold]
    pub(crate) fn want_repair(&self, group: u32) {
        self.bad_groups()
            .fetch_or(1 << (group % u64::BITS), Relaxed);
        self.stores().repair_wanted();
    }

    /// Repairs a block that is set aside. No lock of the core is held.
    pub(crate) fn repair_block(&self, block: u64) -> Result {
        self.check_block(block)?;
        self.stores().repair(block_offset(block), BLOCK_SIZE)
    }

    /// Waits until data is durable that this CPU has stored past the cache, or stored and flushed.
    pub(crate) fn fence_data(&self) {
        self.stores().fence();
    }
}

impl<P: Platform> Data<'_, P> {
    /// Stores single bytes through the cache, and starts them on their way to the medium.
    pub(crate) fn store(&self, offset: u64, bytes: impl ExactSizeIterator<Item = u8>) {
        let len = bytes.len() as u64;
        if len == 0 {
            return;
        }
        for (at, byte) in (offset..).zip(bytes) {
            self.volume.stores().store_u8(at, byte);
        }
        self.volume.stores().flush(offset, len);
    }

    /// As [`Stores::copy_nt`].
    pub(crate) fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.volume.stores().copy_nt(offset, bytes)
    }

    /// As [`Stores::zero_nt`].
    pub(crate) fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.volume.stores().zero_nt(offset, len)
    }
}
