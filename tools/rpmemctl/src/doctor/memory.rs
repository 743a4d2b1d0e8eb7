// SPDX-License-Identifier: GPL-2.0

//! Whether memory was set aside, and in a shape that can be driven.

use super::{Diagnosis, Finding};
use crate::block_device::BlockDevice;
use crate::command_line::{self, Meaning, Memmap};
use crate::firmware_map::FirmwareMap;
use crate::iomem::{Iomem, Resource, LEGACY, PERSISTENT};
use crate::quantity::{Bytes, Human};
use crate::suggest::choose::LEAST_ALIGNMENT;
use crate::system::System;
use rangemap::RangeSet;
use rpmem_regions::{PhysAddr, Region, Regions};
use std::ops::Range;

const SUGGEST: &str = "rpmemctl suggest SIZE    # names a range that fits this machine";
/// ACPI's device for NVDIMMs.
const NVDIMM_ROOT: &str = "/sys/bus/acpi/devices/ACPI0012:00";

pub(super) fn examine(system: &System, disks: &[BlockDevice], diagnosis: &mut Diagnosis) {
    let memmaps = command_line::memmaps(system);
    for memmap in &memmaps {
        if let Meaning::Limit(bytes) = memmap.meaning {
            diagnosis.add(lost_address(memmap, bytes));
        }
    }
    match FirmwareMap::of(system) {
        Ok(Some(map)) => {
            for memmap in &memmaps {
                behind(memmap, &map, diagnosis);
            }
        }
        Ok(None) => diagnosis.skip(
            "whether there is memory behind memmap=: this kernel does not show the firmware's map",
        ),
        Err(error) => diagnosis.skip(format!("whether there is memory behind memmap=: {error:#}")),
    }
    let iomem = match Iomem::of(system) {
        Ok(iomem) => iomem,
        Err(error) => {
            return diagnosis.skip(format!(
                "which memory is set aside, and who has it: {error:#}"
            ))
        }
    };
    let legacy: Vec<_> = iomem.top().filter(|top| top.name == LEGACY).collect();
    for memmap in &memmaps {
        if let Meaning::Persistent(range) = &memmap.meaning {
            shape(memmap, range, &legacy, diagnosis);
        }
    }
    for range in &legacy {
        alignment(range, diagnosis);
        merged(range, &memmaps, diagnosis);
    }
    if disks.is_empty() {
        nothing_taken(system, &iomem, &memmaps, diagnosis);
    }
}

fn lost_address(memmap: &Memmap, bytes: u64) -> Finding {
    let what = format!(
        "{} without an address limits RAM to {}, and sets nothing aside",
        memmap.text,
        Human(bytes)
    );
    Finding::problem("memmap-without-address", what)
        .seen(format!("{} in /proc/cmdline", memmap.text))
        .remedy(
            "if a $ and an address stood behind it, a shell or GRUB has taken them: write it as",
        )
        .remedy(format!(
            "GRUB_CMDLINE_LINUX='{}\\$4G'    # in /etc/default/grub, in single quotes",
            memmap.text
        ))
        .remedy("update-grub, then reboot and look at /proc/cmdline")
}

/// Whether the machine has memory where a `memmap=` says that there is some.
fn behind(memmap: &Memmap, map: &FirmwareMap, diagnosis: &mut Diagnosis) {
    let (Meaning::Persistent(range) | Meaning::Reserved(range)) = &memmap.meaning else {
        return;
    };
    if range.is_empty() {
        return;
    }
    let holes: Vec<_> = map.described.gaps(range).collect();
    let missing: u64 = holes.iter().map(|hole| hole.end - hole.start).sum();
    if missing == 0 {
        return;
    }
    let part = if missing == range.end - range.start {
        "it"
    } else {
        "a part of it"
    };
    let mut finding = Finding::problem(
        "no-memory",
        format!("{} names memory that the machine does not have: the driver refuses a region with {part}", memmap.text),
    );
    for hole in &holes {
        finding = finding.seen(format!(
            "/sys/firmware/memmap has nothing at {:x}-{:x}, {}",
            hole.start,
            hole.end - 1,
            Human(hole.end - hole.start)
        ));
    }
    let asked = RangeSet::from_iter([range.clone()]);
    let usable = map.usable.intersection(&asked);
    if let Some(largest) = usable.max_by_key(|part| part.end - part.start) {
        finding = finding.seen(format!(
            "of that range the firmware has {:x}-{:x} as RAM",
            largest.start,
            largest.end - 1
        ));
    }
    diagnosis.add(finding.remedy(SUGGEST));
}

/// Whether a `memmap=nn!ss` gave one range.
fn shape(memmap: &Memmap, range: &Range<u64>, legacy: &[&Resource], diagnosis: &mut Diagnosis) {
    let parts: Vec<_> = legacy
        .iter()
        .filter(|part| part.range.start < range.end && range.start < part.range.end)
        .collect();
    if let [one] = parts[..] {
        if one.range.start <= range.start && range.end <= one.range.end {
            return;
        }
    }
    let what = match parts.len() {
        0 => format!("{} had no effect", memmap.text),
        1 => format!("{} gave a range that is shorter than it says", memmap.text),
        count => format!(
            "{} came out as {count} ranges, each a device of its own",
            memmap.text
        ),
    };
    let id = if parts.is_empty() {
        "memmap-without-effect"
    } else {
        "memmap-in-pieces"
    };
    let mut finding = Finding::problem(id, what);
    for part in parts {
        finding = finding.seen(format!(
            "{:x}-{:x} : {LEGACY} in /proc/iomem",
            part.range.start,
            part.range.end - 1
        ));
    }
    diagnosis.add(
        finding
            .seen("the range is not usable RAM throughout: firmware's tables or the hole for devices below 4 GiB are in it, or other memmap= meet it")
            .remedy(SUGGEST),
    );
}

/// Whether `auto` would leave a range alone.
fn alignment(range: &Resource, diagnosis: &mut Diagnosis) {
    let Ok(region) = Region::new(
        PhysAddr::new(range.range.start),
        range.range.end - range.range.start,
    ) else {
        return;
    };
    if let Err(misaligned) = region.trim_end(LEAST_ALIGNMENT) {
        diagnosis.add(
            Finding::problem(
                "misaligned",
                format!("a range begins or ends where no struct pages can: {misaligned}"),
            )
            .seen(format!(
                "{:x}-{:x} : {LEGACY} in /proc/iomem",
                range.range.start,
                range.range.end - 1
            ))
            .remedy(SUGGEST),
        );
    }
}

/// Whether several `memmap=` became one range.
fn merged(range: &Resource, memmaps: &[Memmap], diagnosis: &mut Diagnosis) {
    let inside: Vec<_> = memmaps
        .iter()
        .filter(|memmap| match &memmap.meaning {
            Meaning::Persistent(one) => {
                range.range.start <= one.start && one.end <= range.range.end
            }
            _ => false,
        })
        .map(|memmap| memmap.text.as_str())
        .collect();
    if inside.len() > 1 {
        diagnosis.add(
            Finding::problem("memmap-merged", format!("{} touch each other and became one device", inside.join(" and ")))
                .seen(format!("{:x}-{:x} : {LEGACY} in /proc/iomem", range.range.start, range.range.end - 1))
                .remedy("leave at least 2M of RAM between them, or name the parts: modprobe rpmem regions=SIZE@ADDR,SIZE@ADDR"),
        );
    }
}

/// There is no disk: whether that is for want of memory.
fn nothing_taken(system: &System, iomem: &Iomem, memmaps: &[Memmap], diagnosis: &mut Diagnosis) {
    let nvdimms: Vec<_> = iomem.top().filter(|top| top.name == PERSISTENT).collect();
    let reserved = memmaps.iter().filter_map(|memmap| match &memmap.meaning {
        Meaning::Reserved(range) => Some((memmap, range)),
        _ => None,
    });
    let reserved: Vec<_> = reserved.collect();
    let given = system
        .read_if_there("/sys/module/rpmem/parameters/regions")
        .unwrap_or_default();
    let named = Regions::parse(given.as_bytes()).is_ok();
    if system.has(NVDIMM_ROOT) && nvdimms.is_empty() {
        diagnosis.add(
            Finding::problem(
                "nvdimm-driver-missing",
                "the machine has NVDIMMs, but the driver that says where they are is not loaded",
            )
            .seen(format!(
                "{NVDIMM_ROOT} is there, \"{PERSISTENT}\" is not in /proc/iomem"
            ))
            .remedy("modprobe nfit    # then look again"),
        );
    }
    if iomem.named(LEGACY).is_empty() && nvdimms.is_empty() && reserved.is_empty() {
        diagnosis.add(
            Finding::problem("nothing-set-aside", "no memory is set aside")
                .seen(format!("neither \"{LEGACY}\" nor \"{PERSISTENT}\" is in /proc/iomem, no memmap= reserves any"))
                .remedy(SUGGEST),
        );
    }
    // Those that others hold are told of with their holders.
    for free in nvdimms
        .iter()
        .filter(|range| !named && iomem.inside(range).next().is_none())
    {
        diagnosis.add(not_named("NVDIMM", &free.range).seen(format!(
            "{:x}-{:x} : {PERSISTENT} in /proc/iomem, held by nobody",
            free.range.start,
            free.range.end - 1
        )));
    }
    for (memmap, range) in reserved.iter().filter(|_| !named) {
        diagnosis.add(
            not_named("reserved memory", range).seen(format!("{} in /proc/cmdline", memmap.text)),
        );
    }
}

/// Memory that rpmem takes only when it is named.
fn not_named(what: &str, range: &Range<u64>) -> Finding {
    let regions = format!(
        "regions={}@{}",
        Bytes(range.end - range.start),
        Bytes(range.start)
    );
    Finding::problem("not-named", format!("{what} is taken only if regions= names it, and rpmem has no disk"))
        .remedy(format!("modprobe rpmem {regions}"))
        .remedy(format!("echo 'options rpmem {regions}' > /etc/modprobe.d/rpmem-regions.conf    # for the next boot"))
}
