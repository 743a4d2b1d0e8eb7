// SPDX-License-Identifier: GPL-2.0

//! Loading: everything that can fail happens before the first disk is visible.
//!
//! All regions are claimed, mapped and given a disk that nobody sees yet. Only then does each get a
//! platform device, whose probe takes over what was prepared and shows the disk. So a region that is
//! refused fails the load with nothing to undo but memory.
//!
//! A region's [`Place`] is where its probe finds what was prepared. It goes to the probe, and comes back
//! when the device is unbound: a device that is bound again finds the keeper in it.

use crate::{device::Prepared, regions::phys_range, Memmap};
use kernel::{prelude::*, sync::Arc, ModuleMetadata};
use kernel_ext::{numa::Node, platform::OwnedDevice, sync::Slot};
use rpmem_core::keeper::{Keeper, Kept};
use rpmem_regions::{Regions, MAX_REGIONS};

/// The properties of a device that say which region it is, in bytes.
pub(crate) const START: &CStr = c"rpmem,start";
pub(crate) const SIZE: &CStr = c"rpmem,size";

/// The property that is 1 if nothing may be written to the region.
pub(crate) const READ_ONLY: &CStr = c"rpmem,read-only";

/// Devices that there can be; more for the KUnit suites, which make their own.
const PLACES: usize = if cfg!(CONFIG_BLK_DEV_RPMEM_KUNIT_TEST) {
    4096
} else {
    MAX_REGIONS
};

/// The places of the devices that are not bound, by number.
static UNBOUND: [Slot<Place>; PLACES] = [const { Slot::new() }; PLACES];

/// What a device that is not bound needs to be bound.
pub(crate) struct Place {
    pub(crate) keeper: Arc<Keeper>,
    /// What was prepared when the module was loaded, for the first probe.
    pub(crate) prepared: Option<Prepared>,
    /// What the device was bound to last, which may still be in use.
    pub(crate) last: Option<Arc<Kept<Memmap>>>,
}

/// Returns where the place of device `number` is while that is not bound.
pub(crate) fn slot(number: u32) -> Option<&'static Slot<Place>> {
    UNBOUND.get(usize::try_from(number).ok()?)
}

/// The places of all devices; dropping it empties them. For when no device is bound.
pub(crate) struct Places {
    regions: KVec<(u32, rpmem_regions::Region)>,
    // The queue is destroyed by its last owner: here, when all places are empty.
    _keeper: Arc<Keeper>,
}

impl Places {
    /// Prepares all regions.
    ///
    /// # Errors
    ///
    /// That of the first region that cannot be taken, after a message; then nothing is left.
    pub(crate) fn prepare(regions: &Regions) -> Result<Self> {
        Self::prepare_from(0, regions)
    }

    /// As [`Places::prepare`], with numbers from `first` on.
    pub(crate) fn prepare_from(first: u32, regions: &Regions) -> Result<Self> {
        let keeper = Keeper::new()?;
        let mut places = Self {
            regions: KVec::with_capacity(regions.len(), GFP_KERNEL)?,
            _keeper: keeper.clone(),
        };
        for (number, region) in (first..).zip(regions.iter()) {
            let range = phys_range(*region)?;
            let node = Node::of_phys_addr(range.start());
            let prepared = Prepared::new(number, range, region.is_read_only(), node)?;
            let place = Place {
                keeper: keeper.clone(),
                prepared: Some(prepared),
                last: None,
            };
            places.regions.push((number, *region), GFP_KERNEL)?;
            slot(number)
                .ok_or(EINVAL)?
                .put(KBox::new(place, GFP_KERNEL)?);
        }
        Ok(places)
    }

    /// Makes the devices, with the driver registered. One that cannot be made is left out, with a
    /// message: others have been seen by then.
    pub(crate) fn show(&self, devices: &mut KVec<OwnedDevice>) {
        for (number, region) in &self.regions {
            if let Err(error) = show_one(*number, *region, devices) {
                pr_err!(
                    "regions={}: left out: cannot register device rpmem.{number} ({:?})\n",
                    format_args!("{region}"),
                    error
                );
                if let Some(slot) = slot(*number) {
                    drop(slot.take());
                }
            }
        }
    }

    /// Returns an empty list with room for all devices.
    pub(crate) fn room(&self) -> Result<KVec<OwnedDevice>> {
        Ok(KVec::with_capacity(self.regions.len(), GFP_KERNEL)?)
    }
}

fn show_one(number: u32, region: rpmem_regions::Region, devices: &mut KVec<OwnedDevice>) -> Result {
    let range = phys_range(region)?;
    let device = OwnedDevice::register(
        crate::Rpmem::NAME,
        number,
        [
            (START, range.start()),
            (SIZE, range.size()),
            (READ_ONLY, u64::from(region.is_read_only())),
        ],
        Node::of_phys_addr(range.start()),
    )?;
    devices.push(device, GFP_KERNEL)?;
    Ok(())
}

impl Drop for Places {
    fn drop(&mut self) {
        for (number, _) in &self.regions {
            if let Some(slot) = slot(*number) {
                drop(slot.take());
            }
        }
    }
}
