// SPDX-License-Identifier: GPL-2.0

//! A crash that was not coped with, made small and explained.

use std::collections::BTreeMap;
use std::fmt;

use crate::event::{Event, EventKind, Log, Site};
use crate::explore::{Checker, Point};
use crate::image::{LINE_WORDS, WORD_BYTES};
use crate::oracle::{Choice, Policy};

/// A word that the crash took back, or part of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostWord {
    /// Its byte offset.
    pub offset: u64,
    /// What the medium has.
    pub value: u64,
    /// What the last store to it stored.
    pub stored: u64,
    /// That store's place in the source, its CPU and position in the log.
    pub store: Option<(Site, u32, usize)>,
    /// The last flush of the line since: where in the source, and at which position in the log.
    pub flush: Option<(Site, usize)>,
}

/// A state with which the check fails.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the check said.
    pub reason: String,
    /// Where the crash is.
    pub point: Point,
    /// What would have happened next.
    pub next: Option<Event>,
    /// What separates the state from one in which everything has arrived: fewest words.
    pub lost: Vec<LostWord>,
    /// The seed of the lots.
    pub seed: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        let Point {
            position,
            done,
            running,
        } = &self.point;
        write!(
            f,
            "  crash after {position} events, operations done {done:?}, running {running:?}, "
        )?;
        match &self.next {
            Some(next) => writeln!(
                f,
                "before {:?} at {} on CPU {}",
                next.kind, next.site, next.cpu
            )?,
            None => writeln!(f, "at the end")?,
        }
        writeln!(
            f,
            "  {} words had not arrived (seed {}):",
            self.lost.len(),
            self.seed
        )?;
        for lost in &self.lost {
            writeln!(f, "    {lost}")?;
        }
        Ok(())
    }
}

impl fmt::Display for LostWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            value,
            stored,
            ..
        } = self;
        write!(f, "{offset:#x}: is {value:#x}, was stored as {stored:#x}")?;
        if let Some((site, cpu, position)) = self.store {
            write!(f, " at {site} on CPU {cpu} (event {position})")?;
        }
        match self.flush {
            Some((site, position)) => write!(f, ", flushed at {site} (event {position})"),
            None => write!(f, ", not flushed since"),
        }
    }
}

/// Makes a failing state small, and says where its words come from.
pub(crate) fn explain(
    log: &Log,
    point: &Point,
    seed: u64,
    checker: &Checker<'_>,
    choices: Vec<Choice>,
    reason: String,
) -> Box<Failure> {
    let (lost, reason) = minimise(checker, choices, reason);
    let before = log.events.get(..point.position).unwrap_or(&log.events);
    Box::new(Failure {
        reason,
        point: point.clone(),
        next: log.events.get(point.position).copied(),
        lost: lost
            .iter()
            .map(|choice| lost_word(before, choice))
            .collect(),
        seed,
    })
}

/// Leaves away lost words as long as the check fails.
fn minimise(checker: &Checker<'_>, choices: Vec<Choice>, reason: String) -> (Vec<Choice>, String) {
    let mut best = (lost_of(choices), reason);
    let mut at = 0;
    while at < best.0.len() {
        let others = best.0.iter().enumerate().filter(|&(other, _)| other != at);
        let wanted: BTreeMap<u64, u64> = others
            .map(|(_, choice)| (choice.word, choice.value))
            .collect();
        let verdict = checker.run(Policy::Prefer(wanted), None);
        let lost = lost_of(verdict.choices);
        match verdict.result {
            // What is read may have changed altogether: only fewer words are progress.
            Err(reason) if lost.len() < best.0.len() => best = (lost, reason),
            _ => at += 1,
        }
    }
    best
}

fn lost_of(choices: Vec<Choice>) -> Vec<Choice> {
    choices
        .into_iter()
        .filter(|choice| choice.value != choice.newest)
        .collect()
}

fn lost_word(before: &[Event], choice: &Choice) -> LostWord {
    let word = choice.word;
    let stores = |event: &Event| event.kind.change().is_some_and(|(other, _)| other == word);
    let store = before.iter().rposition(stores);
    let flush = store.and_then(|store| {
        let line = word / LINE_WORDS as u64;
        let flushes = |event: &Event| event.kind == EventKind::Flush { line };
        before
            .iter()
            .rposition(flushes)
            .filter(|&flush| flush > store)
    });
    LostWord {
        offset: word * WORD_BYTES,
        value: choice.value,
        stored: choice.newest,
        store: store.map(|at| (before[at].site, before[at].cpu, at)),
        flush: flush.map(|at| (before[at].site, at)),
    }
}
