// SPDX-License-Identifier: GPL-2.0

//! Crashes while a volume recovers from a crash, and while it is mounted and unmounted.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use rdaxfs_crash::spec::{operations, prepared, Op, Snapshot};
use rdaxfs_crash::{explore, Budget, Log, Point, Recorder, Tally};
use rdaxfs_crash_medium::fsck;

use crate::case::{budget, Case, Setting, BLOCKS};
use crate::mounted::Mounted;
use crate::subject::{do_both, made, recover, tidy, time, tree};

const BUDGET: Budget = Budget {
    exhaustive: 64,
    samples: 8,
    seed: 1,
    kinds: false,
};

/// Crashes of operations whose recoveries differ.
fn cases() -> Vec<Case> {
    let states = prepared();
    let (_, long) = budget();
    let ops = operations(!long);
    let settings = [&states[0], &states[2]].map(Setting::of);
    let all = settings
        .iter()
        .flat_map(|setting| ops.iter().map(|op| Case::record(setting, op)));
    all.map(|case| case.unwrap_or_else(|said| panic!("{said}")))
        .collect()
}

/// The recoveries of a case that differ in what they do, with the point of the crash before. Recoveries that read different
/// words and then do the same are taken for one.
pub(crate) fn recoveries(case: &Case, tally: &mut Tally) -> Vec<(Point, Log)> {
    let seen = RefCell::new((HashSet::new(), Vec::new()));
    let check = |medium: &Recorder, point: &Point| {
        let mounted = Mounted::mount(medium, time(1000)).map_err(|error| error.to_string())?;
        mounted.finish_all().map_err(|error| error.to_string())?;
        mounted.unmount().map_err(|error| error.to_string())?;
        let log = medium.log();
        let mut hasher = DefaultHasher::new();
        (
            log.events
                .iter()
                .map(|event| event.kind)
                .collect::<Vec<_>>(),
            &point.done,
        )
            .hash(&mut hasher);
        let (known, found) = &mut *seen.borrow_mut();
        if known.insert(hasher.finish()) {
            found.push((point.clone(), log));
        }
        Ok(())
    };
    *tally += explore(&case.log, &BUDGET, &check).unwrap_or_else(|failure| panic!("{failure}"));
    seen.into_inner().1
}

pub(crate) fn check_recovery(
    case: &Case,
    point: &Point,
    log: &Log,
    budget: &Budget,
) -> Result<Tally, String> {
    let found = explore(log, budget, &|medium, _| case.check(medium, point));
    found.map_err(|failure| format!("{} {point:?}, in recovery: {failure}", case.name))
}

#[test]
fn a_crash_of_the_recovery_from_a_crash_changes_nothing() {
    let (mut outer, mut inner, mut count) = (Tally::default(), Tally::default(), 0);
    let mut failures = Vec::new();
    let (Budget { seed, .. }, _) = budget();
    let inside = Budget { seed, ..BUDGET };
    for case in cases() {
        for (point, log) in recoveries(&case, &mut outer) {
            count += 1;
            match check_recovery(&case, &point, &log, &inside) {
                Ok(more) => inner += more,
                Err(said) => failures.push(said),
            }
        }
    }
    println!("crashes in recovery: {outer}; {count} recoveries, {inner}");
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// A volume with something on it, and what can be seen of it.
pub(crate) fn furnished(medium: &Recorder) -> (Mounted<'_>, Snapshot) {
    let mounted = Mounted::mount(medium, time(0)).unwrap();
    let mut tree = tree();
    do_both(&mounted, &mut tree, &prepared()[0].ops, 1);
    (mounted, Snapshot::of(&tree.crashed()))
}

fn shows(expected: &Snapshot, log: &Log) -> Tally {
    let (budget, _) = budget();
    let judged = explore(log, &budget, &|medium, _| match recover(medium)? {
        Some(found) if found != *expected => Err("the tree has changed".into()),
        _ => Ok(()),
    });
    judged.unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn a_crash_of_an_unmount_or_a_mount_changes_nothing() {
    let medium = made(BLOCKS);
    let (mounted, expected) = furnished(&medium);
    mounted.finish_all().unwrap();
    medium.forget();
    mounted.unmount().unwrap();
    println!("unmount: {}", shows(&expected, &medium.log()));
    medium.forget();
    let mounted = Mounted::mount(&medium, time(600)).unwrap();
    println!("mount: {}", shows(&expected, &medium.log()));
    mounted.unmount().unwrap();
}

#[test]
fn an_unmount_leaves_nothing_that_a_crash_could_take() {
    let medium = made(BLOCKS);
    let (mounted, expected) = furnished(&medium);
    mounted.finish_all().unwrap();
    mounted.unmount().unwrap();
    // Whatever may not have arrived is nothing that anybody reads: there is one state.
    medium.forget();
    let states = explore(&medium.log(), &BUDGET, &|medium, _| {
        fsck(medium)?;
        let found = tidy(medium)?;
        if found == expected {
            Ok(())
        } else {
            Err("the tree has changed".into())
        }
    });
    let tally = states.unwrap_or_else(|failure| panic!("{failure}"));
    // As it is without and with all that may not have arrived.
    assert_eq!(tally.states, 2, "what is read is not decided");
}

#[test]
fn a_volume_in_the_making_is_none_or_whole() {
    let medium = made(64);
    let judged = explore(&medium.log(), &BUDGET, &none_or_whole);
    println!(
        "mkfs: {}",
        judged.unwrap_or_else(|failure| panic!("{failure}"))
    );
}

/// Judges what a crash has left of a volume in the making.
pub(crate) fn none_or_whole(medium: &Recorder, point: &Point) -> Result<(), String> {
    match fsck(medium) {
        said if !point.done.is_empty() => said,
        Err(said) if said.starts_with("fsck: the superblock") => Ok(()),
        // One copy may be good before the other is: fsck repairs that.
        Err(said) if said == "fsck: superblock at block 63: differs from the good copy" => Ok(()),
        Err(said) if said.starts_with("fsck: superblock at block 0: differs") => Ok(()),
        said => said,
    }
}

#[test]
fn an_operation_that_fails_stores_nothing_that_is_seen() {
    let states = prepared();
    let setting = Setting::of(&states[0]);
    let op = Op::Create {
        path: "foo".into(),
        mode: 0,
    };
    let case = Case::record(&setting, &op).unwrap();
    let changed = case
        .log
        .events
        .iter()
        .filter(|event| event.kind.change().is_some())
        .count();
    assert_eq!(changed, 0);
}
