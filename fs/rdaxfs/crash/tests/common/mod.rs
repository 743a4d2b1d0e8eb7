// SPDX-License-Identifier: GPL-2.0

//! What several tests share: logs by hand, and all states of a medium written out.

#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};

use rdaxfs_crash::{Event, EventKind, Image, Log, Site, Undecided};

/// Values of the words that a test looks at.
pub(crate) type Words = BTreeMap<u64, u64>;

pub(crate) fn store(word: u64, value: u64) -> (u32, EventKind) {
    (0, EventKind::Store { word, value })
}

pub(crate) fn stream(word: u64, value: u64) -> (u32, EventKind) {
    (0, EventKind::Stream { word, value })
}

pub(crate) fn flush(line: u64) -> (u32, EventKind) {
    (0, EventKind::Flush { line })
}

pub(crate) fn fence() -> (u32, EventKind) {
    (0, EventKind::Fence)
}

pub(crate) fn on(cpu: u32, (_, kind): (u32, EventKind)) -> (u32, EventKind) {
    (cpu, kind)
}

pub(crate) fn log(events: &[(u32, EventKind)]) -> Log {
    let event = |&(cpu, kind): &(u32, EventKind)| Event {
        cpu,
        kind,
        site: Site::caller(),
    };
    Log::new(Image::zeroed(4096), events.iter().map(event).collect())
}

/// All states after the log, as the words that it changes.
pub(crate) fn states(log: &Log) -> BTreeSet<Words> {
    let mut persistence = log.base.clone();
    log.events.iter().for_each(|event| persistence.apply(event));
    product(&persistence.undecided(), &touched(log))
}

/// The words that a log changes.
pub(crate) fn touched(log: &Log) -> BTreeSet<u64> {
    log.events
        .iter()
        .filter_map(|event| event.kind.change())
        .map(|(word, _)| word)
        .collect()
}

pub(crate) fn product(undecided: &Undecided, words: &BTreeSet<u64>) -> BTreeSet<Words> {
    let settled: Words = words
        .iter()
        .map(|&word| (word, undecided.settled.word(word)))
        .collect();
    let mut all = BTreeSet::from([settled]);
    for (line, states) in undecided.lines.iter() {
        let mut with = BTreeSet::new();
        for content in states.contents() {
            for state in &all {
                let mut state = state.clone();
                for (word, value) in (line * 8..).zip(content) {
                    if let Some(old) = state.get_mut(&word) {
                        *old = value;
                    }
                }
                with.insert(state);
            }
        }
        all = with;
    }
    all
}
