// SPDX-License-Identifier: GPL-2.0

//! A check from beginning to end.

use std::collections::HashMap;
use std::io;
use std::mem::offset_of;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail, Context, Result};
use rdaxfs_check::{
    choose_superblock, discard_records, heads_agree, reconnect, survey, Finding, Fix, Image,
    Reconnected, Survey,
};
use rdaxfs_core::format::{Superblock, Time, STATE_CLEAN, STATE_DAMAGED};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::volume::{Access, Volume};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;
use rdaxfs_host::{totals, FileMedium, Host};
use zerocopy::IntoBytes;

use crate::cli::Arguments;
use crate::consent::{ask, Consent};
use crate::progress::Meter;
use crate::Status;

/// More rounds than this do not end.
const MAX_ROUNDS: usize = 64;

/// Checks the volume, and mends it as far as the arguments allow.
///
/// # Errors
///
/// If the check cannot be done.
pub fn run(arguments: &Arguments) -> Result<Status> {
    let consent = Consent::of(arguments)?;
    let mut meter = Meter::of(arguments)?;
    let shown = arguments.path.display();
    let medium = open(arguments)?;
    let (superblock, wrong) = choose_superblock(&medium).map_err(|error| match error {
        Error::Invalid => {
            anyhow!("{shown} is no volume of rdaxfs: neither copy of the superblock is there")
        }
        Error::NotSupported => {
            anyhow!("{shown} has features that this fsck.rdaxfs does not know; use a newer one")
        }
        error => anyhow!("{shown}: {error}: no copy of the superblock is good"),
    })?;
    if !arguments.force
        && is_clean(&medium, &superblock)
        && heads_agree(&Image::new(&medium, superblock))
    {
        println!(
            "{shown}: clean, {} inodes, {} of {} blocks free",
            superblock.inodes, superblock.free_blocks, superblock.blocks
        );
        return Ok(Status::CLEAN);
    }

    if superblock.ro_compat.get() != 0 {
        bail!("{shown} has features that this fsck.rdaxfs does not know; use a newer one");
    }
    let mut mended = 0;
    // By the first copy the journal is found.
    let is_lost = match &wrong {
        None => false,
        Some(wrong) => !mend_superblock(wrong, &medium, consent, &mut mended)?,
    };
    let medium = replay(medium, arguments, consent)?;
    let (found, refused) = mend(&medium, consent, &mut meter, &mut mended)?;
    if refused || is_lost {
        medium
            .sync()
            .with_context(|| format!("{shown} cannot be written"))?;
        println!("{shown}: something is wrong still{}", way_out(consent));
        return Ok(if mended > 0 {
            Status::MENDED.and(Status::WRONG)
        } else {
            Status::WRONG
        });
    }
    if consent == Consent::No {
        report(arguments, &found);
        return Ok(Status::CLEAN);
    }
    let unconnected: Vec<u64> = found.unconnected().collect();
    let (outcome, medium) = give_names(medium, &unconnected)
        .map_err(|error| anyhow!("{shown}: lost names cannot be given anew: {error}"))?;
    mended += outcome.named;
    if outcome.finished > 0 {
        println!(
            "{shown}: {} inodes that were being removed or changed are finished",
            outcome.finished
        );
    }
    // What the core finished may show something that was not seen before.
    let (found, _) = mend(&medium, consent, &mut meter, &mut mended)?;
    medium
        .sync()
        .with_context(|| format!("{shown} cannot be written"))?;
    if let Some(finding) = found.findings.first() {
        bail!(
            "{shown}: mending has left something wrong: {}",
            finding.problem
        );
    }
    report(arguments, &found);
    Ok(if mended > 0 {
        Status::MENDED
    } else {
        Status::CLEAN
    })
}

fn open(arguments: &Arguments) -> Result<FileMedium> {
    let shown = arguments.path.display();
    FileMedium::open(&arguments.path, !arguments.no).map_err(|error| {
        if error.kind() == io::ErrorKind::ResourceBusy {
            return anyhow!(
                "{shown} is mounted or in use otherwise; unmount it first, or look with -n"
            );
        }
        anyhow!(error).context(format!("{shown} cannot be opened"))
    })
}

/// Whether the volume says that it is clean, in a first copy of the superblock that is good.
fn is_clean(medium: &FileMedium, superblock: &Superblock) -> bool {
    let mut first = [0; size_of::<Superblock>()];
    medium.read(0, &mut first).is_ok()
        && first == superblock.as_bytes()
        && superblock.state.get() == STATE_CLEAN
}

/// Mends the first copy of the superblock. Returns whether it is mended on the medium too: when nothing may be
/// changed, it is in memory.
fn mend_superblock(
    wrong: &Finding,
    medium: &FileMedium,
    consent: Consent,
    mended: &mut usize,
) -> Result<bool> {
    println!("{}", wrong.problem);
    if consent.to(&wrong.problem) {
        return Ok(apply(wrong, medium, mended));
    }
    if consent != Consent::No {
        bail!("nothing can be judged without a good superblock");
    }
    wrong.apply(medium);
    Ok(false)
}

/// Does what the journal's records say. If one of them cannot be done, they are dropped where that is
/// wanted.
fn replay(medium: FileMedium, arguments: &Arguments, consent: Consent) -> Result<FileMedium> {
    let superblock = Volume::<Host<FileMedium>>::probe(&medium)?;
    let host = Host::new(medium, &superblock);
    let mut workspace = Box::new(Workspace::new());
    match Volume::mount(host, Access::ReadOnly, now(), &mut workspace) {
        Ok(volume) => return Ok(volume.unmount(0, 0).into_medium()),
        Err(Error::Corrupt) => {}
        Err(error) => bail!("the journal cannot be replayed: {error}"),
    }
    println!("the journal has a record that cannot be done; all records are dropped");
    let wanted = consent == Consent::Yes || consent == Consent::Ask && ask("Mend");
    if !wanted {
        bail!("nothing can be judged while the journal has such a record; -y drops it");
    }
    // Nothing has been stored since it was opened.
    let medium = open(arguments)?;
    discard_records(&medium, &superblock);
    Ok(medium)
}

/// Gives names to what has none, and unmounts the volume as clean.
fn give_names(
    medium: FileMedium,
    unconnected: &[u64],
) -> rdaxfs_core::Result<(Reconnected, FileMedium)> {
    let superblock = Volume::<Host<FileMedium>>::probe(&medium)?;
    // What a record has changed may be where the journal is: what is there was not looked at, and is out of date.
    discard_records(&medium, &superblock);
    let host = Host::new(medium, &superblock);
    let mut workspace = Box::new(Workspace::new());
    let volume = Volume::mount(host, Access::ReadWrite, now(), &mut workspace)?;
    let outcome = reconnect(&volume, &mut workspace, unconnected, now())?;
    let (free, inodes) = totals(&volume)?;
    Ok((outcome, volume.unmount(free, inodes).into_medium()))
}

/// Rounds of looking and mending, until nothing is found that words mend, or nobody wants it
/// mended. Says whether there is such a thing; inodes without a name, which somebody wants to have one, are
/// not.
fn mend(
    medium: &FileMedium,
    consent: Consent,
    meter: &mut Meter,
    mended: &mut usize,
) -> Result<(Survey, bool)> {
    // What has been asked is not asked again.
    let mut answers: HashMap<String, bool> = HashMap::new();
    for _ in 0..MAX_ROUNDS {
        let found = look(medium, meter)?;
        let (mut changed, mut refused) = (false, false);
        for finding in &found.findings {
            let wanted = *answers
                .entry(finding.problem.to_string())
                .or_insert_with_key(|text| {
                    println!("{text}");
                    consent.to(&finding.problem)
                });
            match finding.fix {
                Fix::Words(_) if wanted => changed |= apply(finding, medium, mended),
                Fix::Reconnect { .. } if wanted => {}
                _ => refused = true,
            }
        }
        if !changed {
            return Ok((found, refused));
        }
    }
    bail!("after {MAX_ROUNDS} rounds of mending something is wrong still; this is a bug of fsck.rdaxfs")
}

fn apply(finding: &Finding, medium: &FileMedium, mended: &mut usize) -> bool {
    if *mended == 0 {
        // Until all is mended, the volume is not clean, whatever becomes of this program.
        medium.store_u64(offset_of!(Superblock, state) as u64, STATE_DAMAGED);
        medium.fence();
    }
    let applied = finding.apply(medium);
    *mended += usize::from(applied);
    applied
}

fn look(medium: &FileMedium, meter: &mut Meter) -> Result<Survey> {
    let (superblock, _) =
        choose_superblock(medium).map_err(|error| anyhow!("the superblock is lost: {error}"))?;
    let found = survey(&Image::new(medium, superblock), |progress| {
        meter.show(progress)
    });
    meter.clear();
    Ok(found)
}

fn way_out(consent: Consent) -> &'static str {
    match consent {
        Consent::No => "; -y mends it",
        Consent::Harmless => "; mending it may lose something: run fsck.rdaxfs without -p",
        Consent::Yes | Consent::Ask => "",
    }
}

fn report(arguments: &Arguments, found: &Survey) {
    println!(
        "{}: {} inodes, {} blocks free",
        arguments.path.display(),
        found.inodes.len(),
        found.free_blocks
    );
}

fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time::new(
        since.as_secs().try_into().unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}
