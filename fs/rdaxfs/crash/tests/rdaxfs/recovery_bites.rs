// SPDX-License-Identifier: GPL-2.0

//! Each flush and each fence of a mount, of its replay, of an unmount and of mkfs is needed: without it a
//! test fails.

use rdaxfs_core::format::{block_offset, STATE_CLEAN, STATE_MOUNTED};
use rdaxfs_core::platform::Medium;
use rdaxfs_core::superblock::probe;
use rdaxfs_crash::spec::{prepared, Op, Snapshot};
use rdaxfs_crash::{explore, Log, Point, Recorder, Step, Tally};
use rdaxfs_crash_medium::fsck;

use crate::bite::{each_is_needed, Trial, BUDGET};
use crate::case::{Case, Setting, BLOCKS};
use crate::mounted::Mounted;
use crate::platform::Pmem;
use crate::recovery::{check_recovery, furnished, none_or_whole, recoveries};
use crate::subject::{made, make_on, recover, time};

/// A log of which every crash passes the check.
fn trial<'t>(log: Log, check: impl Fn(&Recorder, &Point) -> Result<(), String> + 't) -> Trial<'t> {
    Trial::new(log, move |log| {
        explore(log, &BUDGET, &check).map_err(|failure| failure.to_string())
    })
}

/// A mount says that the volume is in use, for one more time than before, when it returns.
fn mount() -> Trial<'static> {
    let medium = made(BLOCKS);
    let (mounted, expected) = furnished(&medium);
    mounted.unmount().unwrap();
    medium.forget();
    medium.step(Step::Begin(0));
    Mounted::mount(&medium, time(600)).unwrap();
    medium.step(Step::End(0));
    trial(medium.log(), move |medium, point| {
        let superblock = probe(&Pmem(medium)).map_err(|error| error.to_string())?;
        let (state, mounts) = (superblock.state.get(), superblock.mounts.get());
        match (point.done.is_empty(), state) {
            (false, STATE_MOUNTED) if mounts == 2 => {}
            (true, STATE_CLEAN) if mounts == 1 || mounts == 2 => {}
            (true, STATE_MOUNTED) if mounts == 2 => {}
            _ => return Err(format!("state {state}, mounted {mounts} times")),
        }
        shows(medium, &expected)
    })
}

/// A volume that says it is clean has nothing to recover, and the right totals; it says so when the
/// unmount returns.
fn unmount() -> Trial<'static> {
    let medium = made(BLOCKS);
    let (mounted, expected) = furnished(&medium);
    mounted.finish_all().unwrap();
    let totals = mounted.volume.space().totals().unwrap();
    medium.forget();
    medium.step(Step::Begin(0));
    mounted.unmount().unwrap();
    medium.step(Step::End(0));
    trial(medium.log(), move |medium, point| {
        let superblock = probe(&Pmem(medium)).map_err(|error| error.to_string())?;
        if superblock.state.get() == STATE_CLEAN {
            if (superblock.free_blocks.get(), superblock.inodes.get()) != totals {
                return Err("the totals are not those of the volume".into());
            }
            let slots = (superblock.slots_at.get()..).take(superblock.slots.get() as usize);
            for slot in slots {
                if Pmem(medium).load_u64(block_offset(slot)) != Ok(0) {
                    return Err("a clean volume has a record".into());
                }
            }
        } else if !point.done.is_empty() {
            return Err("the volume is not clean after the unmount".into());
        }
        shows(medium, &expected)
    })
}

/// The medium had another volume before, which was larger: as long as it is found, it has lost no more
/// than a copy of its superblock.
fn making() -> Trial<'static> {
    let medium = made(96);
    medium.forget();
    medium.step(Step::Begin(0));
    make_on(&medium, 64);
    medium.step(Step::End(0));
    trial(medium.log(), |medium, point| match probe(&Pmem(medium)) {
        Ok(superblock) if superblock.blocks.get() == 96 && point.done.is_empty() => {
            let said = fsck(medium).err().unwrap_or_default();
            let mut said = said.trim_start_matches("fsck: ").split("; ");
            if said.all(|said| said.is_empty() || said.starts_with("superblock at block")) {
                Ok(())
            } else {
                Err("the old volume is found, and broken".into())
            }
        }
        _ => none_or_whole(medium, point),
    })
}

fn shows(medium: &Recorder, expected: &Snapshot) -> Result<(), String> {
    match recover(medium)? {
        Some(found) if found != *expected => Err("the tree has changed".into()),
        _ => Ok(()),
    }
}

/// Recoveries of two records, whose words are in part the same.
fn replay(case: &Case) -> Vec<Trial<'_>> {
    let recoveries = recoveries(case, &mut Tally::default()).into_iter();
    recoveries
        .map(|(point, log)| Trial::new(log, move |log| check_recovery(case, &point, log, &BUDGET)))
        .collect()
}

#[test]
fn each_flush_and_each_fence_around_a_mount_is_needed() {
    let states = prepared();
    let before = Op::Unlink {
        path: "A/bar".into(),
    };
    let setting = Setting {
        then: &[(1, &before)],
        ..Setting::of(&states[0])
    };
    let op = Op::Create {
        path: "A/new".into(),
        mode: 0o644,
    };
    let case = Case::record(&setting, &op).unwrap();
    let mut trials = replay(&case);
    trials.extend([mount(), unmount(), making()]);

    for trial in &trials {
        trial.judge().unwrap_or_else(|said| panic!("{said}"));
    }
    // What finishing an orphan needs, the operations show.
    let sites = each_is_needed(&trials, |site| !site.file.ends_with("commit.rs"));
    assert!(sites >= 8, "{sites} sites");
}
