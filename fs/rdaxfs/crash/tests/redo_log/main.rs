// SPDX-License-Identifier: GPL-2.0

//! All of the checker on a small redo log: that is correct, each flush and fence is needed, and what is
//! wrong with it if it is changed is found.

mod subject;

use std::collections::BTreeSet;

use rdaxfs_crash::{
    explore, Body, Bounds, Budget, Failure, Image, Log, Point, Recorder, Schedules, Site, Step,
    Tally,
};
use subject::{place, recover, words, Volume, WORDS};

type Outcome = Result<Tally, Box<Failure>>;

const BUDGET: Budget = Budget {
    exhaustive: 4096,
    samples: 64,
    seed: 1,
    kinds: false,
};

fn medium() -> Recorder {
    let mut image = Image::zeroed(4096);
    (0..WORDS).for_each(|word| image.set_word(place(word) / 8, 100));
    Recorder::new(image)
}

/// What the words are after each of the operations.
const TREES: [[u64; 4]; 3] = [[100, 100, 100, 100], [1, 2, 3, 100], [1, 7, 3, 8]];

fn two_commits() -> Log {
    let medium = medium();
    let volume = Volume::new(&medium);
    for (step, changes) in [&[(0, 1), (1, 2), (2, 3)][..], &[(1, 7), (3, 8)]]
        .iter()
        .enumerate()
    {
        medium.step(Step::Begin(step as u32));
        volume.commit(0, changes);
        medium.step(Step::End(step as u32));
    }
    medium.log()
}

fn expected(medium: &Recorder, point: &Point) -> Result<(), String> {
    let found = words(medium);
    let first = point.done.len();
    let may = &TREES[first..=first + point.running.len()];
    if may.iter().any(|tree| tree[..] == found) {
        Ok(())
    } else {
        Err(format!("{found:?} is none of {may:?}"))
    }
}

fn check(log: &Log) -> Outcome {
    explore(log, &BUDGET, &|medium, point| {
        recover(medium);
        expected(medium, point)
    })
}

/// Crashes of the recovery too, which lacks the call at `without`.
fn check_recovery(log: &Log, without: Option<Site>) -> Outcome {
    explore(log, &BUDGET, &|medium, point| {
        recover(medium);
        let mut log = medium.log();
        if let Some(site) = without {
            log = log.without(site);
        }
        let again = explore(&log, &BUDGET, &|medium, _| {
            recover(medium);
            expected(medium, point)
        });
        again
            .map(drop)
            .map_err(|failure| format!("in recovery: {failure}"))
    })
}

fn sites_of_recovery(log: &Log) -> BTreeSet<Site> {
    let sites = std::cell::RefCell::new(BTreeSet::new());
    explore(log, &BUDGET, &|medium, _| {
        recover(medium);
        sites.borrow_mut().extend(medium.log().ordering_sites());
        Ok(())
    })
    .unwrap();
    sites.into_inner()
}

#[test]
fn the_log_is_correct() {
    let tally = check(&two_commits()).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{tally}");
    assert_eq!(tally.sampled, 0);
}

#[test]
fn each_flush_and_each_fence_is_needed() {
    let log = two_commits();
    let sites = log.ordering_sites();
    assert_eq!(sites.len(), 7);
    for site in sites {
        let failure = check(&log.without(site)).expect_err(&site.to_string());
        assert!(!failure.lost.is_empty(), "{failure}");
    }
}

#[test]
fn recovery_can_crash_too() {
    check_recovery(&two_commits(), None).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn each_flush_and_fence_of_recovery_is_needed_but_the_last() {
    let log = two_commits();
    let sites: Vec<Site> = sites_of_recovery(&log).into_iter().collect();
    assert_eq!(sites.len(), 4);
    let fails = sites
        .iter()
        .map(|&site| check_recovery(&log, Some(site)).is_err());
    // Whether the record is found once more does not matter.
    assert_eq!(fails.collect::<Vec<_>>(), [true, true, false, false]);
}

/// Two transfers at once, in all orders; what fails, and how many orders there were.
fn transfers(volume: impl Fn(&Volume<'_>, u64) + Sync) -> (Vec<String>, usize) {
    let mut schedules = Schedules::new(Bounds {
        preemptions: 2,
        schedules: 10_000,
    });
    let mut failures = Vec::new();
    while let Some(schedule) = schedules.next_schedule() {
        let medium = medium();
        let subject = Volume::new(&medium);
        let bodies = (0..2_u64).map(|slot| -> Body<'_> {
            let (volume, subject, medium) = (&volume, &subject, &medium);
            Box::new(move || {
                medium.step(Step::Begin(slot as u32));
                volume(subject, slot);
                medium.step(Step::End(slot as u32));
            })
        });
        let run = schedule.run(bodies.collect());
        failures.extend(run.failure.clone());
        let judged = explore(&medium.log(), &BUDGET, &|medium, point| {
            recover(medium);
            let found = words(medium);
            // Operation 0 moves 1 from the first word to the second, 1 moves 10 on to the third.
            let after = |first: u64, second: u64| {
                vec![100 - first, 100 + first - second, 100 + second, 100]
            };
            let may = |operation: u32, amount| match () {
                () if point.done.contains(&operation) => vec![amount],
                () if point.running.contains(&operation) => vec![0, amount],
                () => vec![0],
            };
            let (first, second) = (may(0, 1), may(1, 10));
            let mut all = first
                .iter()
                .flat_map(|&a| second.iter().map(move |&b| after(a, b)));
            if all.any(|tree| tree == found) {
                Ok(())
            } else {
                Err(format!("{found:?} with {point:?}"))
            }
        });
        failures.extend(judged.err().map(|failure| failure.to_string()));
        failures.extend(medium.faults());
        schedules.advance(&run);
    }
    assert!(schedules.exhausted());
    (failures, schedules.tried())
}

#[test]
fn transfers_at_once_are_correct_under_the_lock() {
    let (failures, tried) =
        transfers(|volume, slot| volume.transfer(slot, slot, slot + 1, 1 + 9 * slot));
    assert_eq!(failures, [""; 0]);
    assert!(tried > 10, "{tried}");
}

#[test]
fn transfers_at_once_without_a_lock_are_found() {
    let (failures, _) = transfers(|volume, slot| {
        let other = Volume::new(volume.medium);
        other.transfer(slot, slot, slot + 1, 1 + 9 * slot);
    });
    assert!(!failures.is_empty());
}

#[test]
fn a_slot_that_both_use_is_found() {
    // The lock guards the words, and is let go of before the record is done with.
    let (failures, _) = transfers(|volume, slot| {
        let (from, amount) = (slot, 1 + 9 * slot);
        let changes = {
            let _held = volume.lock.lock();
            [
                (from, volume.word(from) - amount),
                (from + 1, volume.word(from + 1) + amount),
            ]
        };
        volume.commit(0, &changes);
    });
    assert!(!failures.is_empty());
}
