// SPDX-License-Identifier: GPL-2.0

//! `rpmemctl list`.

use crate::bad_list;
use crate::block_device::BlockDevice;
use crate::companions;
use crate::iomem::{Iomem, Resource, LEGACY, PERSISTENT, RESERVED};
use crate::mounts::{self, Mount};
use crate::output::{aligned, Format, Outcome};
use crate::quantity::{Bytes, Human};
use crate::swaps::swaps;
use crate::system::System;
use anyhow::{ensure, Result};
use rpmem_regions::Regions;
use serde::Serialize;
use std::fmt::Write;
use terminal::{safe_path, safe_str};

#[derive(Serialize)]
struct Listing {
    devices: Vec<Device>,
}

#[derive(Serialize)]
struct Device {
    name: String,
    path: String,
    /// Where its memory is; `None` for who may not see addresses.
    start: Option<u64>,
    size: u64,
    numa_node: Option<i64>,
    /// What kind of memory: `legacy`, `nvdimm`, `reserved` or `other`.
    memory: Option<&'static str>,
    /// Whether the region was named in `regions=`; if not, `auto` took it.
    named: Option<bool>,
    logical_block_size: u64,
    dax: bool,
    read_only: bool,
    bad_sectors: u64,
    bad_ranges: usize,
    mount_points: Vec<String>,
    /// `swap`, `log of /mnt` and the like.
    uses: Vec<String>,
    holders: Vec<String>,
    partitions: Vec<Partition>,
}

#[derive(Serialize)]
struct Partition {
    name: String,
    path: String,
    start_sector: u64,
    size: u64,
    mount_points: Vec<String>,
    /// As of a disk.
    uses: Vec<String>,
    holders: Vec<String>,
}

/// Lists the disks of rpmem, or those named.
///
/// # Errors
///
/// If one that is named is none of rpmem, or sysfs does not tell what it must.
pub fn run(system: &System, wanted: &[String], format: Format) -> Result<Outcome> {
    let disks = if wanted.is_empty() {
        BlockDevice::rpmem_disks(system)
    } else {
        let found = wanted.iter().map(|text| {
            let device = BlockDevice::find(system, text)?;
            let disk = device.whole_disk()?.map_or(device, |(disk, _)| disk);
            ensure!(
                disk.is_rpmem_disk(),
                "{}: is not driven by rpmem; 'rpmemctl list' shows the disks that are",
                safe_str(text)
            );
            Ok(disk)
        });
        found.collect::<Result<_>>()?
    };
    // Both are for root, or may be missing in a copied tree; the rest is worth showing all the same.
    let iomem = Iomem::of(system).ok();
    let mounts = mounts::mounts(system).unwrap_or_default();
    let uses = uses(system, &mounts);
    let devices = disks
        .iter()
        .map(|disk| device(system, disk, iomem.as_ref(), &mounts, &uses));
    let listing = Listing {
        devices: devices.collect::<Result<_>>()?,
    };
    Outcome::new(format, &listing, false, text)
}

fn device(
    system: &System,
    disk: &BlockDevice,
    iomem: Option<&Iomem>,
    mounts: &[Mount],
    uses: &[(BlockDevice, String)],
) -> Result<Device> {
    let size = disk.bytes()?;
    let claim = iomem.and_then(|iomem| iomem.all().find(|resource| resource.name == disk.name()));
    let memory = claim.map(|claim| kind(iomem, claim));
    let start = claim.map(|claim| claim.range.start);
    let bad = bad_list::read(disk)?;
    let parts = disk.partitions().into_iter().map(|part| {
        Ok(Partition {
            start_sector: part.number("start")?,
            size: part.bytes()?,
            mount_points: mount_points(&part, mounts),
            uses: uses_of(&part, uses),
            holders: names(&part.holders()),
            path: part.node(),
            name: part.name().to_owned(),
        })
    });
    Ok(Device {
        name: disk.name().to_owned(),
        path: disk.node(),
        start,
        size,
        numa_node: disk
            .attribute("device/numa_node")
            .and_then(|node| node.parse().ok()),
        memory,
        named: start.map(|start| is_named(system, start)),
        logical_block_size: disk.number("queue/logical_block_size")?,
        dax: disk.has_dax(),
        read_only: disk.number("ro")? != 0,
        bad_sectors: bad_list::sectors(&bad),
        bad_ranges: bad.len(),
        mount_points: mount_points(disk, mounts),
        uses: uses_of(disk, uses),
        holders: names(&disk.holders()),
        partitions: parts.collect::<Result<_>>()?,
    })
}

/// What kind of memory a claim is in.
fn kind(iomem: Option<&Iomem>, claim: &Resource) -> &'static str {
    let top = iomem.and_then(|iomem| iomem.holding(&claim.range));
    match top.map(|top| top.name.as_str()) {
        Some(LEGACY) => "legacy",
        Some(PERSISTENT) => "nvdimm",
        Some(RESERVED) => "reserved",
        _ => "other",
    }
}

/// Whether `regions=` names a region that begins there.
fn is_named(system: &System, start: u64) -> bool {
    let text = system
        .read_if_there("/sys/module/rpmem/parameters/regions")
        .unwrap_or_default();
    Regions::parse(text.as_bytes())
        .is_ok_and(|regions| regions.iter().any(|region| region.start().get() == start))
}

fn mount_points(device: &BlockDevice, mounts: &[Mount]) -> Vec<String> {
    let numbers = device.numbers();
    let mine = mounts.iter().filter(|mount| mount.device == numbers);
    mine.map(|mount| safe_path(&mount.mount_point)).collect()
}

/// What devices are used for that neither a mount nor a holder in sysfs shows.
fn uses(system: &System, mounts: &[Mount]) -> Vec<(BlockDevice, String)> {
    let swaps = swaps(system).into_iter().filter_map(|path| {
        let device = BlockDevice::find(system, &path).ok()?;
        Some((device, "swap".to_owned()))
    });
    let mut uses: Vec<_> = swaps.collect();
    for mount in mounts {
        // A superblock may be for root only.
        for one in companions::of(system, mount).unwrap_or_default() {
            let use_ = format!("{} of {}", one.role, safe_path(&mount.mount_point));
            uses.push((one.device, use_));
        }
    }
    uses
}

fn uses_of(device: &BlockDevice, uses: &[(BlockDevice, String)]) -> Vec<String> {
    let mine = uses.iter().filter(|(used, _)| used == device);
    mine.map(|(_, text)| text.clone()).collect()
}

fn names(devices: &[BlockDevice]) -> Vec<String> {
    devices
        .iter()
        .map(|device| device.name().to_owned())
        .collect()
}

fn text(listing: &Listing) -> String {
    if listing.devices.is_empty() {
        return "There is no disk of rpmem; 'rpmemctl doctor' says why.\n".to_owned();
    }
    let mut lines =
        "NAME\tREGION\tSIZE\tNODE\tMEMORY\tTAKEN BY\tDAX\tRO\tBAD SECTORS\tUSED BY\n".to_owned();
    let yes_no = |yes| if yes { "yes" } else { "no" };
    for device in &listing.devices {
        let region = device.start.map_or("(root only)".to_owned(), |start| {
            format!("{}@{}", Bytes(device.size), Bytes(start))
        });
        let node = device
            .numa_node
            .map_or("-".to_owned(), |node| node.to_string());
        let taken_by = match device.named {
            Some(true) => "regions=",
            Some(false) => "auto",
            None => "-",
        };
        line(
            &mut lines,
            &[
                &device.name,
                &region,
                &Human(device.size).to_string(),
                &node,
                device.memory.unwrap_or("-"),
                taken_by,
                yes_no(device.dax),
                yes_no(device.read_only),
                &device.bad_sectors.to_string(),
                &used_by([&device.mount_points, &device.uses, &device.holders]),
            ],
        );
        for part in &device.partitions {
            let used = used_by([&part.mount_points, &part.uses, &part.holders]);
            let size = Human(part.size).to_string();
            line(
                &mut lines,
                &[
                    &format!("  {}", part.name),
                    "",
                    &size,
                    "",
                    "",
                    "",
                    "",
                    "",
                    "",
                    &used,
                ],
            );
        }
    }
    let table = aligned(&lines);
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn line(lines: &mut String, cells: &[&str]) {
    // Writing to a String does not fail.
    let _ = writeln!(lines, "{}", cells.join("\t"));
}

fn used_by(users: [&Vec<String>; 3]) -> String {
    let users: Vec<_> = users.into_iter().flatten().map(String::as_str).collect();
    users.join(", ")
}
