// SPDX-License-Identifier: GPL-2.0

//! One damaged volume, and what can be done with it.

use rdaxfs_core::format::{block_offset, BLOCK_SIZE};
use rdaxfs_core::mount::Access;
use rdaxfs_core::owner::Use;
use rdaxfs_core::platform::{Medium, CACHE_LINE};

use crate::choices::Choices;
use crate::corpus::Base;
use crate::damage::{damage, kill, poison};
use crate::operate::{operate, operate_some};
use crate::repair::{look, repair, replay, shows, Repaired};
use crate::session::Session;
use crate::walk::{walk, Depth, Found};
use crate::Memory;

/// How much is done with a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One mount, some of it read, some operations, and a survey, as `fsck.rdaxfs -n` does it. Some
    /// lines of some volumes cannot be read.
    Quick,
    /// Mounts of all kinds, everything read, every operation. Then what this has made of the volume is
    /// repaired, and the volume as it was damaged, as `fsck.rdaxfs -y` does it.
    Full,
}

/// What has been found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many volumes were damaged for a quick trial.
    pub quick: u64,
    /// How many for a full one.
    pub full: u64,
    /// How many of both had lines that cannot be read.
    pub poisoned: u64,
    /// How many of both had blocks that cannot be written, slots of the journal among them.
    pub dead: u64,
    /// How many could be mounted for writing all the same.
    pub mounted: u64,
    /// Inodes that were read.
    pub inodes: u64,
    /// Operations that were tried.
    pub operations: u64,
    /// Operations that succeeded.
    pub succeeded: u64,
    /// How many were surveyed.
    pub surveyed: u64,
    /// With how many of those something was wrong.
    pub wrong: u64,
    /// How many volumes of full trials were repaired, or had nothing to repair.
    pub repaired: u64,
    /// How many had no good superblock.
    pub no_superblock: u64,
    /// How many had no room for names that had to be given anew.
    pub no_room: u64,
    /// The most rounds that a repair took.
    pub rounds: usize,
    /// Files and directories that the damage did not touch, nor any directory above them, of volumes of which a
    /// superblock was left.
    pub untouched: u64,
    /// How many of those a repair has not left where and as they were.
    pub lost: u64,
    /// How many volumes they were of.
    pub lossy: u64,
}

/// Damages one of the volumes as `data` says, and does with it what the kind says.
///
/// # Panics
///
/// If the core or a repair does what it must not.
pub fn run(bases: &[Base], kind: Kind, data: &[u8], tally: &mut Tally) {
    let mut choices = Choices::new(data);
    let Some(base) = damage_one(bases, &mut choices) else {
        return;
    };
    match kind {
        Kind::Quick => quick(base, &mut choices, tally),
        Kind::Full => full(base, &mut choices, tally),
    }
}

/// Bytes that differ from those of other numbers from the first one on.
#[must_use]
pub const fn seed(number: u64) -> [u8; 8] {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// One of the volumes, damaged as `data` says, until the next call or trial.
#[must_use]
pub fn damaged<'b>(bases: &'b [Base], data: &[u8]) -> Option<&'b Memory> {
    damage_one(bases, &mut Choices::new(data)).map(|base| &base.medium)
}

/// As [`damaged`], with what is known of the volume.
#[must_use]
pub fn damaged_base<'b>(bases: &'b [Base], data: &[u8]) -> Option<&'b Base> {
    damage_one(bases, &mut Choices::new(data))
}

/// Where the lines of a volume's metadata are.
pub fn metadata_lines(base: &Base) -> impl Iterator<Item = u64> + '_ {
    let lines = |&block: &u64| {
        let start = block_offset(block);
        (start..start + BLOCK_SIZE).step_by(CACHE_LINE)
    };
    base.places.metadata().iter().flat_map(lines)
}

/// Repairs a volume of which a line cannot be read. Returns the paths of what is not where and as it was, though
/// it does not need that line.
///
/// # Panics
///
/// If something is wrong afterwards, or the line cannot be read though the file system has a use for it.
#[must_use]
pub fn lost_with_line(base: &Base, offset: u64) -> Vec<String> {
    let medium = &base.medium;
    medium.go_back(base.good);
    medium.poison(offset);
    let repaired = repair(medium);
    assert!(matches!(repaired, Repaired::Good(_)), "{repaired:?}");
    let untouched = base.known.without_need_of(offset);
    let mut session = Session::mount(medium, Access::NoStores).expect("it is repaired");
    if medium.check_poison(offset, CACHE_LINE as u64).is_err() {
        let is = session.volume.owners().use_of(offset / BLOCK_SIZE);
        assert!(matches!(is, Ok(Use::Free | Use::Data)), "{is:?}");
    }
    let lost = base
        .known
        .lost(&mut session, (medium, base.good), &untouched);
    lost.into_iter()
        .map(|number| base.known.path(number))
        .collect()
}

fn damage_one<'b>(bases: &'b [Base], choices: &mut Choices<'_>) -> Option<&'b Base> {
    let base = choices.of(bases)?;
    base.medium.go_back(base.good);
    damage(&base.medium, &base.places, choices);
    Some(base)
}

fn quick(base: &Base, choices: &mut Choices<'_>, tally: &mut Tally) {
    tally.quick += 1;
    if choices.once_in(8) {
        poison(&base.medium, &base.places, choices);
        tally.poisoned += 1;
    }
    if choices.once_in(8) {
        kill(&base.medium, &base.places, choices);
        tally.dead += 1;
    }
    let access = match choices.below(16) {
        0 | 1 => Access::NoStores,
        2 => Access::Repair,
        _ => Access::ReadWrite,
    };
    let before = base.medium.moment();
    if let Ok(mut session) = Session::mount(&base.medium, access) {
        let found = read(&mut session, choices, Depth::SOME, tally);
        if access != Access::NoStores {
            tally.mounted += 1;
            let times = 1 + choices.below(12);
            operate_some(&mut session, &found, choices, times, tally);
            let _ = session.repair();
            if choices.once_in(2) {
                let _ = session.unmount();
            }
        } else {
            operate_some(&mut session, &found, choices, 1, tally);
        }
    }
    if access == Access::NoStores {
        let changed = base.medium.changed_since(before);
        assert!(changed.is_empty(), "a mount without stores has stored");
    }
    if let Some(found) = look(&base.medium) {
        tally.surveyed += 1;
        tally.wrong += u64::from(!found.findings.is_empty());
    }
}

fn read(
    session: &mut Session,
    choices: &mut Choices<'_>,
    depth: Depth,
    tally: &mut Tally,
) -> Found {
    let found = walk(session, choices, depth);
    tally.inodes += found.inodes.len() as u64;
    found
}

fn full(base: &Base, choices: &mut Choices<'_>, tally: &mut Tally) {
    tally.full += 1;
    let medium = &base.medium;
    let damaged = medium.moment();
    if let Ok(mut session) = Session::mount(medium, Access::NoStores) {
        read(&mut session, choices, Depth::ALL, tally);
    }
    let changed = medium.changed_since(damaged);
    assert!(changed.is_empty(), "a mount without stores has stored");
    if let Ok(mut session) = Session::mount(medium, Access::ReadWrite) {
        tally.mounted += 1;
        let found = read(&mut session, choices, Depth::ALL, tally);
        if choices.once_in(4) {
            kill(medium, &base.places, choices);
            tally.dead += 1;
        }
        operate(&mut session, &found, choices, tally);
        let _ = session.repair();
        read(&mut session, choices, Depth::ALL, tally);
        if choices.once_in(2) {
            let _ = session.unmount();
        }
    }
    // What operations make of a damaged volume can be repaired too.
    count(repair(medium), tally);
    medium.go_back(damaged);
    if choices.once_in(8) {
        poison(medium, &base.places, choices);
        tally.poisoned += 1;
        count(repair(medium), tally);
        return;
    }

    // What a forged record changes is damaged too.
    let _ = replay(medium);
    let untouched = base.known.untouched(medium, base.good);
    medium.go_back(damaged);
    if shows() {
        eprintln!("{}, damaged:", base.name);
    }
    let repaired = repair(medium);
    count(repaired, tally);
    if repaired == Repaired::NoSuperblock {
        return;
    }
    tally.untouched += untouched.len() as u64;
    let lost = match Session::mount(medium, Access::NoStores) {
        Ok(mut session) => base
            .known
            .lost(&mut session, (medium, base.good), &untouched),
        Err(_) => untouched,
    };
    tally.lost += lost.len() as u64;
    tally.lossy += u64::from(!lost.is_empty());
    if shows() {
        for number in lost {
            eprintln!("{} is lost", base.known.path(number));
        }
    }
}

fn count(repaired: Repaired, tally: &mut Tally) {
    match repaired {
        Repaired::Good(rounds) => {
            tally.repaired += 1;
            tally.rounds = tally.rounds.max(rounds);
        }
        Repaired::NoSuperblock => tally.no_superblock += 1,
        Repaired::NoRoom => tally.no_room += 1,
    }
}
