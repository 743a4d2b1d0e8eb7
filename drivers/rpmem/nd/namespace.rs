// SPDX-License-Identifier: GPL-2.0

//! What a namespace adds to memory: its region flushes, and its bus takes poison away.

use kernel::{prelude::*, sync::Arc};
use kernel_ext::{block::bio::Bio, resource::PhysRange, SECTOR_SIZE};
use kernel_ext_nd::region::{Region, LEAST_WINDOW};
use rpmem_core::backing::Backing;
use rpmem_regions::{span::Sector, windows::in_windows};

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

    /// Calls `found` with every run of bad sectors of a range that its bus or device knows of.
    fn for_each_bad_in(&self, range: PhysRange, found: &mut dyn FnMut(u64, u64)) -> Result {
        let bytes = |sectors: u64| sectors * SECTOR_SIZE as u64;
        let sectors = range.size() / SECTOR_SIZE as u64;
        in_windows(sectors, LEAST_WINDOW, |first, len| {
            let window = PhysRange::new(range.start() + bytes(first), bytes(len)).ok_or(EINVAL)?;
            self.region
                .for_each_bus_error(window, &mut |start, len| found(first + start, len))
        })?;
        self.region.for_each_device_error(range, found)
    }

    /// Whether the bus or the device knows of an error in a range.
    fn is_bad(&self, range: PhysRange) -> Result<bool> {
        let mut any = false;
        self.for_each_bad_in(range, &mut |_, _| any = true)?;
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
        self.for_each_bad_in(self.data, &mut |first, sectors| {
            found(Sector(first), sectors)
        })
    }
}
