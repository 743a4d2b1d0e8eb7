// SPDX-License-Identifier: GPL-2.0

//! What a namespace adds to memory: its region flushes, and its bus takes poison away.

use kernel::{prelude::*, sync::Arc};
use kernel_ext::{block::bio::Bio, resource::PhysRange};
use kernel_ext_nd::region::Region;
use rpmem_core::backing::Backing;
use rpmem_regions::span::Sector;

/// A namespace of a region.
pub(crate) struct Namespace {
    region: Arc<Region>,
    /// Where its data is.
    data: PhysRange,
}

impl Namespace {
    pub(crate) fn new(region: Arc<Region>, data: PhysRange) -> Self {
        Self { region, data }
    }

    /// Whether the bus knows of an error in a range.
    fn is_bad(&self, range: PhysRange) -> Result<bool> {
        let mut any = false;
        self.region.for_each_bad(range, &mut |_, _| any = true)?;
        Ok(any)
    }
}

impl Backing for Namespace {
    type Module = crate::NdRpmem;

    const HAS_FINISH_FUA: bool = true;
    const HAS_CLEAR_POISON: bool = true;
    const HEARS_MACHINE_CHECKS: bool = true;

    fn flush(&self) -> Result {
        self.region.flush()
    }

    fn finish_fua(&self, bio: Bio) {
        self.region.flush_and_end(bio);
    }

    /// What only our list knows of, because somebody has said so, no bus has to take away.
    fn clear_poison(&self, range: PhysRange) -> Result {
        match self.region.clear_poison(range) {
            Ok(cleared) if cleared >= range.size() => Ok(()),
            // Some is left, or the bus has no such command (QEMU's).
            Ok(_) | Err(_) if self.is_bad(range)? => Err(EIO),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn for_each_bad(&self, found: &mut dyn FnMut(Sector, u64)) -> Result {
        self.region.for_each_bad(self.data, &mut |first, sectors| {
            found(Sector(first), sectors)
        })
    }
}
