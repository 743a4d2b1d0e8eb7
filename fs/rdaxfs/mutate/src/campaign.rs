// SPDX-License-Identifier: GPL-2.0

//! Trials by the thousand, of a seed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};

use crate::corpus::{corpus, Base};
use crate::trial::{run, Kind, Tally};

thread_local! {
    static IS_TRIAL: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<(String, String)> = RefCell::default();
}

/// Trials of a seed. Where they panic is kept, and they go on.
pub struct Campaign {
    bases: Vec<Base>,
    state: u64,
    /// What has been found out.
    pub tally: Tally,
    /// Where trials panicked.
    pub failures: BTreeMap<String, Failure>,
}

/// A place at which trials panicked.
pub struct Failure {
    /// How many did.
    pub times: u64,
    /// What the first of them said.
    pub message: String,
    /// What kind it was.
    pub kind: Kind,
    /// The bytes that it was made of.
    pub data: Vec<u8>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            times,
            message,
            kind,
            data,
        } = self;
        write!(f, "{times} times: {message}\n  {kind:?} {data:?}")
    }
}

impl Campaign {
    /// The trials of that seed. From now on the panic of a trial is silent.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_TRIAL.get() {
                return before(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            PANIC.with_borrow_mut(|panic| *panic = (place, info.to_string()));
        }));
        Self {
            bases: corpus(),
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            tally: Tally::default(),
            failures: BTreeMap::new(),
        }
    }

    /// xorshift64*.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Does the next trial: a full one each time after `quick` quick ones, more or less. Returns what is new if it is
    /// the first one that panicked there.
    pub fn step(&mut self, quick: u64) -> Option<&Failure> {
        let len = 8 + self.next() % 56;
        let data: Vec<u8> = (0..len).map(|_| (self.next() >> 56) as u8).collect();
        let kind = if self.next() % (quick + 1) == 0 {
            Kind::Full
        } else {
            Kind::Quick
        };
        let (bases, tally) = (&self.bases, &mut self.tally);
        IS_TRIAL.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| run(bases, kind, &data, tally)));
        IS_TRIAL.set(false);
        if result.is_ok() {
            return None;
        }
        let (place, message) = PANIC.take();
        let failure = self.failures.entry(place).or_insert(Failure {
            times: 0,
            message,
            kind,
            data,
        });
        failure.times += 1;
        (failure.times == 1).then_some(failure)
    }
}
