// SPDX-License-Identifier: GPL-2.0

//! Repairs a volume as `fsck.rdaxfs -y` does.

use rdaxfs_check::{
    choose_superblock, discard_records, has_magic, reconnect, superblock_by_copy, survey, Finding,
    Image, Problem, Repairs, Survey,
};
use rdaxfs_core::format::{Superblock, Time, BLOCK_SIZE};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::platform::Medium;
use rdaxfs_core::superblock::probe;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{Host, Mounted};

use crate::session::MANY;
use crate::Memory;

/// More rounds than any damaged volume needed so far: a good deal less than what fsck.rdaxfs gives up at.
const MANY_ROUNDS: usize = 24;

/// More accesses than a survey of a damaged volume needs, and than the rounds of repairing it need.
const SURVEY: u64 = 64 * MANY;
const ROUNDS: u64 = MANY_ROUNDS as u64 * SURVEY;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// Nothing is wrong any more, after so many rounds of repairs.
    Good(usize),
    /// Neither copy of the superblock is good, or the volume has features that nobody knows, so nothing
    /// can be done.
    NoSuperblock,
    /// The volume has no room for names that have to be given anew.
    NoRoom,
}

/// Repairs a volume.
///
/// # Panics
///
/// If something is wrong still, though there is a superblock, and room; or if the core refuses to finish an
/// orphan or to give a name with which a survey has found nothing wrong.
pub fn repair(medium: &Memory) -> Repaired {
    medium.replace_dead();
    medium.be_for_a_tool(true);
    let repaired = repair_all(medium);
    medium.be_for_a_tool(false);
    repaired
}

fn repair_all(medium: &Memory) -> Repaired {
    medium.allow(MANY);
    let Ok((superblock, wrong)) = choose(medium) else {
        return Repaired::NoSuperblock;
    };
    let mut repairs = Repairs::default();
    if let Some(wrong) = wrong {
        repairs.apply(medium, &wrong);
    }
    if let Err(error) = replay(medium) {
        assert!(
            matches!(
                error,
                Error::Corrupt | Error::Io | Error::Invalid | Error::NotSupported | Error::ReadOnly
            ),
            "a replay: {error}"
        );
        discard_records(medium, &superblock);
    }
    match choose_superblock(medium) {
        Ok((superblock, _)) if superblock.ro_compat.get() == 0 => {}
        // It has unknown features, or a forged record has been done that destroys both copies.
        _ => return Repaired::NoSuperblock,
    }
    let found = rounds(medium, &mut repairs);
    let unconnected: Vec<u64> = found.unconnected().collect();
    let named = give_names(medium, &unconnected);
    let before = repairs.rounds();
    let found = rounds(medium, &mut repairs);
    match named {
        Ok(()) => assert!(
            found.findings.is_empty(),
            "after repairs: {:?}",
            found.findings
        ),
        Err(Error::NoSpace) => return Repaired::NoRoom,
        Err(error) => panic!("not finished: {error}, left: {:?}", found.findings),
    }
    assert_eq!(repairs.rounds(), before, "finishing leaves something wrong");
    Repaired::Good(before)
}

/// The superblock; by its copy, where the first one has lost its magic number, as `fsck.rdaxfs -b` does.
fn choose(medium: &Memory) -> Result<(Superblock, Option<Finding>)> {
    if !matches!(has_magic(medium), Ok(true)) {
        let last = (medium.len() / BLOCK_SIZE).saturating_sub(1);
        return superblock_by_copy(medium, last);
    }
    choose_superblock(medium)
}

/// Replays the journal.
pub(crate) fn replay(medium: &Memory) -> Result {
    medium.allow(MANY);
    let host = Host::new(medium.clone(), &probe(medium)?);
    mount::replay(host, &mut Workspace::new()).map(drop)
}

fn give_names(medium: &Memory, unconnected: &[u64]) -> Result {
    medium.allow(SURVEY);
    // What a record has changed may be where the journal is: what is there was not looked at, and is out of date.
    discard_records(medium, &probe(medium)?);
    let mut mounted = Mounted::mount(medium.clone(), Access::Repair, Time::new(100, 0))?;
    let now = Time::new(200, 0);
    reconnect(&mounted.volume, &mut mounted.workspace, unconnected, now)?;
    mounted.unmount()?;
    Ok(())
}

/// Rounds of looking and repairing, with consent to all, until there is nothing that words repair.
fn rounds(medium: &Memory, repairs: &mut Repairs) -> Survey {
    medium.allow(ROUNDS);
    let mut agrees = |problem: &Problem| {
        if shows() {
            eprintln!("{problem}");
        }
        true
    };
    let repaired = repairs
        .repair(medium, &mut agrees)
        .expect("repairing has an end");
    assert!(
        repairs.rounds() < MANY_ROUNDS,
        "{} rounds of repairs",
        repairs.rounds()
    );
    repaired.found
}

/// Whether somebody wants to see what is found, with `RDAXFS_MUTATE_SHOW` in the environment.
pub(crate) fn shows() -> bool {
    std::env::var_os("RDAXFS_MUTATE_SHOW").is_some()
}

/// A survey, if there is a good superblock.
pub(crate) fn look(medium: &Memory) -> Option<Survey> {
    medium.allow(SURVEY);
    let (superblock, _) = choose(medium).ok()?;
    Some(survey(&Image::new(medium, superblock), |_| {}))
}
