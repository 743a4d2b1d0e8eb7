// SPDX-License-Identifier: GPL-2.0

//! One damaged volume, and all that can be done with it.

use rdaxfs_core::volume::Access;

use crate::choices::Choices;
use crate::contents::is_there;
use crate::corpus::Base;
use crate::damage::damage;
use crate::mend::{mend, Mended};
use crate::operate::operate;
use crate::session::Session;
use crate::walk::walk;
use crate::Memory;

/// What has been found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many volumes were damaged.
    pub volumes: u64,
    /// How many of them could be mounted for writing all the same.
    pub mounted: u64,
    /// How many were mended, or had nothing to mend.
    pub mended: u64,
    /// How many had no good superblock.
    pub no_superblock: u64,
    /// How many had no room for names that had to be given anew.
    pub no_room: u64,
    /// How many the core has refused to finish, though a survey found nothing else wrong.
    pub unfinished: u64,
    /// The most rounds that mending took.
    pub rounds: usize,
    /// Files and directories that the damage did not touch, nor any directory above them.
    pub untouched: u64,
    /// How many of those mending has left where and as they were.
    pub kept: u64,
}

/// Damages one of the volumes as `data` says, and goes through everything with it.
///
/// # Panics
///
/// If the core or mending does what it must not.
pub fn run(bases: &[Base], data: &[u8], tally: &mut Tally) {
    let mut choices = Choices::new(data);
    let Some(base) = choices.of(bases) else {
        return;
    };
    let mut bytes = base.bytes.clone();
    damage(&mut bytes, &mut choices);
    tally.volumes += 1;

    for access in [Access::NoStores, Access::ReadOnly] {
        let medium = Memory::new(bytes.clone());
        if let Ok(mut session) = Session::mount(&medium, access) {
            walk(&mut session, &mut choices);
        }
        if access == Access::NoStores {
            assert!(medium.bytes() == bytes, "a mount without stores has stored");
        }
    }
    let medium = Memory::new(bytes.clone());
    if let Ok(mut session) = Session::mount(&medium, Access::ReadWrite) {
        tally.mounted += 1;
        let found = walk(&mut session, &mut choices);
        operate(&mut session, &found, &mut choices);
        walk(&mut session, &mut choices);
        if choices.once_in(2) {
            let _ = session.unmount();
        }
    }
    // What operations make of a damaged volume can be mended too.
    mend(&medium);

    let medium = Memory::new(bytes.clone());
    match mend(&medium) {
        Mended::Good(rounds) => {
            tally.mended += 1;
            tally.rounds = tally.rounds.max(rounds);
        }
        Mended::NoSuperblock => tally.no_superblock += 1,
        Mended::NoRoom => tally.no_room += 1,
        Mended::Unfinished => tally.unfinished += 1,
    }
    count_kept(base, &bytes, &medium, tally);
}

fn count_kept(base: &Base, damaged: &[u8], medium: &Memory, tally: &mut Tally) {
    let untouched = base.known.iter().filter(|known| {
        let mut needs = known.needs.iter();
        needs.all(|range| base.bytes[range.clone()] == damaged[range.clone()])
    });
    let mut session = Session::mount(medium, Access::ReadOnly).ok();
    for known in untouched {
        tally.untouched += 1;
        let kept = session
            .as_mut()
            .is_some_and(|session| is_there(session, known));
        tally.kept += u64::from(kept);
        if !kept && std::env::var_os("RDAXFS_MUTATE_SHOW").is_some() {
            let path = known.path.join(&b'/').escape_ascii().to_string();
            eprintln!("{}: /{path} is lost", base.name);
        }
    }
}
