// SPDX-License-Identifier: GPL-2.0

//! The memory that an operation works in.

use zerocopy_derive::FromZeros;

use crate::format::BLOCK_BYTES;
use crate::journal::Log;

/// Scratch memory for one operation at a time: 12 KiB that the caller has, so that no operation
/// allocates, and none needs a large stack. What it holds between operations means nothing.
#[derive(FromZeros)]
pub struct Workspace {
    /// The transaction's list.
    pub(crate) log: Log,
    /// A node that is being made or read as a whole.
    pub(crate) node: [u8; BLOCK_BYTES],
    /// Another one, for splits.
    pub(crate) other: [u8; BLOCK_BYTES],
}

impl Workspace {
    /// Scratch memory. The kernel allocates it zeroed, in place.
    #[must_use]
    pub fn new() -> Self {
        Self {
            log: Log::new(),
            node: [0; BLOCK_BYTES],
            other: [0; BLOCK_BYTES],
        }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}
