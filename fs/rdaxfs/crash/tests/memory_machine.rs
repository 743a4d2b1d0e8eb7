// SPDX-License-Identifier: GPL-2.0

//! The memory model against a machine: caches, write-combining buffers and a medium, in which everything
//! that may happen by itself does happen at any time.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{fence, flush, log, on, states, store, stream, touched, Words};
use proptest::prelude::*;
use rdaxfs_crash::{EventKind, Log};

/// Words with the time of the store that they are from: memory is coherent, so that an earlier store
/// never replaces a later one, whichever way both go.
type Timed = BTreeMap<u64, (usize, u64)>;

/// The state of a machine that has done part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Machine {
    medium: Timed,
    /// What was stored to lines that the caches, all together, have not written back.
    cached: BTreeMap<u64, Timed>,
    /// What each CPU streamed.
    buffers: BTreeMap<u32, Vec<Timed>>,
    /// Lines on their way because of `clwb`, as they were then.
    flushes: BTreeMap<u32, Vec<Timed>>,
}

impl Machine {
    fn arrive(&mut self, words: &Timed) {
        for (&word, &new) in words {
            let old = self.medium.entry(word).or_default();
            *old = new.max(*old);
        }
    }

    /// Everything that may happen by itself next.
    fn by_itself(&self) -> Vec<Self> {
        let mut next = Vec::new();
        for (number, line) in &self.cached {
            let mut machine = self.clone();
            machine.arrive(line);
            machine.cached.remove(number);
            next.push(machine);
        }
        let of_cpu = |queues: &BTreeMap<u32, Vec<Timed>>| -> Vec<(u32, usize)> {
            queues
                .iter()
                .flat_map(|(&cpu, queue)| (0..queue.len()).map(move |at| (cpu, at)))
                .collect()
        };
        for (cpu, at) in of_cpu(&self.buffers) {
            let mut machine = self.clone();
            let word = machine.buffers.entry(cpu).or_default().remove(at);
            machine.arrive(&word);
            next.push(machine);
        }
        for (cpu, at) in of_cpu(&self.flushes) {
            let mut machine = self.clone();
            let line = machine.flushes.entry(cpu).or_default().remove(at);
            machine.arrive(&line);
            next.push(machine);
        }
        next
    }

    fn step(&mut self, time: usize, cpu: u32, kind: EventKind) {
        match kind {
            EventKind::Store { word, value } => {
                self.cached
                    .entry(word / 8)
                    .or_default()
                    .insert(word, (time, value));
            }
            EventKind::Stream { word, value } => {
                let word = Timed::from([(word, (time, value))]);
                self.buffers.entry(cpu).or_default().push(word);
            }
            EventKind::Flush { line } => {
                if let Some(held) = self.cached.get(&line).cloned() {
                    self.flushes.entry(cpu).or_default().push(held);
                }
            }
            EventKind::Fence => {
                let flushes = self.flushes.remove(&cpu).unwrap_or_default();
                let buffer = self.buffers.remove(&cpu).unwrap_or_default();
                flushes
                    .iter()
                    .chain(&buffer)
                    .for_each(|words| self.arrive(words));
            }
            EventKind::Step(_) => {}
        }
    }
}

/// All contents that the medium of such a machine may have after the log.
fn machine_states(log: &Log) -> BTreeSet<Words> {
    let base = |word| (word, (0, log.base.settled().word(word)));
    let medium: Timed = touched(log).into_iter().map(base).collect();
    let mut machines = closure(BTreeSet::from([Machine {
        medium,
        ..Machine::default()
    }]));
    for (time, event) in (1..).zip(&log.events) {
        let mut next = BTreeSet::new();
        for mut machine in machines {
            machine.step(time, event.cpu, event.kind);
            next.insert(machine);
        }
        machines = closure(next);
    }
    let plain = |medium: Timed| {
        medium
            .into_iter()
            .map(|(word, (_, value))| (word, value))
            .collect()
    };
    machines
        .into_iter()
        .map(|machine| plain(machine.medium))
        .collect()
}

fn closure(mut machines: BTreeSet<Machine>) -> BTreeSet<Machine> {
    let mut open: Vec<Machine> = machines.iter().cloned().collect();
    while let Some(machine) = open.pop() {
        for next in machine.by_itself() {
            if machines.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    machines
}

/// An event on one of two CPUs; words 0, 1 and 8 can be stored to, of which two share a line.
fn event(stored: bool, streamed: bool) -> impl Strategy<Value = (u32, EventKind)> {
    let word = prop::sample::select(vec![0_u64, 1, 8]);
    let kinds = (word, 1_u64..4, 0..8).prop_map(move |(word, value, kind)| match kind {
        0..=3 if stored && (!streamed || kind < 2) => store(word, value),
        0..=3 if streamed => stream(word, value),
        4..=5 => flush(word / 8),
        _ => fence(),
    });
    (0_u32..2, kinds).prop_map(|(cpu, event)| on(cpu, event))
}

fn logs(stored: bool, streamed: bool) -> impl Strategy<Value = Log> {
    prop::collection::vec(event(stored, streamed), 0..8).prop_map(|events| log(&events))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ordinary_stores_reach_exactly_these_states(log in logs(true, false)) {
        prop_assert_eq!(states(&log), machine_states(&log));
    }

    #[test]
    fn streams_reach_exactly_these_states(log in logs(false, true)) {
        prop_assert_eq!(states(&log), machine_states(&log));
    }

    #[test]
    fn a_machine_with_both_kinds_reaches_no_other_state(log in logs(true, true)) {
        let allowed = states(&log);
        let reached = machine_states(&log);
        prop_assert!(reached.is_subset(&allowed), "{:?} may not be", reached.difference(&allowed));
    }
}
