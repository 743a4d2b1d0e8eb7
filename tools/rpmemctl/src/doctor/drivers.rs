// SPDX-License-Identifier: GPL-2.0

//! Whether other drivers have the memory.

use super::{device, Diagnosis, Finding};
use crate::block_device::BlockDevice;
use crate::iomem::{Iomem, Resource, LEGACY, PERSISTENT};
use crate::quantity::Bytes;
use crate::system::System;

const E820_DRIVER: &str = "/sys/bus/platform/devices/e820_pmem/driver";

/// The devices of rpmem; each has a disk while the driver is bound to it.
const PLATFORM_DEVICES: &str = "/sys/bus/platform/devices";
const RPMEM_DRIVER: &str = "/sys/bus/platform/drivers/rpmem";

pub(super) fn examine(system: &System, disks: &[BlockDevice], diagnosis: &mut Diagnosis) {
    unbound(system, diagnosis);
    // Who has disks of rpmem may leave other memory to other drivers on purpose.
    if !disks.is_empty() {
        return;
    }
    let mut held = false;
    if let Ok(iomem) = Iomem::of(system) {
        for range in iomem
            .top()
            .filter(|top| [LEGACY, PERSISTENT].contains(&top.name.as_str()))
        {
            if let Some(holder) = iomem.inside(range).next() {
                diagnosis.add(holder_of(system, range, holder));
                held = true;
            }
        }
    }
    match system.link_name(E820_DRIVER) {
        Some(driver) if !held => diagnosis.add(
            Finding::problem("e820-held", format!("the driver {driver} has all legacy persistent memory, so that rpmem does not take it"))
                .seen(format!("{E820_DRIVER} is a link to {driver}"))
                .remedy(unbind(&driver))
                .remedy("modprobe rpmem")
                .remedy(KEEP_AWAY),
        ),
        _ => {}
    }
    for name in system.names("/sys/block") {
        match BlockDevice::find(system, &name) {
            Ok(disk) if name.starts_with("pmem") => device::examine(system, &disk, diagnosis),
            _ => {}
        }
    }
}

/// Devices of rpmem that somebody has unbound, or whose probe failed.
fn unbound(system: &System, diagnosis: &mut Diagnosis) {
    let names = system.names(PLATFORM_DEVICES);
    let devices = names.iter().filter(|name| name.starts_with("rpmem."));
    for name in devices {
        if system
            .link_name(format!("{PLATFORM_DEVICES}/{name}/driver"))
            .is_some()
        {
            continue;
        }
        diagnosis.add(
            Finding::problem(
                "disk-unbound",
                format!("the device {name} has no driver, so it has no disk"),
            )
            .seen(format!("{PLATFORM_DEVICES}/{name}/driver is missing"))
            .remedy(format!("echo {name} > {RPMEM_DRIVER}/bind"))
            .remedy("if that fails, dmesg says why"),
        );
    }
}

const KEEP_AWAY: &str = "for the next boot: rpmem-dkms and make install put /usr/lib/modprobe.d/rpmem.conf in place, which keeps nd_e820 away; then update-initramfs -u";

fn unbind(driver: &str) -> String {
    format!("echo e820_pmem > /sys/bus/platform/drivers/{driver}/unbind")
}

fn holder_of(system: &System, range: &Resource, holder: &Resource) -> Finding {
    let region = format!(
        "{}@{}",
        Bytes(range.range.end - range.range.start),
        Bytes(range.range.start)
    );
    let driver = ["nd", "dax"]
        .iter()
        .find_map(|bus| system.link_name(format!("/sys/bus/{bus}/devices/{}/driver", holder.name)));
    let by = match &driver {
        Some(driver) => format!("\"{}\", of the driver {driver}", holder.name),
        None => format!("\"{}\"", holder.name),
    };
    let finding = Finding::problem("held", format!("{region} is held by {by}")).seen(format!(
        "{:x}-{:x} : {} in /proc/iomem, inside \"{}\"",
        holder.range.start,
        holder.range.end - 1,
        holder.name,
        range.name
    ));
    let finding = match (system.link_name(E820_DRIVER), holder.name.as_str()) {
        (Some(e820), _) if range.name == LEGACY => finding
            .remedy(unbind(&e820))
            .remedy("modprobe rpmem")
            .remedy(KEEP_AWAY),
        (_, name) if name.starts_with("namespace") => finding
            .remedy(format!("ndctl disable-namespace {name}"))
            .remedy(format!("modprobe rpmem regions={region}")),
        (_, name) if name.starts_with("dax") => finding
            .remedy(format!(
                "daxctl offline-memory {name}; daxctl disable-device {name}"
            ))
            .remedy(format!("modprobe rpmem regions={region}")),
        _ => finding.remedy("unload that driver or unbind it, then modprobe rpmem"),
    };
    finding.remedy("or leave it to that driver")
}
