// SPDX-License-Identifier: GPL-2.0

//! Which of the states a medium is in: decided word by word, when somebody looks.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rand_chacha::rand_core::RngCore;
use rand_chacha::ChaCha8Rng;

use crate::image::LINE_WORDS;
use crate::line::LineStates;

/// Part of the medium that is to be unlike the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Line(u64),
    Word(u64),
}

impl Target {
    fn contains(self, word: u64) -> bool {
        match self {
            Self::Line(line) => word / LINE_WORDS as u64 == line,
            Self::Word(target) => word == target,
        }
    }
}

/// How to decide.
#[derive(Clone, Debug)]
pub(crate) enum Policy {
    /// By number, as in an earlier run up to a place, and from there on the first.
    Follow(Vec<usize>),
    /// Nothing has arrived, except for the target.
    Old(Option<Target>),
    /// Everything has arrived, except for the target.
    New(Option<Target>),
    /// These words have these values, as far as that is possible; the others are new.
    Prefer(BTreeMap<u64, u64>),
    /// By lot: new with a probability of so many 256ths.
    Random(Box<ChaCha8Rng>, u32),
}

/// A decision.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) word: u64,
    /// How many values there were.
    pub(crate) options: usize,
    pub(crate) taken: usize,
    pub(crate) value: u64,
    /// The value if all had arrived.
    pub(crate) newest: u64,
}

/// What has been decided of a line.
#[derive(Debug)]
struct Decided {
    /// The cuts that agree with it.
    cuts: Vec<usize>,
    /// Words that have been looked at, a bit each.
    seen: u8,
    /// Words that have been overwritten before anybody looked.
    overwritten: u8,
}

/// Decides, and remembers what it decided.
#[derive(Debug)]
pub(crate) struct Oracle {
    lines: Arc<HashMap<u64, LineStates>>,
    decided: HashMap<u64, Decided>,
    policy: Policy,
    choices: Vec<Choice>,
}

impl Oracle {
    pub(crate) fn new(lines: Arc<HashMap<u64, LineStates>>, policy: Policy) -> Self {
        Self {
            lines,
            decided: HashMap::new(),
            policy,
            choices: Vec::new(),
        }
    }

    pub(crate) fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The lines of which something is, or was, undecided, in any order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = u64> + '_ {
        self.lines.keys().copied()
    }

    /// Whether anything of a line is, or was, undecided.
    pub(crate) fn concerns(&self, line: u64) -> bool {
        self.lines.contains_key(&line)
    }

    /// Somebody looks at a word: its value, if that was not known before.
    pub(crate) fn look(&mut self, word: u64) -> Option<u64> {
        let number = word / LINE_WORDS as u64;
        let at = (word % LINE_WORDS as u64) as usize;
        let states = self.lines.get(&number)?;
        let decided = self
            .decided
            .entry(number)
            .or_insert_with(|| Decided::nothing(states));
        if (decided.seen | decided.overwritten) & 1 << at != 0 {
            return None;
        }
        decided.seen |= 1 << at;
        let mut values = Vec::new();
        for value in decided.cuts.iter().flat_map(|&cut| &states.cuts[cut][at]) {
            if !values.contains(value) {
                values.push(*value);
            }
        }
        let oldest = decided.cuts.first().map(|&cut| states.cuts[cut][at][0])?;
        let newest = decided
            .cuts
            .last()
            .and_then(|&cut| states.cuts[cut][at].last().copied())?;
        let value = match values[..] {
            [value] => return Some(value),
            _ => self
                .policy
                .decide(word, &values, oldest, newest, self.choices.len()),
        };
        decided
            .cuts
            .retain(|&cut| states.cuts[cut][at].contains(&value));
        self.choices.push(Choice {
            word,
            options: values.len(),
            taken: values.iter().position(|&other| other == value).unwrap_or(0),
            value,
            newest: states.newest(at).unwrap_or(newest),
        });
        Some(value)
    }

    /// Somebody stores to a word: what it was does not matter any more.
    pub(crate) fn overwrite(&mut self, word: u64) {
        let number = word / LINE_WORDS as u64;
        let Some(states) = self.lines.get(&number) else {
            return;
        };
        let decided = self
            .decided
            .entry(number)
            .or_insert_with(|| Decided::nothing(states));
        decided.overwritten |= 1 << (word % LINE_WORDS as u64);
    }

    /// The words of lines that have been touched as one of their possible contents has them: those
    /// that nobody looked at too.
    pub(crate) fn settled(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.decided.iter().flat_map(|(&number, decided)| {
            let cut = decided
                .cuts
                .first()
                .map(|&cut| &self.lines[&number].cuts[cut]);
            let words = (0..LINE_WORDS).filter(|at| decided.seen & 1 << at == 0);
            words.filter_map(move |at| Some((number * LINE_WORDS as u64 + at as u64, cut?[at][0])))
        })
    }

    /// Adds to a digest all that can still matter: what words are or may be.
    pub(crate) fn digest(&self, current: impl Fn(u64) -> u64, hasher: &mut impl Hasher) {
        let sorted: BTreeMap<_, _> = self.decided.iter().collect();
        for (&number, decided) in sorted {
            number.hash(hasher);
            for at in 0..LINE_WORDS {
                if (decided.seen | decided.overwritten) & 1 << at != 0 {
                    current(number * LINE_WORDS as u64 + at as u64).hash(hasher);
                    continue;
                }
                for &cut in &decided.cuts {
                    self.lines[&number].cuts[cut][at].hash(hasher);
                }
            }
        }
    }
}

impl Decided {
    fn nothing(states: &LineStates) -> Self {
        Self {
            cuts: (0..states.cuts.len()).collect(),
            seen: 0,
            overwritten: 0,
        }
    }
}

impl Policy {
    fn decide(
        &mut self,
        word: u64,
        values: &[u64],
        oldest: u64,
        newest: u64,
        number: usize,
    ) -> u64 {
        let hit = |target: &Option<Target>| target.is_some_and(|target| target.contains(word));
        let new = match self {
            Self::Follow(path) => return values[path.get(number).copied().unwrap_or(0)],
            Self::Old(target) => hit(target),
            Self::New(target) => !hit(target),
            Self::Prefer(wanted) => match wanted.get(&word) {
                Some(value) if values.contains(value) => return *value,
                _ => true,
            },
            Self::Random(source, new) => {
                let lot = source.next_u32();
                if values.len() > 2 && lot >> 31 == 0 {
                    return values[(lot >> 8) as usize % values.len()];
                }
                lot & 0xff < *new
            }
        };
        if new {
            newest
        } else {
            oldest
        }
    }
}
