// SPDX-License-Identifier: GPL-2.0

//! A namespace's life: from what libnvdimm shows to the disk, and back.

use crate::{namespace::Namespace, params, Shared};
use kernel::{prelude::*, str::CString, sync::Arc};
use kernel_ext::{
    block::gen_disk::Feature,
    dax::{Properties, Property},
    memremap::{self, Memory, PageMap},
    platform::node_of,
    resource::Claim,
    SECTOR_SIZE,
};
use kernel_ext_nd::{
    driver::{Device, Driver, Event, Kind},
    namespace,
    pfn::Layout,
};
use rpmem_core::{
    limits,
    medium::Medium,
    name::Name,
    poison::Poison,
    shown::{Shown, Unseen},
};

/// What the driver keeps of a device that it is bound to.
pub(crate) enum Bound {
    /// A disk of ours.
    Disk(Shown<Namespace>),
    /// A BTT, whose disk libnvdimm has.
    Btt,
}

impl Driver for Bound {
    type Shared = Arc<Shared>;

    fn probe(shared: &Arc<Shared>, device: &Device<'_>) -> Result<Self> {
        let namespace = device.namespace()?;
        let range = namespace.range()?;
        if !shared.users.is_free_soon(range) {
            dev_err!(
                device.as_device(),
                "{range} is still in use since it was unbound: unmount what is mounted, end the processes that map its files\n"
            );
            return Err(EBUSY);
        }
        match device.kind() {
            Kind::Btt => {
                device.attach_btt(namespace)?;
                Ok(Bound::Btt)
            }
            Kind::Pfn => {
                let (namespace, layout) = namespace.enable()?.set_up_pfn()?;
                Ok(Bound::Disk(show(shared, device, &namespace, Some(layout))?))
            }
            Kind::Namespace => {
                let namespace = namespace.enable()?.into_raw_mode()?;
                Ok(Bound::Disk(show(shared, device, &namespace, None)?))
            }
        }
    }

    fn notify(&self, device: &Device<'_>, event: Event) {
        let Bound::Disk(shown) = self else {
            return;
        };
        let medium = shown.disk().data();
        match event {
            Event::RevalidatePoison => {
                if let Err(error) = medium.record_reported() {
                    dev_err!(
                        device.as_device(),
                        "bad blocks are not up to date ({error:?})\n"
                    );
                }
            }
            Event::RevalidateRegion => {
                if let Ok(read_only) = device.region().is_read_only() {
                    medium.set_read_only(read_only);
                }
                // Refused for other disks only.
                let _ = device.check_and_set_ro(shown.disk());
            }
        }
    }

    fn shutdown(&self, device: &Device<'_>) {
        flush(device);
    }

    fn unbind(self, shared: &Arc<Shared>, device: &Device<'_>) {
        if let Bound::Disk(shown) = self {
            shared.forget(shown.disk().data());
            shown.take_away(&shared.keeper);
        }
        flush(device);
    }
}

/// Makes durable what has been written to a device.
fn flush(device: &Device<'_>) {
    if let Err(error) = device.region().flush() {
        dev_err!(device.as_device(), "cannot flush ({error:?})\n");
    }
}

/// Gives a raw namespace struct pages, if it can and may have them.
///
/// # Errors
///
/// `ENOMEM`, after a message, if they would take too much memory.
fn raw(
    device: &Device<'_>,
    namespace: &namespace::Namespace<'_>,
    name: Name,
    memory: Memory,
) -> Result<Memory> {
    let dev = device.as_device();
    let (range, align) = (memory.data(), memremap::compat_align());
    // Somebody rewrites its info blocks, and soon gives it another mode.
    if namespace.is_force_raw() {
        return Ok(memory.without_struct_pages());
    }
    if !params::STRUCT_PAGES.get() {
        dev_info!(dev, "{name}: no DAX, as struct_pages=0 says\n");
        return Ok(memory.without_struct_pages());
    }
    if (range.start() | range.size()) & (align - 1) != 0 {
        dev_warn!(
            dev,
            "{name}: no DAX: {range} does not begin and end at multiples of {} KiB\n",
            align >> 10
        );
        return Ok(memory.without_struct_pages());
    }
    let (needed, available) = (
        memremap::struct_pages_size(range.size()),
        memremap::available(),
    );
    if needed > params::share_of(available) {
        dev_err!(
            dev,
            "{name}: struct pages would take {} MiB of {} MiB of available memory, more than {} percent; make it an fsdax namespace with --map=dev, or load with struct_pages=0 for no DAX\n",
            needed >> 20,
            available >> 20,
            params::STRUCT_PAGES_SHARE.get()
        );
        return Err(ENOMEM);
    }
    Ok(memory)
}

/// Maps a namespace and shows its disk, after nobody else has taken the namespace.
fn show(
    shared: &Shared,
    device: &Device<'_>,
    namespace: &namespace::Namespace<'_>,
    layout: Option<Layout>,
) -> Result<Shown<Namespace>> {
    let dev = device.as_device();
    let (region, number) = namespace.numbers()?;
    let name = Name::of_namespace(region, number);
    let range = namespace.range()?;
    let node = node_of(dev);

    let claim = Claim::new(range, CString::try_from_fmt(fmt!("{name}"))?)
        .inspect_err(|error| dev_err!(dev, "{name}: {range} cannot be claimed ({error:?})\n"))?;
    let memory = match layout {
        Some(layout) => layout.apply(Memory::from(claim))?,
        None => raw(device, namespace, name, Memory::from(claim))?,
    };
    let data = memory.data();
    let capacity = data.size() / SECTOR_SIZE as u64;
    let poison = Arc::pin_init(Poison::new(name, capacity), GFP_KERNEL)?;
    let pages = PageMap::new(memory, node, poison.clone()).inspect_err(|error| {
        dev_err!(dev, "{name}: {range} cannot be mapped ({error:?})\n");
    })?;

    let on = device.region();
    let read_only = on.is_read_only()?;
    let backing = Namespace::new(on.clone(), data);
    let medium = Arc::new(Medium::new(pages, poison, backing, read_only), GFP_KERNEL)?;
    medium.record_reported()?;
    if on.is_of_interleaved_cxl()? {
        dev_notice!(
            dev,
            "{name}: bad blocks that CXL devices list are not shown: the region is interleaved\n"
        );
    }

    let is_sync = on.is_sync()?;
    let mut limits = limits::of(capacity, namespace.sector_size(), read_only);
    limits.features = Feature::WriteCache | Feature::Synchronous | Feature::IoStat;
    if is_sync {
        // Otherwise a flush waits for the hypervisor.
        limits.features |= Feature::NoWait;
    }
    if on.has_flush().is_ok() {
        limits.features |= Feature::Fua;
    } else {
        dev_warn!(dev, "unable to guarantee persistence of writes\n");
    }
    let has_dax = medium.pages().has_struct_pages();
    let mut properties: Properties = Property::NoCache | Property::NoMc;
    if is_sync {
        properties |= Property::Synchronous;
    }
    if on.has_cache()? {
        properties |= Property::WriteCache;
    }

    let unseen = Unseen::new(
        name,
        medium.clone(),
        limits,
        has_dax.then_some(properties),
        node,
    )?;
    let kept = unseen.kept().clone();
    shared.users.add(range, kept.clone())?;
    let shown = shared
        .know(medium.clone())
        .and_then(|()| unseen.show(dev))
        .inspect_err(|_| {
            shared.forget(&medium);
            shared.users.remove(&kept);
        })?;
    dev_info!(
        dev,
        "{name}: {} MiB at {data}{}\n",
        data.size() >> 20,
        if read_only { ", read-only" } else { "" }
    );
    Ok(shown)
}
