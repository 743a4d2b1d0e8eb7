// SPDX-License-Identifier: GPL-2.0

//! A region's life: from the platform device that stands for it to the disk, and back.

use crate::{
    limits,
    medium::Medium,
    poison::Poison,
    presence,
    regions::{foreign_format, holder_text, phys_range},
};
use core::sync::atomic::{AtomicI32, Ordering};
use kernel::{
    device, new_mutex, platform,
    prelude::*,
    str::CString,
    sync::{Arc, Completion, Mutex},
    time::Delta,
    workqueue, ModuleMetadata,
};
use kernel_ext::{
    block::gen_disk::{GenDisk, NewDisk},
    dax,
    memremap::PageMap,
    module::{is_unreferenced_within, wait_until_unreferenced},
    numa::Node,
    platform::{id, node_of, OwnedDevice},
    resource::{self, PhysRange},
    SECTOR_SIZE,
};
use rpmem_regions::Regions;

#[cfg(CONFIG_X86_MCE)]
use kernel_ext::mce;

/// The errno of the probe that failed last, as the device core does not pass it on: the devices are
/// registered one by one, and each is probed before its registration returns.
pub(crate) static PROBE_ERRNO: AtomicI32 = AtomicI32::new(0);

/// How long the files of partition scans are waited for: they take a tick or two to be closed.
const SCAN: Delta = Delta::from_millis(200);

/// The properties of a device that say which region it is, in bytes.
pub(crate) const START: &CStr = c"rpmem,start";
pub(crate) const SIZE: &CStr = c"rpmem,size";

/// The property that is 1 if nothing may be written to the region.
pub(crate) const READ_ONLY: &CStr = c"rpmem,read-only";

/// Registers a device for each region; the driver is bound to all of them afterwards.
///
/// # Errors
///
/// The first error; then none of the devices is left, and nobody uses the module any more.
pub(crate) fn register_all(
    regions: Regions,
    module: &'static ThisModule,
) -> Result<KVec<OwnedDevice>> {
    // By a work item, so that the module may fail to load: see `wait_until_unreferenced`.
    let job = Arc::pin_init(Job::new(), GFP_KERNEL)?;
    let worker = job.clone();
    workqueue::system_long().try_spawn(GFP_KERNEL, move || {
        *worker.outcome.lock() = Some(register_each(&regions));
        worker.done.complete_all();
    })?;
    job.done.wait_for_completion();
    let outcome = job.outcome.lock().take().unwrap_or(Err(ENODEV));
    match &outcome {
        // So that the module can be unloaded as soon as it is loaded; who keeps a disk open longer
        // than its partition scan may.
        Ok(_) => {
            is_unreferenced_within(module, SCAN);
        }
        Err(_) => wait_until_unreferenced(module),
    }
    outcome
}

/// The registration of all devices, by another task.
#[pin_data]
struct Job {
    #[pin]
    outcome: Mutex<Option<Result<KVec<OwnedDevice>>>>,
    #[pin]
    done: Completion,
}

impl Job {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            outcome <- new_mutex!(None, "rpmem::registration"),
            done <- Completion::new(),
        })
    }
}

fn register_each(regions: &Regions) -> Result<KVec<OwnedDevice>> {
    let mut devices = KVec::with_capacity(regions.len(), GFP_KERNEL)?;
    for (number, region) in (0u32..).zip(regions.iter()) {
        let range = phys_range(*region)?;
        PROBE_ERRNO.store(0, Ordering::Relaxed);
        let device = OwnedDevice::register(
            crate::Rpmem::NAME,
            number,
            [
                (START, range.start()),
                (SIZE, range.size()),
                (READ_ONLY, u64::from(region.is_read_only())),
            ],
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
            let errno = PROBE_ERRNO.load(Ordering::Relaxed);
            if errno != 0 {
                // Said by the probe already.
                return Err(Error::from_errno(errno));
            }
            pr_err!(
                "regions={}: rpmem.{number} did not get its driver; the messages above say why\n",
                format_args!("{region}")
            );
            return Err(ENODEV);
        }
        devices.push(device, GFP_KERNEL)?;
    }
    Ok(devices)
}

/// The driver of regions.
pub(crate) struct RpmemDriver;

/// What the driver keeps of a device that it is bound to.
pub(crate) struct Bound {
    // Dropped in this order.
    #[cfg(CONFIG_X86_MCE)]
    _machine_checks: mce::Registration<Medium>,
    _disk: GenDisk<Medium>,
}

impl platform::Driver for RpmemDriver {
    type IdInfo = ();
    type Data<'bound> = Bound;

    fn probe<'bound>(
        pdev: &'bound platform::Device<device::Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Bound, Error> + 'bound {
        Bound::new(pdev).inspect_err(|error| PROBE_ERRNO.store(error.to_errno(), Ordering::Relaxed))
    }
}

impl Bound {
    fn new(pdev: &platform::Device<device::Core<'_>>) -> Result<Self> {
        let dev = pdev.as_ref();
        let number = id(pdev).ok_or(ENODEV)?;
        // Only this module's own devices have them.
        let fwnode = dev.fwnode().ok_or(ENODEV)?;
        let range = PhysRange::new(
            fwnode.property_read(START).required_by(dev)?,
            fwnode.property_read(SIZE).required_by(dev)?,
        )
        .ok_or(EINVAL)?;
        let read_only = fwnode.property_read::<u64>(READ_ONLY).or_default() != 0;
        Self::drive(dev, number, range, read_only, node_of(dev))
    }

    /// Makes a region the disk `rpmemNUMBER` below `dev`; nothing is written to it if it is read-only.
    pub(crate) fn drive(
        dev: &device::Device<device::Bound>,
        number: u32,
        range: PhysRange,
        read_only: bool,
        node: Node,
    ) -> Result<Self> {
        if !resource::is_addressable(range) {
            return Err(EINVAL);
        }
        let name = CString::try_from_fmt(fmt!("rpmem{number}"))?;
        let Some(claim) = resource::request_mem_region(range, name) else {
            if !resource::is_busy(range) {
                // There was no memory for the claim itself.
                return Err(ENOMEM);
            }
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
        let poison = Arc::pin_init(Poison::new(number, capacity), GFP_KERNEL)?;
        let pages = PageMap::new(claim, node, poison.clone()).inspect_err(|error| {
            dev_err!(
                dev,
                "{} cannot be mapped ({:?}); is it beyond the addresses that the CPU or a hypervisor allows?\n",
                range,
                error
            );
        })?;
        // Looked at when the module was loaded; since then another driver may have had it.
        let peek = |offset: u64, bytes: &mut [u8]| {
            let window = pages.window(offset as usize, bytes.len());
            window.ok_or(EINVAL)?.read(bytes)
        };
        if let Some(found) = foreign_format(peek) {
            dev_err!(dev, "{} {}\n", range, found);
            return Err(EBUSY);
        }
        if let Some(offset) = presence::first_absent(&pages, !read_only) {
            dev_err!(
                dev,
                "{} has no memory at byte {:#x}: what is stored there does not come back; name memory that the machine has (rpmemctl suggest), not what memmap= alone has made\n",
                range,
                offset
            );
            return Err(ENXIO);
        }

        let medium = Arc::new(Medium::new(pages, poison, read_only), GFP_KERNEL)?;
        let dax = dax::Device::new(medium.clone())?;
        medium.poison().set_dax(dax.handle());
        #[cfg(CONFIG_X86_MCE)]
        let machine_checks = mce::Registration::new(medium.clone())?;
        let disk = NewDisk::new(
            fmt!("rpmem{number}"),
            limits::of(capacity, read_only),
            node,
            medium,
            Some(dax),
        )?
        .register(dev)
        .inspect_err(|error| dev_err!(dev, "cannot add disk rpmem{number} ({:?})\n", error))?;
        disk.reset_read_ahead();
        disk.data()
            .poison()
            .notify_through(disk.attribute(c"badblocks"));

        dev_info!(
            dev,
            "rpmem{number}: {} MiB at {}{}\n",
            range.size() >> 20,
            range,
            if read_only { ", read-only" } else { "" }
        );
        Ok(Self {
            #[cfg(CONFIG_X86_MCE)]
            _machine_checks: machine_checks,
            _disk: disk,
        })
    }

    #[cfg(CONFIG_BLK_DEV_RPMEM_KUNIT_TEST)]
    pub(crate) fn disk(&self) -> &GenDisk<Medium> {
        &self._disk
    }
}
