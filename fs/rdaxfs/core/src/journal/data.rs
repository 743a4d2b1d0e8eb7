// SPDX-License-Identifier: GPL-2.0

//! What is stored without a transaction: bytes of files, to blocks that are the file's. A crash may
//! leave any words of them old.

use crate::inode::MapState;
use crate::platform::{Platform, Stores};
use crate::volume::Volume;
use crate::Result;

/// Stores of bytes that belong to a file, under the map lock of which there is a holder.
///
/// Before anything says that they are there, [`Volume::fence_data`] follows, or a commit after
/// [`after_data`](super::Transaction::after_data).
pub(crate) struct Data<'v, P> {
    volume: &'v Volume<P>,
}

impl<P: Platform> Volume<P> {
    /// To store bytes of the file whose lock that is.
    pub(crate) fn data(&self, _map: &MapState) -> Data<'_, P> {
        Data { volume: self }
    }

    /// Waits until data is durable that this CPU has stored past the cache, or stored and flushed.
    pub fn fence_data(&self) {
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
