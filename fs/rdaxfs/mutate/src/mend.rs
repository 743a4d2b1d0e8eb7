// SPDX-License-Identifier: GPL-2.0

//! Mends a volume as `fsck.rdaxfs -y` does.

use rdaxfs_check::{choose_superblock, discard_records, reconnect, survey, Finding, Image, Survey};
use rdaxfs_core::format::Time;
use rdaxfs_core::volume::Access;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;

use crate::session::{MemoryVolume, Session, MANY};
use crate::Memory;

/// More rounds than any volume needs.
const MANY_ROUNDS: usize = 24;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing is wrong any more, after so many rounds of mending.
    Good(usize),
    /// Neither copy of the superblock is good, or the volume has features that nobody knows, so nothing
    /// can be done.
    NoSuperblock,
    /// The volume has no room for names that have to be given anew.
    NoRoom,
}

/// Mends a volume.
///
/// # Panics
///
/// If something is wrong still, though there is a superblock, and room; or if the core refuses to finish an
/// orphan or to give a name with which a survey has found nothing wrong.
pub fn mend(medium: &Memory) -> Mended {
    medium.allow(MANY);
    let Ok((superblock, wrong)) = choose_superblock(medium) else {
        return Mended::NoSuperblock;
    };
    if let Some(wrong) = wrong {
        wrong.apply(medium);
    }
    if let Err(error) = Session::mount(medium, Access::ReadOnly) {
        assert!(
            matches!(error, Error::Corrupt | Error::Invalid | Error::NotSupported),
            "a replay: {error}"
        );
        discard_records(medium, &superblock);
    }
    match MemoryVolume::probe(medium) {
        Ok(superblock) if superblock.ro_compat.get() == 0 => {}
        // It has unknown features, or a forged record has been done that destroys both copies.
        _ => return Mended::NoSuperblock,
    }
    let (found, rounds) = rounds(medium);
    let unconnected: Vec<u64> = found.unconnected().collect();
    let named = give_names(medium, &unconnected);
    let (found, more) = self::rounds(medium);
    let left: Vec<&Finding> = found.findings.iter().collect();
    match named {
        Ok(()) => assert!(left.is_empty(), "after mending: {left:?}"),
        Err(Error::NoSpace) => return Mended::NoRoom,
        Err(error) => panic!("not finished: {error}, left: {left:?}"),
    }
    assert_eq!(more, 0, "finishing leaves something wrong");
    Mended::Good(rounds + more)
}

fn give_names(medium: &Memory, unconnected: &[u64]) -> Result<(), Error> {
    // What a record has changed may be where the journal is: what is there was not looked at, and is out of date.
    discard_records(medium, &MemoryVolume::probe(medium)?);
    let session = Session::mount(medium, Access::ReadWrite)?;
    medium.allow(64 * MANY);
    let mut workspace = Box::new(Workspace::new());
    reconnect(
        &session.volume,
        &mut workspace,
        unconnected,
        Time::new(200, 0),
    )?;
    session.unmount()
}

/// Rounds of looking and mending, until there is nothing that words mend.
fn rounds(medium: &Memory) -> (Survey, usize) {
    for round in 0..MANY_ROUNDS {
        let found = look(medium).expect("mending keeps the superblock");
        let mut changed = false;
        for finding in &found.findings {
            if shows() {
                eprintln!("round {round}: {}", finding.problem);
            }
            changed |= finding.apply(medium);
        }
        if !changed {
            return (found, round);
        }
    }
    let found = look(medium).map(|found| found.findings);
    panic!("no end of mending: {found:?}");
}

/// Whether somebody wants to see what is found, with `RDAXFS_MUTATE_SHOW` in the environment.
pub(crate) fn shows() -> bool {
    std::env::var_os("RDAXFS_MUTATE_SHOW").is_some()
}

/// A survey, if there is a good superblock.
pub(crate) fn look(medium: &Memory) -> Option<Survey> {
    medium.allow(64 * MANY);
    let (superblock, _) = choose_superblock(medium).ok()?;
    Some(survey(&Image::new(medium, superblock), |_| {}))
}
