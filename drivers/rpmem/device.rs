// SPDX-License-Identifier: GPL-2.0

//! A region's life: from the platform device that stands for it to the disk, and back.

use crate::{
    medium::Medium,
    params,
    poison::Poison,
    regions::{holder_text, phys_range},
};
use core::sync::atomic::{AtomicI32, Ordering};
use kernel::{device::Core, platform, prelude::*, str::CString, sync::Arc, ModuleMetadata};
use kernel_ext::{
    block::gen_disk::{GenDisk, Limits, NewDisk},
    dax,
    memremap::PageMap,
    numa::Node,
    platform::{id, node_of, OwnedDevice},
    resource::{self, PhysRange},
    PAGE_SIZE, SECTOR_SIZE,
};
use rpmem_regions::{
    infoblock::{recognise, PROBES, SIGNATURE_LEN},
    Regions,
};

/// The errno of the probe that failed last, as the device core does not pass it on: the devices are
/// registered one by one, and each is probed before its registration returns.
static PROBE_ERRNO: AtomicI32 = AtomicI32::new(0);

/// The properties of a device that say which region it is, in bytes.
const START: &CStr = c"rpmem,start";
const SIZE: &CStr = c"rpmem,size";

/// Registers a device for each region; the driver is bound to all of them afterwards.
///
/// # Errors
///
/// The first error; then none of the devices is left.
pub(crate) fn register_all(regions: &Regions) -> Result<KVec<OwnedDevice>> {
    let mut devices = KVec::with_capacity(regions.len(), GFP_KERNEL)?;
    for (number, region) in (0u32..).zip(regions.iter()) {
        let range = phys_range(*region)?;
        PROBE_ERRNO.store(0, Ordering::Relaxed);
        let device = OwnedDevice::register(
            crate::Rpmem::NAME,
            number,
            [(START, range.start()), (SIZE, range.size())],
            Node::of_phys_addr(range.start()),
        )
        .inspect_err(|error| {
            pr_err!(
                "regions={}: cannot register device rpmem.{number} ({:?})\n",
                format_args!("{region}"),
                error
            );
        })?;
        if !device.is_bound() {
            // Said by the probe already.
            return match PROBE_ERRNO.load(Ordering::Relaxed) {
                0 => Err(ENODEV),
                errno => Err(Error::from_errno(errno)),
            };
        }
        devices.push(device, GFP_KERNEL)?;
    }
    Ok(devices)
}

/// The driver of regions.
pub(crate) struct RpmemDriver;

/// What the driver keeps of a device that it is bound to.
pub(crate) struct Bound {
    _disk: GenDisk<Medium>,
}

impl platform::Driver for RpmemDriver {
    type IdInfo = ();
    type Data<'bound> = Bound;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Bound, Error> + 'bound {
        Bound::new(pdev).inspect_err(|error| PROBE_ERRNO.store(error.to_errno(), Ordering::Relaxed))
    }
}

impl Bound {
    fn new(pdev: &platform::Device<Core<'_>>) -> Result<Self> {
        let dev = pdev.as_ref();
        let number = id(pdev).ok_or(ENODEV)?;
        let node = node_of(dev);

        // Only this module's own devices have them.
        let fwnode = dev.fwnode().ok_or(ENODEV)?;
        let range = PhysRange::new(
            fwnode.property_read(START).required_by(dev)?,
            fwnode.property_read(SIZE).required_by(dev)?,
        )
        .ok_or(EINVAL)?;
        let name = CString::try_from_fmt(fmt!("rpmem{number}"))?;
        let Some(claim) = resource::request_mem_region(range, name) else {
            let holder = resource::holder_name(range);
            dev_err!(
                dev,
                "{} is held by \"{}\"; unbind or unload that driver\n",
                range,
                holder_text(&holder)
            );
            return Err(EBUSY);
        };

        let capacity = range.size() / SECTOR_SIZE as u64;
        let poison = Arc::pin_init(Poison::new(capacity), GFP_KERNEL)?;
        let pages = PageMap::new(claim, node, poison.clone()).inspect_err(|error| {
            dev_err!(
                dev,
                "{} cannot be mapped ({:?}); is it beyond the addresses that the CPU or a hypervisor allows?\n",
                range,
                error
            );
        })?;
        refuse_foreign_format(pdev, &pages)?;

        let medium = Arc::new(Medium::new(pages, poison), GFP_KERNEL)?;
        let dax = dax::Device::new(medium.clone())?;
        medium.poison().set_dax(dax.handle());
        let limits = Limits {
            logical_block_size: params::LOGICAL_BLOCK_SIZE.get(),
            physical_block_size: PAGE_SIZE as u32,
            capacity,
            write_cache: true,
            fua: true,
            synchronous: true,
            io_stat: true,
            write_zeroes: true,
        };
        let disk = NewDisk::new(fmt!("rpmem{number}"), limits, node, medium, Some(dax))?
            .register(dev)
            .inspect_err(|error| dev_err!(dev, "cannot add disk rpmem{number} ({:?})\n", error))?;
        disk.data()
            .poison()
            .notify_through(disk.attribute(c"badblocks"));

        dev_info!(
            dev,
            "rpmem{number}: {} MiB at {}\n",
            range.size() >> 20,
            range
        );
        Ok(Self { _disk: disk })
    }
}

/// Refuses a region in which libnvdimm keeps data in a format of its own.
///
/// Its block device begins behind the info block: taken as a whole, the region would show a file
/// system at the wrong place, and writing to it would destroy that of another driver.
fn refuse_foreign_format(pdev: &platform::Device<Core<'_>>, pages: &PageMap<Poison>) -> Result {
    for offset in PROBES {
        let mut bytes = [0; SIGNATURE_LEN];
        let Some(mut window) = pages.window(offset as usize, bytes.len()) else {
            continue;
        };
        // Poison there is no signature.
        if window.read(&mut bytes).is_err() {
            continue;
        }
        if let Some(found) = recognise(offset, &bytes) {
            dev_err!(
                pdev.as_ref(),
                "{} carries a {} info block of libnvdimm at byte {:#x}; let nd_pmem drive it, or give it up with ndctl destroy-namespace --force and name it again\n",
                pages.range(),
                found.name(),
                offset
            );
            return Err(EBUSY);
        }
    }
    Ok(())
}
