// SPDX-License-Identifier: GPL-2.0

//! Where what is found is shown, and asked about.

use std::collections::HashMap;

use rdaxfs_check::{Operator, Problem, Progress};
use terminal::say;

use crate::consent::Consent;
use crate::progress::Meter;

/// Shows what is found, and how far the check is.
pub(crate) struct Desk {
    consent: Consent,
    meter: Meter,
    // What has been asked is not asked again.
    answers: HashMap<String, bool>,
}

impl Desk {
    pub(crate) fn new(consent: Consent, meter: Meter) -> Self {
        Self {
            consent,
            meter,
            answers: HashMap::new(),
        }
    }

    /// Takes a bar away.
    pub(crate) fn clear(&self) {
        self.meter.clear();
    }
}

impl Operator for Desk {
    fn hear(&mut self, progress: Progress) {
        self.meter.show(progress);
    }

    fn agrees(&mut self, problem: &Problem) -> bool {
        self.meter.clear();
        *self
            .answers
            .entry(problem.to_string())
            .or_insert_with_key(|text| {
                say!("{text}");
                self.consent.to(problem)
            })
    }
}
