// SPDX-License-Identifier: GPL-2.0

//! A region's life: from memory that nobody has to the disk, and back.

use crate::{
    loading::{slot, Place, READ_ONLY, SIZE, START},
    params, presence,
    regions::foreign_format,
    Memmap,
};
use kernel::{device, platform, prelude::*, str::CString, sync::Arc};
use kernel_ext::{
    dax::Property,
    memremap::PageMap,
    numa::Node,
    platform::{id, node_of, SynchronousAdapter},
    resource::{self, Claim, PhysRange},
    sync::Slot,
    SECTOR_SIZE,
};
use rpmem_core::{
    limits,
    medium::Medium,
    name::Name,
    poison::Poison,
    shown::{Shown, Unseen},
};

/// A region that is claimed and mapped, with a disk that nobody sees yet.
pub(crate) struct Prepared {
    unseen: Unseen<Memmap>,
    name: Name,
    range: PhysRange,
    read_only: bool,
}

impl Prepared {
    /// Claims and maps a region near `node`, for the disk `rpmemNUMBER`; nothing is written to it if it
    /// is read-only. May sleep.
    ///
    /// # Errors
    ///
    /// After a message; then nothing is left.
    pub(crate) fn new(number: u32, range: PhysRange, read_only: bool, node: Node) -> Result<Self> {
        if !resource::is_addressable(range) {
            return Err(EINVAL);
        }
        let disk = Name::of_region(number);
        let claim = Claim::new(range, CString::try_from_fmt(fmt!("{disk}"))?).inspect_err(|error| {
            if *error == EBUSY {
                pr_err!("rpmem{number}: {range} is busy: another driver holds it, which /proc/iomem names; unbind or unload that\n");
            }
        })?;

        let capacity = range.size() / SECTOR_SIZE as u64;
        let poison = Arc::pin_init(Poison::new(disk, capacity), GFP_KERNEL)?;
        let pages = PageMap::new(claim, node, poison.clone()).inspect_err(|error| {
            pr_err!(
                "rpmem{number}: {range} cannot be mapped ({error:?}); is it beyond the addresses that the CPU or a hypervisor allows?\n"
            );
        })?;
        // Looked at when the module was loaded; since then another driver may have had it.
        let peek = |offset: u64, bytes: &mut [u8]| {
            let window = pages.window(offset as usize, bytes.len());
            window.ok_or(EINVAL)?.read(bytes)
        };
        if let Some(found) = foreign_format(peek) {
            pr_err!("rpmem{number}: {range} {found}\n");
            return Err(EBUSY);
        }
        if let Some(offset) = presence::first_absent(&pages, !read_only) {
            pr_err!(
                "rpmem{number}: {range} has no memory at byte {offset:#x}: what is stored there does not come back; name memory that the machine has (rpmemctl suggest), not what memmap= alone has made\n"
            );
            return Err(ENXIO);
        }

        let medium = Arc::new(Medium::new(pages, poison, Memmap, read_only), GFP_KERNEL)?;
        let limits = limits::of(capacity, params::LOGICAL_BLOCK_SIZE.get(), read_only);
        let properties =
            Property::NoCache | Property::NoMc | Property::Synchronous | Property::WriteCache;
        Ok(Self {
            unseen: Unseen::new(disk, medium, limits, Some(properties), node)?,
            name: disk,
            range,
            read_only,
        })
    }

    /// Shows the disk below `dev`.
    fn show(self, dev: &device::Device<device::Bound>) -> Result<Shown<Memmap>> {
        let shown = self.unseen.show(dev)?;
        dev_info!(
            dev,
            "{}: {} MiB at {}{}\n",
            self.name,
            self.range.size() >> 20,
            self.range,
            if self.read_only { ", read-only" } else { "" }
        );
        Ok(shown)
    }
}

/// The driver of regions.
pub(crate) struct RpmemDriver;

/// How it is registered.
pub(crate) type Adapter = SynchronousAdapter<RpmemDriver>;

impl platform::Driver for RpmemDriver {
    type IdInfo = ();
    type Data<'bound> = Bound;

    fn probe<'bound>(
        pdev: &'bound platform::Device<device::Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Bound, Error> + 'bound {
        let bound = probe(pdev);
        #[cfg(CONFIG_BLK_DEV_RPMEM_KUNIT_TEST)]
        crate::kunit::rig::note_probe(bound.as_ref().err().copied());
        bound
    }
}

fn probe(pdev: &platform::Device<device::Core<'_>>) -> Result<Bound> {
    let number = id(pdev).ok_or(ENODEV)?;
    let home = slot(number).ok_or(ENODEV)?;
    // Only this module's own devices have one.
    let mut place = home.take().ok_or(ENODEV)?;
    let shown =
        prepared_for(pdev, number, &mut place).and_then(|prepared| prepared.show(pdev.as_ref()));
    match shown {
        Ok(shown) => Ok(Bound::new(shown, place, Some(home))),
        Err(error) => {
            home.put(place);
            Err(error)
        }
    }
}

/// Returns what was prepared when the module was loaded; the next time, prepares anew.
fn prepared_for(
    pdev: &platform::Device<device::Core<'_>>,
    number: u32,
    place: &mut Place,
) -> Result<Prepared> {
    if let Some(prepared) = place.prepared.take() {
        return Ok(prepared);
    }
    let dev = pdev.as_ref();
    if place
        .last
        .as_ref()
        .is_some_and(|last| !last.is_released_soon())
    {
        dev_err!(
            dev,
            "rpmem{number}: the region is still in use since it was unbound: unmount what is mounted, end the processes that map its files, close the disk\n"
        );
        return Err(EBUSY);
    }
    let fwnode = dev.fwnode().ok_or(ENODEV)?;
    let range = PhysRange::new(
        fwnode.property_read(START).required_by(dev)?,
        fwnode.property_read(SIZE).required_by(dev)?,
    )
    .ok_or(EINVAL)?;
    let read_only = fwnode.property_read::<u64>(READ_ONLY).or_default() != 0;
    Prepared::new(number, range, read_only, node_of(dev))
}

/// What the driver keeps of a device that it is bound to. Dropping it only takes the disk away: see
/// [`rpmem_core::keeper`].
pub(crate) struct Bound {
    // Both are there until drop.
    shown: Option<Shown<Memmap>>,
    place: Option<KBox<Place>>,
    home: Option<&'static Slot<Place>>,
}

impl Bound {
    fn new(shown: Shown<Memmap>, place: KBox<Place>, home: Option<&'static Slot<Place>>) -> Self {
        Self {
            shown: Some(shown),
            place: Some(place),
            home,
        }
    }

    /// Makes a region a disk below `dev`, which is not the driver's.
    #[cfg(CONFIG_BLK_DEV_RPMEM_KUNIT_TEST)]
    pub(crate) fn drive(
        dev: &device::Device<device::Bound>,
        number: u32,
        range: PhysRange,
        read_only: bool,
        node: Node,
    ) -> Result<Self> {
        let place = Place {
            keeper: rpmem_core::keeper::Keeper::new()?,
            prepared: None,
            last: None,
        };
        let prepared = Prepared::new(number, range, read_only, node)?;
        let place = KBox::new(place, GFP_KERNEL)?;
        Ok(Self::new(prepared.show(dev)?, place, None))
    }

    #[cfg(CONFIG_BLK_DEV_RPMEM_KUNIT_TEST)]
    pub(crate) fn disk(&self) -> Option<&kernel_ext::block::gen_disk::GenDisk<Medium<Memmap>>> {
        self.shown.as_ref().map(|shown| shown.disk())
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let (Some(shown), Some(mut place)) = (self.shown.take(), self.place.take()) {
            place.last = Some(shown.take_away(&place.keeper));
            if let Some(home) = self.home {
                drop(home.put(place));
            }
        }
    }
}
