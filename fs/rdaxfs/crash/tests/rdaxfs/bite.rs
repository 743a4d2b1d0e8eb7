// SPDX-License-Identifier: GPL-2.0

//! Taking away flushes and fences.

use std::collections::BTreeMap;

use rdaxfs_crash::{Budget, Log, Site, Tally};

/// Enough to miss what is missing.
pub(crate) const BUDGET: Budget = Budget {
    exhaustive: 512,
    samples: 64,
    seed: 1,
    kinds: false,
};

/// Says what a crash of a log shows that it must not.
type Judge<'t> = dyn Fn(&Log) -> Result<Tally, String> + 't;

/// A log of which no crash shows what it must not.
pub(crate) struct Trial<'t> {
    pub(crate) log: Log,
    judge: Box<Judge<'t>>,
}

impl<'t> Trial<'t> {
    pub(crate) fn new(log: Log, judge: impl Fn(&Log) -> Result<Tally, String> + 't) -> Self {
        Self {
            log,
            judge: Box::new(judge),
        }
    }

    /// Judges the log as it is.
    pub(crate) fn judge(&self) -> Result<Tally, String> {
        (self.judge)(&self.log)
    }
}

/// Takes away each flush and each fence that the trials have in turn, and fails unless that is seen in one of
/// them. Returns how many there are.
pub(crate) fn each_is_needed(trials: &[Trial<'_>], counts: impl Fn(&Site) -> bool) -> usize {
    let mut sites: BTreeMap<Site, Vec<&Trial<'_>>> = BTreeMap::new();
    for trial in trials {
        for site in trial.log.ordering_sites().into_iter().filter(&counts) {
            sites.entry(site).or_default().push(trial);
        }
    }
    let mut needless = Vec::new();
    for (site, trials) in &sites {
        let bite = trials
            .iter()
            .find_map(|trial| (trial.judge)(&trial.log.without(*site)).err());
        match bite {
            Some(said) => println!("without {site}: {}", said.lines().next().unwrap_or("")),
            None => needless.push(format!("{site} ({} logs)", trials.len())),
        }
    }
    assert!(
        needless.is_empty(),
        "nothing fails without: {}",
        needless.join(", ")
    );
    sites.len()
}
