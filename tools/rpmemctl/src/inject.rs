// SPDX-License-Identifier: GPL-2.0

//! `rpmemctl inject` and `rpmemctl clear`.

use crate::bad_list;
use crate::block_device::BlockDevice;
use crate::cli::Range;
use crate::kernel_log::KernelLog;
use crate::output::{Format, Outcome};
use crate::quantity::counted;
use crate::system::System;
use anyhow::{bail, ensure, Context, Result};
use badblocks::Extent;
use serde::Serialize;
use terminal::{safe_path, safe_str};

/// What to do with the sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Mark them as bad.
    Inject,
    /// Mark them as good.
    Clear,
}

#[derive(Serialize)]
struct Done {
    device: String,
    /// Of the disk, whatever part of it was named.
    start: u64,
    sectors: u64,
    bad_sectors: u64,
    bad_ranges: usize,
}

/// Changes the list of bad blocks.
///
/// # Errors
///
/// If the device is none of rpmem, the range is empty or not in it, or the driver refuses.
pub fn run(system: &System, edit: Edit, range: &Range, format: Format) -> Result<Outcome> {
    ensure!(
        system.is_this_one(),
        "--sysroot: nothing is changed in a copied tree"
    );
    let device = BlockDevice::find(system, &range.device)?;
    let (disk, base) = device.whole_disk()?.unwrap_or((device.clone(), 0));
    if !disk.is_rpmem_disk() {
        bail!(
            "{}: is not driven by rpmem; 'rpmemctl list' shows the disks that are",
            safe_str(&range.device)
        );
    }
    let extent = within(&device, range)?;
    let extent = Extent::new(base + extent.start(), extent.sectors()).context("the range wraps")?;
    let log = KernelLog::from_now(system);
    let line = match edit {
        Edit::Inject => format!("{extent}\n"),
        Edit::Clear => format!("-{extent}\n"),
    };
    if let Err(error) = bad_list::write(&disk, &line) {
        return Err(refusal(&disk, error, log));
    }
    let list = bad_list::read(&disk)?;
    let done = Done {
        device: disk.name().to_owned(),
        start: extent.start(),
        sectors: extent.sectors(),
        bad_sectors: bad_list::sectors(&list),
        bad_ranges: list.len(),
    };
    Outcome::new(format, &done, false, |done| {
        let state = match edit {
            Edit::Inject => "bad",
            Edit::Clear => "good",
        };
        format!(
            "{}: {} from {} on marked as {state}; {} bad now, in {}\n",
            done.device,
            counted(done.sectors, "sector"),
            done.start,
            counted(done.bad_sectors, "sector"),
            counted(done.bad_ranges as u64, "range"),
        )
    })
}

/// The range, if the device has it all.
fn within(device: &BlockDevice, range: &Range) -> Result<Extent> {
    let sectors = device.sectors()?;
    let (offset, len) = (range.offset.0, range.len.0);
    let extent = Extent::new(offset, len).filter(|extent| extent.end() <= sectors);
    extent.with_context(|| {
        format!(
            "OFFSET {offset}, LEN {len}: ends beyond {}, which has {}, numbered from 0",
            device.name(),
            counted(sectors, "sector")
        )
    })
}

/// The error, with what the driver has said about it.
fn refusal(disk: &BlockDevice, error: std::io::Error, log: Option<KernelLog>) -> anyhow::Error {
    let said = log
        .map(|log| log.take("rpmem: badblocks:"))
        .unwrap_or_default();
    let error = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            anyhow::Error::new(error).context("only root may change the list; run this as root")
        }
        _ => match said.last() {
            Some(message) => anyhow::Error::new(error).context(message.text.clone()),
            None => anyhow::Error::new(error),
        },
    };
    error.context(safe_path(&disk.file("badblocks")))
}
