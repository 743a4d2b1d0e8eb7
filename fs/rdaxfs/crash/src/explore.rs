// SPDX-License-Identifier: GPL-2.0

//! All crashes of a log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::event::{EventKind, Log, Site, Step};
use crate::failure::{self, Failure};
use crate::image::LINE_WORDS;
use crate::oracle::{Choice, Policy, Target};
use crate::persistence::Undecided;
use crate::recorder::{Known, Recorder};

/// Where in a log the crash is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// How many events have happened.
    pub position: usize,
    /// Operations that have returned, in that order.
    pub done: Vec<u32>,
    /// Operations that have been called and have not returned.
    pub running: Vec<u32>,
}

impl Point {
    pub(crate) fn pass(&mut self, step: Step) {
        match step {
            Step::Begin(operation) => self.running.push(operation),
            Step::End(operation) => {
                self.running.retain(|&other| other != operation);
                self.done.push(operation);
            }
        }
    }
}

/// What is done with a medium after a crash: recovery, and whatever tells whether it worked. It must
/// do the same each time that it reads the same.
pub type Check<'a> = dyn Fn(&Recorder, &Point) -> Result<(), String> + 'a;

/// How much to try at each point.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Up to so many states all are tried.
    pub exhaustive: u64,
    /// Where there are more: so many by lot, besides the old and the new state and those with one line or
    /// word unlike the others.
    pub samples: u64,
    /// Decides the lots.
    pub seed: u64,
    /// Of lines that the same places have stored to, in the same order, only the first and the last are set apart
    /// from the others: stores of one kind of update are one case.
    pub kinds: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            exhaustive: 1024,
            samples: 128,
            seed: 0,
            kinds: false,
        }
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Points at which a crash was looked at.
    pub points: u64,
    /// Points of which not all states were tried.
    pub sampled: u64,
    /// States that were tried.
    pub states: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.points += other.points;
        self.sampled += other.sampled;
        self.states += other.states;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} states at {} points, {} of them sampled",
            self.states, self.points, self.sampled
        )
    }
}

/// Gives the states that a crash may leave, at all points of the log, to the check.
///
/// A state is decided while the check reads it, a word at a time, so that there are as many as the check
/// can tell apart: words that it does not read, or overwrites first, do not count. That is all that there is to try
/// of them: whether they are old or new, it would do the same.
///
/// Which points there are, and why these are enough, is said at [`Persistence`](crate::Persistence).
///
/// # Errors
///
/// The first state with which the check fails or panics, or uses the medium as it must not be.
pub fn explore(log: &Log, budget: &Budget, check: &Check<'_>) -> Result<Tally, Box<Failure>> {
    let mut tally = Tally::default();
    let mut persistence = log.base.clone();
    let mut point = Point::default();
    // Whether there may be states that have not been looked at since the last point.
    let mut grown = true;
    for event in &log.events {
        let shrinks = matches!(event.kind, EventKind::Fence | EventKind::Step(_));
        if shrinks && grown {
            tally += at_point(log, &persistence.undecided(), &point, budget, check)?;
            grown = false;
        }
        persistence.apply(event);
        point.position += 1;
        match event.kind {
            EventKind::Step(step) => {
                point.pass(step);
                grown = true;
            }
            kind => grown |= kind.change().is_some(),
        }
    }
    if grown {
        tally += at_point(log, &persistence.undecided(), &point, budget, check)?;
    }
    Ok(tally)
}

/// What one state came to.
pub(crate) struct Verdict {
    pub(crate) result: Result<(), String>,
    pub(crate) choices: Vec<Choice>,
}

/// A point, and how to check its states.
pub(crate) struct Checker<'a> {
    undecided: &'a Undecided,
    point: &'a Point,
    check: &'a Check<'a>,
}

impl Checker<'_> {
    pub(crate) fn run(&self, policy: Policy, known: Option<&Arc<Known>>) -> Verdict {
        let medium = Recorder::crashed(self.undecided, policy, known.cloned());
        let result = catch_unwind(AssertUnwindSafe(|| (self.check)(&medium, self.point)));
        let result = result.unwrap_or_else(|panic| Err(panic_message(&*panic)));
        let result = result.and_then(|()| match medium.faults().first() {
            None => Ok(()),
            Some(fault) => Err(fault.clone()),
        });
        Verdict {
            result,
            choices: medium.choices(),
        }
    }
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("of unknown kind"))
}

fn at_point(
    log: &Log,
    undecided: &Undecided,
    point: &Point,
    budget: &Budget,
    check: &Check<'_>,
) -> Result<Tally, Box<Failure>> {
    let checker = Checker {
        undecided,
        point,
        check,
    };
    let mut states = 0;
    let mut judge = |policy: Policy, known: Option<&Arc<Known>>| {
        states += 1;
        let verdict = checker.run(policy, known);
        match verdict.result {
            Ok(()) => Ok(verdict.choices),
            Err(reason) => Err(failure::explain(
                log,
                point,
                budget.seed,
                &checker,
                verdict.choices,
                reason,
            )),
        }
    };

    let old = judge(Policy::Old(None), None)?;
    let new = judge(Policy::New(None), None)?;
    let exhausted = match estimate(&old).max(estimate(&new)) {
        // The only state has been tried, twice.
        1 => true,
        least if least > budget.exhaustive => false,
        _ => exhaust(budget.exhaustive, &mut judge)?,
    };
    if !exhausted {
        let words: BTreeSet<u64> = old.iter().chain(&new).map(|choice| choice.word).collect();
        let lines = words.iter().map(|word| word / LINE_WORDS as u64).collect();
        let lines = match budget.kinds {
            true => one_of_each_kind(log, point, &lines),
            false => lines,
        };
        sample(budget, point, words, lines, &mut judge)?;
    }
    Ok(Tally {
        points: 1,
        sampled: u64::from(!exhausted),
        states,
    })
}

/// About how many states there are that go on like this.
fn estimate(choices: &[Choice]) -> u64 {
    choices.iter().fold(1, |states: u64, choice| {
        states.saturating_mul(choice.options as u64)
    })
}

type Judge<'a> = dyn FnMut(Policy, Option<&Arc<Known>>) -> Result<Vec<Choice>, Box<Failure>> + 'a;

/// Tries all, depth first; whether there were no more than the bound.
fn exhaust(bound: u64, judge: &mut Judge<'_>) -> Result<bool, Box<Failure>> {
    let known = Arc::default();
    let mut path = Vec::new();
    for _ in 0..bound {
        let mut choices = judge(Policy::Follow(path), Some(&known))?;
        while choices
            .last()
            .is_some_and(|last| last.taken + 1 == last.options)
        {
            choices.pop();
        }
        path = choices.iter().map(|choice| choice.taken).collect();
        match path.last_mut() {
            Some(last) => *last += 1,
            None => return Ok(true),
        }
    }
    Ok(false)
}

/// Of lines that the same places have stored to, in the same order, the first and the last.
fn one_of_each_kind(log: &Log, point: &Point, lines: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut stores: BTreeMap<u64, Vec<Site>> =
        lines.iter().map(|&line| (line, Vec::new())).collect();
    for event in &log.events[..point.position.min(log.events.len())] {
        let line = event
            .kind
            .change()
            .map(|(word, _)| word / LINE_WORDS as u64);
        if let Some(sites) = line.and_then(|line| stores.get_mut(&line)) {
            // A line that is stored to over and over is of one kind with one that is stored to once.
            if sites.last() != Some(&event.site) {
                sites.push(event.site);
            }
        }
    }
    let mut kinds: BTreeMap<Vec<Site>, (u64, u64)> = BTreeMap::new();
    for (line, sites) in stores {
        kinds
            .entry(sites)
            .and_modify(|(_, last)| *last = line)
            .or_insert((line, line));
    }
    kinds
        .into_values()
        .flat_map(|(first, last)| [first, last])
        .collect()
}

/// Tries those in which code that is wrong mostly shows, and some by lot.
fn sample(
    budget: &Budget,
    point: &Point,
    words: BTreeSet<u64>,
    lines: BTreeSet<u64>,
    judge: &mut Judge<'_>,
) -> Result<(), Box<Failure>> {
    let words: Vec<u64> = match budget.kinds {
        true => words
            .into_iter()
            .filter(|word| lines.contains(&(word / LINE_WORDS as u64)))
            .collect(),
        false => words.into_iter().collect(),
    };
    // Each word of a large copy would be too many.
    let stride = words
        .len()
        .div_ceil(usize::try_from(budget.samples).unwrap_or(usize::MAX).max(1));
    let words = words.into_iter().step_by(stride.max(1)).map(Target::Word);
    for target in lines.into_iter().map(Target::Line).chain(words) {
        judge(Policy::Old(Some(target)), None)?;
        judge(Policy::New(Some(target)), None)?;
    }
    let mut lots = ChaCha8Rng::seed_from_u64(budget.seed);
    lots.set_stream(point.position as u64);
    for _ in 0..budget.samples {
        let source = ChaCha8Rng::seed_from_u64(lots.next_u64());
        // Mostly old, mostly new, or anything.
        let new = [16, 128, 240][(lots.next_u32() % 3) as usize];
        judge(Policy::Random(Box::new(source), new), None)?;
    }
    Ok(())
}
