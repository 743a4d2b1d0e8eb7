// SPDX-License-Identifier: GPL-2.0

//! What is told of a run: JSON for programs, a page for people.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rdaxfs_crash::{Event, EventKind, Failure, Log, Tally, LINE_WORDS};
use serde::Serialize;

use crate::case::{Case, Model, Traced};
use crate::record::Folder;
use crate::run::{Job, Who};
use crate::subject::Subject;

mod page;

/// A run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was checked.
    pub subject: Subject,
    /// `x86` or `strict`.
    pub model: &'static str,
    /// `host` or `vm`.
    pub judge: &'static str,
    /// Decides the lots.
    pub seed: u64,
    /// Stores, flushes, fences and the like in the trace.
    pub records: u64,
    /// Flushes whose address could not be found out.
    pub lost_flushes: u64,
    /// How many workloads there are in all.
    pub workloads: usize,
    /// Of the workloads below, so many are recoveries that were crashed again.
    pub recoveries: usize,
    /// Images that were recovered.
    pub looked: u64,
    /// How long the traced guests ran, in seconds.
    #[serde(serialize_with = "seconds")]
    pub recorded: Duration,
    /// How long states have been tried, in seconds.
    #[serde(serialize_with = "seconds")]
    pub judged: Duration,
    /// Each workload.
    pub cases: Vec<CaseReport>,
    /// Places that flush or fence, each taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bites: Vec<Bite>,
}

/// A place that flushes or fences, taken away.
#[derive(Debug, Serialize)]
pub struct Bite {
    /// Where.
    pub site: String,
    /// How many workloads were tried without it.
    pub workloads: usize,
    /// The first that noticed.
    pub noticed_by: Option<String>,
    /// What failed.
    pub reason: Option<String>,
}

/// A workload.
#[derive(Debug, Serialize)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What happened to the medium in it.
    pub events: usize,
    /// Points at which a crash was tried.
    pub points: u64,
    /// Of these, those of which not all states were tried.
    pub sampled: u64,
    /// States that were tried.
    pub states: u64,
    /// Of these, those that had to be recovered.
    pub looked: u64,
    /// Of these, those with a failure that is known.
    pub known: u64,
    /// In seconds.
    #[serde(serialize_with = "seconds")]
    pub time: Duration,
    /// The first that failed.
    pub failure: Option<Story>,
}

/// A state that failed.
#[derive(Debug, Serialize)]
pub struct Story {
    /// Why.
    pub reason: String,
    /// The operation that ran, or those that had returned.
    pub during: String,
    /// What would have happened next.
    pub next: String,
    /// The words that had not arrived, and who stored them.
    pub lost: Vec<String>,
    /// What happened to their lines: the shortest trace that makes the state.
    pub trace: Vec<String>,
}

fn seconds<S: serde::Serializer>(
    time: &Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 10.0).round() / 10.0)
}

impl Report {
    /// Of a run that begins.
    #[must_use]
    pub fn new(job: &Job, traced: &Traced, recorded: Duration) -> Self {
        Self {
            subject: job.subject.clone(),
            model: match job.model {
                Model::X86 => "x86",
                Model::Strict => "strict",
            },
            judge: match job.who {
                Who::Host => "host",
                Who::Vm => "vm",
            },
            seed: job.budget.seed,
            records: traced.records,
            lost_flushes: traced.lost,
            workloads: traced.cases.len(),
            recoveries: 0,
            looked: 0,
            recorded,
            judged: Duration::ZERO,
            cases: Vec::new(),
            bites: Vec::new(),
        }
    }

    /// States that were tried.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.cases.iter().map(|case| case.states).sum()
    }

    /// Workloads with a state that failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.cases
            .iter()
            .filter(|case| case.failure.is_some())
            .count()
    }

    /// States with a failure that is known.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.cases.iter().map(|case| case.known).sum()
    }

    /// Images that are recovered in an hour.
    #[must_use]
    pub fn images_an_hour(&self) -> f64 {
        self.looked as f64 * 3600.0 / self.judged.as_secs_f64().max(0.001)
    }

    /// Writes `report.json` and `report.html`.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn write(&self, folder: &Folder) -> Result<()> {
        let path = folder.file("report.json");
        fs::write(&path, serde_json::to_string_pretty(self)?)
            .with_context(|| format!("'{}'", path.display()))?;
        let path = folder.file("report.html");
        fs::write(&path, page::page(self)).with_context(|| format!("'{}'", path.display()))
    }
}

impl CaseReport {
    /// What became of a workload, with the log that was explored.
    #[must_use]
    pub fn new(
        case: &Case,
        log: &Log,
        explored: std::result::Result<Tally, Box<Failure>>,
        looked: u64,
        time: Duration,
    ) -> Self {
        let (tally, failure) = match explored {
            Ok(tally) => (tally, None),
            Err(failure) => (Tally::default(), Some(Story::of(case, log, &failure))),
        };
        Self {
            name: case.workload.name.clone(),
            text: case.workload.to_string(),
            events: log.events.len(),
            points: tally.points,
            sampled: tally.sampled,
            states: tally.states,
            looked,
            known: 0,
            time,
            failure,
        }
    }
}

impl CaseReport {
    /// Of an image that the kernel does not recover, though the judge did.
    #[must_use]
    pub fn not_recovered(case: &Case, reason: &str) -> Self {
        let mut report = Self::new(case, &case.log, Ok(Tally::default()), 0, Duration::ZERO);
        report.failure = Some(Story {
            reason: reason.into(),
            during: "before it, which the judge had recovered".into(),
            next: "the end".into(),
            lost: Vec::new(),
            trace: Vec::new(),
        });
        report
    }
}

/// No trace of a story has more lines.
const LONGEST_TRACE: usize = 60;

impl Story {
    fn of(case: &Case, log: &Log, failure: &Failure) -> Self {
        let name = |number: &u32| {
            case.steps
                .get(*number as usize)
                .cloned()
                .unwrap_or_default()
        };
        let point = &failure.point;
        let during = match &point.running[..] {
            [running] => format!("while '{}' runs", name(running)),
            [one, other, ..] => format!("while '{}' and '{}' run", name(one), name(other)),
            [] => match point.done.last() {
                Some(done) => format!("after '{}' has returned", name(done)),
                None => "before the first operation".into(),
            },
        };
        let next = match &failure.next {
            Some(next) => format!("{} by {}", event_text(&next.kind), next.site),
            None => "the end".into(),
        };
        let lines: Vec<u64> = failure.lost.iter().map(|lost| lost.offset / 64).collect();
        let concerns = |event: &Event| match event.kind {
            EventKind::Store { word, .. } | EventKind::Stream { word, .. } => {
                lines.contains(&(word / LINE_WORDS as u64))
            }
            EventKind::Flush { line } => lines.contains(&line),
            EventKind::Fence | EventKind::Step(_) => true,
        };
        let first = failure
            .lost
            .iter()
            .filter_map(|lost| lost.store.map(|(_, _, at)| at))
            .min()
            .unwrap_or(0);
        let events = log.events.iter().take(point.position).enumerate();
        let trace: Vec<String> = events
            .filter(|(at, event)| *at >= first && concerns(event))
            .map(|(at, event)| {
                format!(
                    "{at}: CPU {}: {} by {}",
                    event.cpu,
                    event_text(&event.kind),
                    event.site
                )
            })
            .collect();
        let skip = trace.len().saturating_sub(LONGEST_TRACE);
        Self {
            reason: failure.reason.clone(),
            during,
            next,
            lost: failure
                .lost
                .iter()
                .take(LONGEST_TRACE)
                .map(ToString::to_string)
                .collect(),
            trace: trace.into_iter().skip(skip).collect(),
        }
    }
}

fn event_text(kind: &EventKind) -> String {
    match kind {
        EventKind::Store { word, value } => format!("store {value:#x} at {:#x}", word * 8),
        EventKind::Stream { word, value } => {
            format!("non-temporal store {value:#x} at {:#x}", word * 8)
        }
        EventKind::Flush { line } => format!("flush of the line at {:#x}", line * 64),
        EventKind::Fence => "fence".into(),
        EventKind::Step(step) => format!("{step:?}"),
    }
}
