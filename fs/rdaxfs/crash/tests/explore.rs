// SPDX-License-Identifier: GPL-2.0

//! The search: nothing that could be seen is left out, and nothing is tried twice.

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use common::{fence, flush, log, on, product, states, store, stream, touched, Words};
use proptest::prelude::*;
use rdaxfs_crash::{explore, Budget, Event, EventKind, Image, Log, Point, Recorder, Site, Step};

const ALL: Budget = Budget {
    exhaustive: u64::MAX,
    samples: 0,
    seed: 0,
    kinds: false,
};

fn read(medium: &Recorder, word: u64) -> u64 {
    let mut bytes = [0; 8];
    medium.read(word * 8, &mut bytes);
    u64::from_le_bytes(bytes)
}

/// Events on two CPUs, with steps of operations among them.
fn logs() -> impl Strategy<Value = Log> {
    let word = prop::sample::select(vec![0_u64, 1, 2, 8, 9, 16]);
    let event = (word, 1_u64..5, 0..12).prop_map(|(word, value, kind)| match kind {
        0..=3 => store(word, value),
        4..=5 => stream(word, value),
        6..=8 => flush(word / 8),
        9..=10 => fence(),
        _ => (0, EventKind::Step(Step::Begin(value as u32))),
    });
    let event = (0_u32..2, event).prop_map(|(cpu, event)| on(cpu, event));
    prop::collection::vec(event, 0..12).prop_map(|events| log(&events))
}

/// What a run of a check has seen, in order, as words and values.
type Trace = Vec<(u64, u64)>;

/// A check that reads as what it has read says, stores a little, and reads that again.
fn wander(medium: &Recorder) -> Trace {
    let mut trace = Vec::new();
    let mut look = |word| {
        let value = read(medium, word);
        trace.push((word, value));
        value
    };
    if look(0) % 2 == 0 {
        look(8);
    } else if look(1) > 2 {
        look(2);
        look(9);
    }
    medium.store(16 * 8, 77);
    look(16);
    look(0);
    trace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every crash at every position, against those at the points of the search.
    #[test]
    fn the_points_that_are_looked_at_are_enough(log in logs()) {
        let words = touched(&log);
        let mut every = BTreeSet::new();
        let mut steps = Vec::new();
        for position in 0..=log.events.len() {
            let part = Log { base: log.base.clone(), events: log.events[..position].to_vec() };
            if let Some(Event { kind: EventKind::Step(Step::Begin(step)), .. }) = part.events.last() {
                steps.push(*step);
            }
            let mut persistence = log.base.clone();
            part.events.iter().for_each(|event| persistence.apply(event));
            for state in product(&persistence.undecided(), &words) {
                every.insert((steps.clone(), state));
            }
        }
        let seen = RefCell::new(BTreeSet::new());
        explore(&log, &ALL, &|medium: &Recorder, point: &Point| {
            let state: Words = words.iter().map(|&word| (word, read(medium, word))).collect();
            seen.borrow_mut().insert((point.running.clone(), state));
            Ok(())
        }).unwrap();
        prop_assert_eq!(seen.into_inner(), every);
    }

    /// Deciding a word when it is read finds the same traces as all states written out, each once.
    #[test]
    fn what_is_not_read_is_not_tried_and_not_missed(log in logs()) {
        let mut log = log;
        // One point, at the end.
        log.events.retain(|event| !matches!(event.kind, EventKind::Fence | EventKind::Step(_)));
        let every: BTreeSet<Trace> = states(&log).into_iter().map(|state| {
            let mut image = log.base.settled().clone();
            state.into_iter().for_each(|(word, value)| image.set_word(word, value));
            wander(&Recorder::new(image))
        }).collect();
        let seen = RefCell::new(BTreeMap::<Trace, u32>::new());
        let tally = explore(&log, &ALL, &|medium: &Recorder, _: &Point| {
            *seen.borrow_mut().entry(wander(medium)).or_default() += 1;
            Ok(())
        }).unwrap();
        let seen = seen.into_inner();
        prop_assert_eq!(&seen.keys().cloned().collect::<BTreeSet<_>>(), &every);
        // The old and the new state come first, and again in their turn.
        prop_assert!(tally.states <= every.len() as u64 + 2, "{} for {}", tally.states, every.len());
    }

    /// What a crashed medium takes for its contents before is one of the states that may be.
    #[test]
    fn the_base_of_a_crashed_medium_is_a_state(log in logs()) {
        let words = touched(&log);
        let mut persistence = log.base.clone();
        log.events.iter().for_each(|event| persistence.apply(event));
        let possible = product(&persistence.undecided(), &words);
        let mut end = log.clone();
        end.events.push(log.events.first().copied().map_or(
            Event { cpu: 0, site: rdaxfs_crash::Site::caller(), kind: EventKind::Step(Step::End(99)) },
            |event| Event { kind: EventKind::Step(Step::End(99)), ..event },
        ));
        explore(&end, &ALL, &|medium: &Recorder, point: &Point| {
            let trace = wander(medium);
            let base = medium.log().base;
            let state: Words = words.iter().map(|&word| (word, base.settled().word(word))).collect();
            let agrees = trace.iter().all(|&(word, value)| word == 16 || base.settled().word(word) == value);
            if !agrees || point.done == [99] && !possible.contains(&state) {
                return Err(format!("{state:?} after {trace:?}"));
            }
            Ok(())
        }).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    }
}

#[test]
fn lines_that_are_not_read_cost_nothing() {
    let events: Vec<_> = (0..500).map(|word| stream(word, word + 1)).collect();
    let tally = explore(&log(&events), &ALL, &|medium: &Recorder, _: &Point| {
        read(medium, 3);
        Ok(())
    });
    // Old, new, and both once more in the search.
    assert_eq!(tally.unwrap().states, 4);
}

#[test]
fn states_that_recovery_makes_the_same_are_judged_once() {
    let events: Vec<_> = (0..8).map(|line| store(line * 8, 1)).collect();
    let judged = RefCell::new(0);
    let tally = explore(&log(&events), &ALL, &|medium: &Recorder, _: &Point| {
        for line in 0..8 {
            // As a recovery that probes for poison before it stores, except in the last line.
            read(medium, line * 8);
            if line < 7 {
                medium.store(line * 64, 5);
            }
        }
        if medium.explored() {
            return Ok(());
        }
        *judged.borrow_mut() += 1;
        read(medium, 7 * 8);
        Ok(())
    });
    assert_eq!(tally.unwrap().states, 256 + 2);
    // Two are those that are tried before the search.
    assert_eq!(judged.into_inner(), 2 + 2);
}

#[test]
fn what_follows_a_place_that_was_explored_is_not_cut_short() {
    let events: Vec<_> = (0..3).map(|line| store(line * 8, 1)).collect();
    let seen = RefCell::new(BTreeSet::new());
    explore(&log(&events), &ALL, &|medium: &Recorder, _: &Point| {
        read(medium, 0);
        medium.store(0, 5);
        if !medium.explored() {
            seen.borrow_mut()
                .insert((read(medium, 8), read(medium, 16)));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(
        seen.into_inner(),
        BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1)])
    );
}

/// 400 words in 50 lines: recovery believes them if the first is there. One of them is not vouched for.
fn torn(missing: u64) -> Result<rdaxfs_crash::Tally, Box<rdaxfs_crash::Failure>> {
    let events: Vec<_> = (0..400).map(|word| stream(word, word + 1)).collect();
    let budget = Budget {
        exhaustive: 1000,
        samples: 400,
        seed: 7,
        kinds: false,
    };
    explore(
        &log(&events),
        &budget,
        &move |medium: &Recorder, _: &Point| {
            let whole = (0..400)
                .filter(|&word| word != missing)
                .all(|word| read(medium, word) == word + 1);
            if whole && missing < 400 && read(medium, missing) == 0 {
                return Err(format!("word {missing} is missing"));
            }
            Ok(())
        },
    )
}

#[test]
fn too_many_states_are_sampled() {
    let tally = torn(400).unwrap();
    assert_eq!(tally.sampled, 1);
    assert!(tally.states > 1000, "{tally}");
}

#[test]
fn a_single_word_that_is_missing_is_found_among_too_many_states() {
    for missing in [0, 1, 63, 200, 399] {
        let failure = torn(missing).unwrap_err();
        assert_eq!(failure.lost.len(), 1, "{failure}");
        assert_eq!(failure.lost[0].offset, missing * 8);
        assert_eq!(failure.seed, 7);
    }
}

#[test]
fn a_failure_says_which_stores_were_lost_and_where_they_are_in_the_source() {
    let medium = Recorder::new(Image::zeroed(4096));
    for word in 0..8 {
        medium.store(1024 + 64 * word, 9);
    }
    medium.store(0, 1);
    medium.flush(0, 8);
    medium.fence();
    medium.store(64, 2);
    let line = line!() - 1;
    medium.flush(64, 8);
    let failure = explore(
        &medium.log(),
        &Budget::default(),
        &|medium: &Recorder, point: &Point| {
            // All these are looked at, and do not matter.
            for word in 0..8 {
                read(medium, 128 + 8 * word);
            }
            match (read(medium, 0), read(medium, 8)) {
                (1, 0) if point.position > 11 => Err("the second word is missing".into()),
                _ => Ok(()),
            }
        },
    );
    let failure = failure.unwrap_err();
    assert_eq!(failure.reason, "the second word is missing");
    let [lost] = &failure.lost[..] else {
        panic!("{failure}")
    };
    let (site, cpu, position) = lost.store.unwrap();
    assert_eq!(
        (lost.offset, lost.value, lost.stored, cpu, position),
        (64, 0, 2, 0, 11)
    );
    assert!(
        site.file.ends_with("explore.rs") && site.line == line,
        "{site}"
    );
    assert_eq!(lost.flush.unwrap().1, 12);
    let text = failure.to_string();
    assert!(
        text.contains("0x40: is 0x0, was stored as 0x2 at"),
        "{text}"
    );
}

#[test]
fn a_panic_and_a_misuse_of_the_medium_are_failures() {
    let log = log(&[store(0, 1)]);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let panic = explore(&log, &ALL, &|medium: &Recorder, _: &Point| {
        assert!(read(medium, 0) == 0, "oh");
        Ok(())
    });
    std::panic::set_hook(hook);
    assert_eq!(panic.unwrap_err().reason, "panic: oh");
    let misuse = explore(&log, &ALL, &|medium: &Recorder, _: &Point| {
        medium.store(4095, 1);
        Ok(())
    });
    assert!(misuse.unwrap_err().reason.contains("0xfff"));
}

#[test]
fn what_is_past_may_still_not_have_arrived() {
    let medium = Recorder::new(Image::zeroed(4096));
    medium.store(0, 1);
    medium.store(64, 2);
    medium.flush(64, 8);
    medium.forget();
    medium.fence();
    medium.store(128, 3);
    let seen = RefCell::new(BTreeSet::new());
    explore(&medium.log(), &ALL, &|medium: &Recorder, _: &Point| {
        let words = [read(medium, 0), read(medium, 8), read(medium, 16)];
        seen.borrow_mut().insert(words);
        Ok(())
    })
    .unwrap();
    let all = [0, 1].into_iter().flat_map(|first| {
        // Before the fence, and after it.
        [[first, 0, 0], [first, 2, 0], [first, 2, 3]]
    });
    assert_eq!(seen.into_inner(), all.collect());
}

#[test]
fn of_lines_of_one_kind_the_first_and_the_last_are_set_apart() {
    // A copy of many lines by one place, and a line by another.
    let copy: Vec<_> = (0..20).map(|line| store(line * 8, 1)).collect();
    let alone = [store(30 * 8, 2)];
    let by = |file, events: &[(u32, EventKind)]| {
        let site = Site {
            file,
            line: 0,
            column: 0,
        };
        let events = log(events).events.into_iter();
        events
            .map(|event| Event { site, ..event })
            .collect::<Vec<_>>()
    };
    let events = [by("copy", &copy), by("alone", &alone)].concat();
    let log = Log::new(Image::zeroed(4096), events);
    let missing = |kinds| {
        let lines = RefCell::new(BTreeSet::new());
        let check = |medium: &Recorder, _: &Point| {
            let words: Vec<u64> = (0..20).map(|line| line * 8).chain([30 * 8]).collect();
            let old: Vec<u64> = words
                .into_iter()
                .filter(|&word| read(medium, word) == 0)
                .collect();
            if let [word] = old[..] {
                lines.borrow_mut().insert(word / 8);
            }
            Ok(())
        };
        let budget = Budget {
            exhaustive: 2,
            samples: 0,
            seed: 1,
            kinds,
        };
        explore(&log, &budget, &check).expect("the check fails never");
        lines.into_inner()
    };
    assert_eq!(missing(true), BTreeSet::from([0, 19, 30]));
    assert_eq!(missing(false).len(), 21);
}
