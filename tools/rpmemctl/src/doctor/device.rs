// SPDX-License-Identifier: GPL-2.0

//! Whether a block device can have DAX, and whether the file system on it can.

use super::{Diagnosis, Finding};
use crate::bad_list;
use crate::block_device::BlockDevice;
use crate::quantity::{counted, SECTOR};
use crate::suggest::choose::LEAST_ALIGNMENT;
use crate::superblock::Superblock;
use crate::system::System;
use terminal::safe_path;

pub(super) fn examine(system: &System, device: &BlockDevice, diagnosis: &mut Diagnosis) {
    let before = diagnosis.findings.len();
    if !device.has_dax() {
        diagnosis.add(without_dax(device));
    }
    // sysfs shows these of every device; should one not be there, there is nothing to say of it.
    if let Ok(Some((disk, start))) = device.whole_disk() {
        partition(device, &disk, start, diagnosis);
    }
    if device.attribute("ro").as_deref() == Some("1") {
        diagnosis.add(
            Finding::advice("read-only", format!("{} can only be read", device.name()))
                .seen(format!("{} is 1", safe_path(&device.file("ro"))))
                .remedy(format!("blockdev --setrw {}", device.node()))
                .remedy(
                    "if regions= names it with :ro, without that: nothing else makes it writable",
                ),
        );
    }
    if device.is_rpmem_disk() {
        bad_blocks(device, diagnosis);
    }
    contents(system, device, diagnosis);
    if diagnosis.findings.len() == before {
        diagnosis
            .looked_at
            .push(format!("{} has DAX", device.name()));
    }
}

fn without_dax(device: &BlockDevice) -> Finding {
    let name = device.name();
    let finding = Finding::problem("no-dax", format!("{name} has no DAX")).seen(format!(
        "queue/dax of {name} in sysfs is {}",
        device
            .attribute("queue/dax")
            .unwrap_or("missing".to_owned())
    ));
    // The disk stands below its namespace.
    if let Some(mode) = device.attribute("device/mode") {
        let namespace = device.file("device").canonicalize().ok();
        let namespace = namespace
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default();
        let finding = finding.seen(format!(
            "its namespace {namespace} is in mode {mode}, driven by {}",
            device.driver().unwrap_or("nobody".to_owned())
        ));
        return match mode.as_str() {
            "raw" => finding
                .remedy(format!("ndctl create-namespace --force --reconfig={namespace} --mode=fsdax    # gives it struct pages, and destroys what is on it"))
                .remedy(format!("or give it to rpmem: ndctl disable-namespace {namespace}; modprobe rpmem regions=SIZE@ADDR with what /proc/iomem has for it")),
            _ => finding.remedy(format!("ndctl create-namespace --force --reconfig={namespace} --mode=fsdax    # destroys what is on it")),
        };
    }
    let slaves = device.slaves();
    if !slaves.is_empty() {
        let (with, without): (Vec<_>, Vec<_>) = slaves.iter().partition(|slave| slave.has_dax());
        let mut finding = finding;
        for slave in without {
            finding = finding.seen(format!("{} below it has none", slave.name()));
        }
        for slave in with {
            finding = finding.seen(format!("{} below it has DAX", slave.name()));
        }
        return finding.remedy("of device-mapper, linear and striped targets pass DAX on, if all devices below have it; crypt, raid and md do not");
    }
    finding.remedy("use a disk of rpmem: rpmemctl list; rpmemctl doctor says why there is none")
}

fn partition(part: &BlockDevice, disk: &BlockDevice, start: u64, diagnosis: &mut Diagnosis) {
    let page = rustix::param::page_size() as u64;
    let name = part.name();
    let (start, size) = (start.saturating_mul(SECTOR), part.bytes().unwrap_or(0));
    if start % page != 0 || size % page != 0 {
        diagnosis.add(
            Finding::problem(
                "partition-misaligned",
                format!(
                    "{name} does not begin and end at multiples of a page, so that it has no DAX"
                ),
            )
            .seen(format!(
                "it begins at byte {start} and has {size} bytes; a page has {page}"
            ))
            .remedy(format!(
                "make the partition anew, at multiples of 1MiB: parted --align optimal {}",
                disk.node()
            )),
        );
    } else if start % LEAST_ALIGNMENT != 0 {
        diagnosis.add(
            Finding::advice("partition-without-huge-pages", format!("{name} does not begin at a multiple of 2 MiB: files on it are mapped by pages of 4 KiB only"))
                .seen(format!("it begins at byte {start}"))
                .remedy("make the partition anew, from 2MiB on (4096s), or do without partitions"),
        );
    }
}

fn bad_blocks(disk: &BlockDevice, diagnosis: &mut Diagnosis) {
    match bad_list::read(disk) {
        Ok(list) if list.is_empty() => {}
        Ok(list) => diagnosis.add(
            Finding::problem(
                "bad-blocks",
                format!("{} has bad blocks: reads of them fail", disk.name()),
            )
            .seen(format!(
                "{} in {} in its badblocks file",
                counted(bad_list::sectors(&list), "sector"),
                counted(list.len() as u64, "range")
            ))
            .remedy("rpmemctl damage MOUNTPOINT    # names the files that are hit")
            .remedy(
                "overwrite or restore those files: whole pages that are written are good again",
            ),
        ),
        Err(error) => diagnosis.skip(format!("the bad blocks of {}: {error:#}", disk.name())),
    }
}

/// What the file system on it, mounted or not, allows.
fn contents(system: &System, device: &BlockDevice, diagnosis: &mut Diagnosis) {
    if !system.is_this_one() {
        return;
    }
    let name = device.name();
    let superblock = match Superblock::of(std::path::Path::new(&device.node())) {
        Ok(Some(superblock)) => superblock,
        Ok(None) => return,
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            diagnosis.add(
                Finding::problem("superblock-unreadable", format!("the beginning of {name} cannot be read, so that nothing on it can be mounted"))
                    .seen(format!("{}: {error}", device.node()))
                    .remedy("rpmemctl list    # has it bad blocks?")
                    .remedy("repair the superblock from one of its copies: e2fsck -b 32768, or xfs_repair"),
            );
            return;
        }
        Err(error) => return diagnosis.skip(format!("what is on {name}: {error}")),
    };
    let page = rustix::param::page_size() as u64;
    if superblock.block_size() != page {
        let make = match superblock {
            Superblock::Ext4 { .. } => format!("mkfs.ext4 -b {page} {}", device.node()),
            Superblock::Xfs { .. } => format!("mkfs.xfs -b size={page} {}", device.node()),
        };
        let size = superblock.block_size();
        diagnosis.add(
            Finding::problem(
                "block-size",
                format!(
                    "the {} on {name} has blocks of {size} bytes: DAX wants {page}, a page",
                    superblock.file_system()
                ),
            )
            .seen("its superblock")
            .remedy(format!("save the files, and make it anew: {make}")),
        );
    }
    if superblock.block_size() == page && device.has_dax() {
        layout(device, &superblock, diagnosis);
    }
    let is_partition = matches!(device.whole_disk(), Ok(Some(_)));
    match superblock {
        Superblock::Ext4 {
            inline_data: true, ..
        } => diagnosis.add(
            Finding::problem(
                "inline-data",
                format!("the ext4 on {name} may keep data in inodes, which excludes DAX"),
            )
            .seen("its superblock has the feature inline_data")
            .remedy(format!(
                "save the files, and make it anew: mkfs.ext4 -b {page} -O ^inline_data {}",
                device.node()
            )),
        ),
        Superblock::Xfs { reflink: true, .. } if is_partition => diagnosis.add(
            Finding::problem(
                "reflink-on-partition",
                format!("the XFS on {name} has reflink, which with DAX works on whole disks only"),
            )
            .seen("its superblock has the feature reflink, and the device is a partition")
            .remedy(format!(
                "save the files, and make it anew: mkfs.xfs -f -m reflink=0 {}",
                device.node()
            )),
        ),
        _ => {}
    }
}

/// Whether the file system lays large files out so that huge pages can map them.
fn layout(device: &BlockDevice, superblock: &Superblock, diagnosis: &mut Diagnosis) {
    let stripe = superblock.stripe();
    if stripe != 0 && stripe % LEAST_ALIGNMENT == 0 {
        return;
    }
    let node = device.node();
    let what = format!(
        "the {} on {} does not lay files out by 2 MiB: most are mapped by pages of 4 KiB only",
        superblock.file_system(),
        device.name()
    );
    let finding = Finding::advice("layout-without-huge-pages", what);
    let blocks = LEAST_ALIGNMENT / superblock.block_size();
    diagnosis.add(match superblock {
        Superblock::Ext4 { .. } => finding
            .seen(format!("its superblock has a stripe width of {stripe} bytes"))
            .remedy(format!("tune2fs -E stripe_width={blocks} {node}    # for files that are written from the next mount on"))
            .remedy(format!("or make it anew: mkfs.ext4 -b {} -E stride={blocks},stripe_width={blocks} {node}", superblock.block_size())),
        Superblock::Xfs { .. } => finding
            .seen(format!("its superblock has a stripe unit of {stripe} bytes"))
            .remedy(format!("save the files, and make it anew: mkfs.xfs -f -d su=2m,sw=1 {node}"))
            .remedy("on less than 640 MiB, where mkfs.xfs refuses that: -d agcount=2,su=2m,sw=1"),
    });
}
