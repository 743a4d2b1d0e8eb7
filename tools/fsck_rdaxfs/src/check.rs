// SPDX-License-Identifier: GPL-2.0

//! A check from beginning to end.

use anyhow::{anyhow, bail, Context, Result};
use rdaxfs_check::{
    discard_records, heads_agree, reconnect, Finding, Image, Reconnected, Repaired, Repairs, Stuck,
    Survey,
};
use rdaxfs_core::format::{Superblock, STATE_CLEAN};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::platform::Medium;
use rdaxfs_core::superblock::probe;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;
use rdaxfs_host::{now, FileMedium, Host, Mounted};
use terminal::{safe_path, say};
use zerocopy::IntoBytes;

use crate::cli::Arguments;
use crate::consent::Consent;
use crate::desk::Desk;
use crate::device::Device;
use crate::identify::identify;
use crate::progress::Meter;
use crate::Status;

/// Checks the volume, and repairs it as far as the arguments allow.
///
/// # Errors
///
/// If the check cannot be done.
pub fn run(arguments: &Arguments) -> Result<Status> {
    let mut consent = Consent::of(arguments)?;
    let meter = Meter::of(arguments)?;
    let shown = safe_path(&arguments.path);
    let device = Device::of(arguments)?;
    let medium = device.open()?;
    let (superblock, wrong) = identify(arguments, &medium)?;
    if !arguments.force
        && is_clean(&medium, &superblock)
        && heads_agree(&Image::new(&medium, superblock))
    {
        say!(
            "{shown}: clean, {} inodes, {} of {} blocks free",
            superblock.inodes,
            superblock.free_blocks,
            superblock.blocks
        );
        return Ok(Status::CLEAN);
    }

    device.require_writable()?;
    if superblock.ro_compat.get() != 0 {
        bail!("{shown} has features that this fsck.rdaxfs does not know; use a newer one");
    }
    let mut repairs = Repairs::default();
    // By the first copy the journal is found.
    let is_left = match &wrong {
        None => false,
        Some(wrong) => !repair_superblock(wrong, &medium, &mut consent, &mut repairs)?,
    };
    let (medium, records) = replay(medium, &device, &mut consent)?;
    let mut desk = Desk::new(consent, meter);
    let Repaired { found, refused } = repair(&medium, &mut repairs, &mut desk)?;
    let is_changed = repairs.repaired() > 0 || records == Records::Dropped;
    if refused || is_left || records == Records::Left {
        medium
            .sync()
            .with_context(|| format!("{shown} cannot be written"))?;
        say!("{shown}: errors remain{}", way_out(consent));
        return Ok(if is_changed {
            Status::REPAIRED.and(Status::WRONG)
        } else {
            Status::WRONG
        });
    }
    if consent == Consent::No {
        report(arguments, &found);
        return Ok(Status::CLEAN);
    }
    let unconnected: Vec<u64> = found.unconnected().collect();
    // It has a part for each group and inode, and the next one is as large.
    drop(found);
    // What says that the volume is clean is written after everything else.
    medium
        .sync()
        .with_context(|| format!("{shown} cannot be written"))?;
    let (outcome, medium) = give_names(medium, &unconnected)
        .map_err(|error| anyhow!("{shown}: lost names cannot be given anew: {error}"))?;
    if outcome.finished > 0 {
        say!(
            "{shown}: {} inodes that were being removed or changed are finished",
            outcome.finished
        );
    }
    // What the core finished may show something that was not seen before.
    let found = repair(&medium, &mut repairs, &mut desk)?.found;
    medium
        .sync()
        .with_context(|| format!("{shown} cannot be written"))?;
    if let Some(finding) = found.findings.first() {
        bail!(
            "{shown}: errors remain after the repair: {}",
            finding.problem
        );
    }
    report(arguments, &found);
    let repaired = repairs.repaired() + outcome.named;
    if repaired > 0 {
        say!("{shown}: errors repaired: {repaired}");
    }
    Ok(if is_changed || repairs.repaired() + outcome.named > 0 {
        Status::REPAIRED
    } else {
        Status::CLEAN
    })
}

/// Whether the volume says that it is clean, in a first copy of the superblock that is good.
fn is_clean(medium: &FileMedium, superblock: &Superblock) -> bool {
    let mut first = [0; size_of::<Superblock>()];
    medium.read(0, &mut first).is_ok()
        && first == superblock.as_bytes()
        && superblock.state.get() == STATE_CLEAN
        && superblock.errors.get() == 0
        && superblock.retired_slots.get() == 0
}

/// Repairs the first copy of the superblock. Returns whether it is repaired on the medium too: when nothing may be
/// changed, it is in memory.
fn repair_superblock(
    wrong: &Finding,
    medium: &FileMedium,
    consent: &mut Consent,
    repairs: &mut Repairs,
) -> Result<bool> {
    say!("{}", wrong.problem);
    if consent.to(&wrong.problem) {
        return Ok(repairs.apply(medium, wrong));
    }
    if *consent != Consent::No {
        bail!("nothing can be judged without a good superblock");
    }
    wrong.apply(medium);
    Ok(false)
}

/// What has become of the journal's records.
#[derive(PartialEq, Eq)]
enum Records {
    /// They are done.
    Done,
    /// They are dropped.
    Dropped,
    /// They are dropped in memory, and on the medium as they were.
    Left,
}

/// Does what the journal's records say. If one of them cannot be done, they are dropped where that is
/// wanted; when nothing may be changed, in memory.
fn replay(
    medium: FileMedium,
    device: &Device,
    consent: &mut Consent,
) -> Result<(FileMedium, Records)> {
    let superblock = probe(&medium)?;
    let write_error = medium.write_error();
    let host = Host::new(medium, &superblock);
    let mut workspace = Box::new(Workspace::new());
    let mut is_harmless = false;
    let replayed = mount::replay(host, &mut workspace);
    // Records are not dropped because they cannot be carried out now.
    write_error
        .check()
        .context("the journal cannot be replayed")?;
    match replayed {
        Ok(host) => return Ok((host.into_medium(), Records::Done)),
        Err(Error::Corrupt) => {
            say!("the journal has a record that cannot be done; all records are dropped");
        }
        // Of a clean volume all records are done.
        Err(Error::Io) if superblock.state.get() == STATE_CLEAN => {
            say!("the journal cannot be read; it is emptied");
            is_harmless = true;
        }
        Err(Error::Io) => {
            say!("the journal, or what it changes, cannot be read; all records are dropped");
        }
        Err(error) => bail!("the journal cannot be replayed: {error}"),
    }
    let wanted = match consent {
        Consent::No => false,
        Consent::Harmless => is_harmless,
        Consent::Yes => true,
        Consent::Ask => consent.ask(),
    };
    if !wanted && *consent != Consent::No {
        bail!("nothing can be judged while the journal is like that; -y drops its records");
    }
    // Nothing has been stored since it was opened.
    let medium = device.open()?;
    discard_records(&medium, &superblock);
    let outcome = if wanted {
        Records::Dropped
    } else {
        Records::Left
    };
    Ok((medium, outcome))
}

/// Gives names to what has none, and unmounts the volume as clean.
fn give_names(
    medium: FileMedium,
    unconnected: &[u64],
) -> rdaxfs_core::Result<(Reconnected, FileMedium)> {
    // What a record has changed may be where the journal is: what is there was not looked at, and is out of date.
    discard_records(&medium, &probe(&medium)?);
    let mut mounted = Mounted::mount(medium, Access::Repair, now())?;
    let outcome = reconnect(&mounted.volume, &mut mounted.workspace, unconnected, now())?;
    Ok((outcome, mounted.unmount()?))
}

/// Rounds of surveys and repairs, with everything shown and asked for at the desk.
fn repair(medium: &FileMedium, repairs: &mut Repairs, desk: &mut Desk) -> Result<Repaired> {
    let outcome = repairs.repair(medium, desk);
    desk.clear();
    outcome.map_err(|stuck| match stuck {
        Stuck::Superblock(_) => anyhow!(stuck),
        Stuck::Endless { .. } => anyhow!("{stuck}; this is a bug of fsck.rdaxfs"),
    })
}

fn way_out(consent: Consent) -> &'static str {
    match consent {
        Consent::No => "; -y repairs them",
        Consent::Harmless => "; repairing them may lose something: run fsck.rdaxfs without -p",
        Consent::Yes | Consent::Ask => "",
    }
}

fn report(arguments: &Arguments, found: &Survey) {
    say!(
        "{}: {} inodes, {} blocks free",
        safe_path(&arguments.path),
        found.inodes.len(),
        found.free_blocks
    );
    if found.bad_blocks > 0 {
        say!(
            "{}: {} bad blocks are not used",
            safe_path(&arguments.path),
            found.bad_blocks
        );
    }
}
