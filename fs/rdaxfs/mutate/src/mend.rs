// SPDX-License-Identifier: GPL-2.0

//! Mends a volume as `fsck.rdaxfs -y` does.

use rdaxfs_check::{discard_records, reconnect, survey, Finding, Image, Survey};
use rdaxfs_core::format::{Superblock, Time};
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
    /// The core has refused to finish an orphan or to give a name, as it must not: a bug of
    /// the core's or of the survey's, which is counted until it has been found.
    Unfinished,
    /// The volume has no room for names that have to be given anew.
    NoRoom,
}

/// Mends a volume.
///
/// # Panics
///
/// If something is wrong still, though there is a superblock, and room.
pub fn mend(medium: &Memory) -> Mended {
    medium.allow(MANY);
    let Ok(superblock) = MemoryVolume::probe(medium) else {
        return Mended::NoSuperblock;
    };
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
    // What the core finished may show something that was not seen before.
    let (found, more) = self::rounds(medium);
    let left: Vec<&Finding> = found.findings.iter().collect();
    match named {
        Ok(()) => assert!(left.is_empty(), "after mending: {left:?}"),
        Err(Error::NoSpace) => return Mended::NoRoom,
        Err(_) => return Mended::Unfinished,
    }
    Mended::Good(rounds + more)
}

fn give_names(medium: &Memory, unconnected: &[u64]) -> Result<(), Error> {
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
        medium.allow(64 * MANY);
        let found = look(medium);
        let mut changed = false;
        for finding in &found.findings {
            changed |= finding.apply(medium);
        }
        if !changed {
            return (found, round);
        }
    }
    medium.allow(64 * MANY);
    panic!("no end of mending: {:?}", look(medium).findings);
}

fn look(medium: &Memory) -> Survey {
    let superblock: Superblock = match MemoryVolume::probe(medium) {
        Ok(superblock) => superblock,
        Err(error) => panic!("mending has lost the superblock: {error}"),
    };
    survey(&Image::new(medium, superblock), |_| {})
}
