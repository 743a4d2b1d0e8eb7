// SPDX-License-Identifier: GPL-2.0

//! Orders of steps on several CPUs, and locks in them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rdaxfs_crash::{Body, Bounds, Image, Lock, Recorder, Schedules};

const BOUNDS: Bounds = Bounds {
    preemptions: 10,
    schedules: 10_000,
};

/// All orders in which the bodies can leave their letters, and how it failed.
fn orders(
    bounds: Bounds,
    bodies: impl Fn(usize, &dyn Fn(char)) + Sync,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut schedules = Schedules::new(bounds);
    let (mut seen, mut failures) = (BTreeSet::new(), BTreeSet::new());
    while let Some(schedule) = schedules.next_schedule() {
        let text = Mutex::new(String::new());
        let write = |letter| text.lock().unwrap().push(letter);
        let body = |cpu| -> Body<'_> {
            let (write, bodies) = (&write, &bodies);
            Box::new(move || bodies(cpu, write))
        };
        let run = schedule.run(vec![body(0), body(1)]);
        schedules.advance(&run);
        match run.failure {
            None => drop(seen.insert(text.into_inner().unwrap())),
            Some(failure) => drop(failures.insert(failure)),
        }
    }
    assert!(schedules.exhausted());
    (seen, failures)
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn each_order_of_the_steps_between_fences_is_run() {
    let medium = Recorder::new(Image::zeroed(4096));
    let (seen, failures) = orders(BOUNDS, |cpu, write| {
        for letter in [['a', 'b'], ['x', 'y']][cpu] {
            write(letter);
            medium.fence();
        }
    });
    assert_eq!(seen, set(&["abxy", "axby", "axyb", "xaby", "xayb", "xyab"]));
    assert_eq!(failures, set(&[]));
}

#[test]
fn preemptions_are_bounded() {
    let medium = Recorder::new(Image::zeroed(4096));
    let bounds = Bounds {
        preemptions: 0,
        ..BOUNDS
    };
    let (seen, _) = orders(bounds, |cpu, write| {
        for letter in [['a', 'b'], ['x', 'y']][cpu] {
            write(letter);
            medium.fence();
        }
    });
    assert_eq!(seen, set(&["abxy", "xyab"]));
}

#[test]
fn a_lock_keeps_others_out() {
    let medium = Recorder::new(Image::zeroed(4096));
    let lock = Lock::new(());
    let (seen, failures) = orders(BOUNDS, |cpu, write| {
        let _held = lock.lock();
        for letter in [['a', 'b'], ['x', 'y']][cpu] {
            write(letter);
            medium.fence();
        }
    });
    assert_eq!(seen, set(&["abxy", "xyab"]));
    assert_eq!(failures, set(&[]));
}

#[test]
fn locks_in_opposite_orders_are_a_deadlock() {
    let locks = [Lock::new(()), Lock::new(())];
    let (seen, failures) = orders(BOUNDS, |cpu, write| {
        let _first = locks[cpu].lock();
        let _second = locks[1 - cpu].lock();
        write(['a', 'x'][cpu]);
    });
    assert_eq!(seen, set(&["ax", "xa"]));
    assert!(
        failures
            .iter()
            .all(|failure| failure.starts_with("deadlock: CPUs [0, 1]")),
        "{failures:?}"
    );
    assert!(!failures.is_empty());
}

#[test]
fn any_free_lock_of_several_is_taken() {
    let locks = [Lock::new('0'), Lock::new('1')];
    let medium = Recorder::new(Image::zeroed(4096));
    let (seen, failures) = orders(BOUNDS, |cpu, write| {
        let held = Lock::lock_any(&[&locks[cpu], &locks[1 - cpu]]);
        write(*held);
        medium.fence();
        drop(held);
        write(*Lock::lock_any(&[&locks[0], &locks[1]]));
    });
    assert_eq!(failures, set(&[]));
    assert!(seen.contains("0010") && seen.contains("0110"), "{seen:?}");
}

#[test]
fn a_lock_that_is_held_is_not_taken_by_a_try() {
    let medium = Recorder::new(Image::zeroed(4096));
    let lock = Lock::new(());
    let (seen, _) = orders(BOUNDS, |_, write| {
        let held = lock.try_lock();
        write(if held.is_some() { 'y' } else { 'n' });
        medium.fence();
    });
    assert_eq!(seen, set(&["yn", "yy"]));
}

#[test]
fn a_panic_ends_the_run_and_is_reported() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let lock = Lock::new(());
    let (_, failures) = orders(BOUNDS, |cpu, _| {
        let _held = lock.lock();
        assert!(cpu == 0, "not here");
    });
    std::panic::set_hook(hook);
    assert_eq!(failures, set(&["CPU 1: panic: not here"]));
}
