// SPDX-License-Identifier: GPL-2.0

//! What the core asks for, in the kernel.

mod digest;
mod locks;
mod medium;

use kernel::prelude::*;
use kernel_ext::fs::dax::Mapping;
use rdaxfs_core::format::Superblock;

pub(crate) use medium::Medium;

/// The memory of a volume's device, and the volume's locks.
pub(crate) struct Platform {
    medium: Medium,
    locks: locks::VolumeLocks,
}

impl Platform {
    /// For the volume with that superblock.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(medium: Medium, superblock: &Superblock) -> Result<Self> {
        Ok(Self {
            medium,
            locks: locks::VolumeLocks::new(superblock)?,
        })
    }

    /// The memory.
    pub(crate) fn mapping(&self) -> &Mapping {
        self.medium.mapping()
    }
}
