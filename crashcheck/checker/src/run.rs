// SPDX-License-Identifier: GPL-2.0

//! A run: record, explore, report.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use crashcheck_tree::Tree;
use crashcheck_workload::Workload;
use rdaxfs_crash::{explore, Budget, Image, Log, Point, Recorder, Site};

use crate::case::{cases, Case, Model, Traced};
use crate::expect::Expectation;
use crate::judge::{Judge, Raw, Rdaxfs, Vm};
use crate::record::{record, trees, Folder, Machine};
use crate::recovery::{recover, stays, Left, Lots};
use crate::report::{Bite, CaseReport, Report};
use crate::subject::Subject;
use crate::symbols::Symbols;

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The core of rdaxfs, or nobody for a disk: on this machine.
    Host,
    /// The kernel in a guest.
    Vm,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is checked.
    pub subject: Subject,
    /// What it does.
    pub workloads: Vec<Workload>,
    /// Where.
    pub machine: Machine,
    /// Files of the run.
    pub folder: Folder,
    /// What counts as a fence.
    pub model: Model,
    /// Who judges.
    pub who: Who,
    /// How much is tried at each point.
    pub budget: Budget,
    /// The trace that is there is used.
    pub again: bool,
    /// Each flush and fence is taken away in turn.
    pub bite: bool,
    /// As if places with one of these in their name neither flushed nor fenced.
    pub without: Vec<String>,
    /// Failures with one of these in their words are known.
    pub known: Vec<String>,
    /// Of each workload the recoveries of so many images are crashed again.
    pub recoveries: usize,
}

/// Does it. `progress` is called before each case: how many are done, of how many, and since when.
///
/// # Errors
///
/// If something fails that is not the subject.
pub fn run(job: &Job, progress: &dyn Fn(&Progress<'_>)) -> Result<Report> {
    let folder = &job.folder;
    fs::create_dir_all(&folder.0).with_context(|| format!("'{}'", folder.0.display()))?;
    let text: String = job.workloads.iter().map(Workload::to_string).collect();
    let had = fs::read_to_string(folder.file("workloads")).unwrap_or_default();
    let (trees, recorded) = if job.again && had == text && folder.file("trees").exists() {
        (
            trees(&fs::read_to_string(folder.file("trees"))?)?,
            Duration::ZERO,
        )
    } else {
        fs::write(folder.file("workloads"), &text)?;
        let _ = fs::remove_file(folder.file("trees"));
        let _ = fs::remove_file(folder.file("verdicts"));
        let recording = record(&job.machine, &job.subject, folder)?;
        (recording.trees, recording.time)
    };
    let symbols =
        Symbols::parse(&fs::read_to_string(folder.file("kallsyms")).context("'kallsyms'")?);
    let trace = File::open(folder.file("trace")).context("'trace'")?;
    let before = Image::zeroed(job.machine.bytes);
    let traced = cases(
        BufReader::new(trace),
        before,
        &job.workloads,
        trees,
        &symbols,
        job.model,
        &[],
    )?;
    compare(&traced, &folder.file("region"))?;

    let mut judge: Box<dyn Judge> = match (job.who, &job.subject.mount) {
        (_, None) => Box::<Raw>::default(),
        (Who::Host, Some(_)) => Box::<Rdaxfs>::default(),
        (Who::Vm, Some(_)) => Box::new(Vm::new(&job.subject, &job.machine, &folder.0)?),
    };
    let started = Instant::now();
    let mut report = Report::new(job, &traced, recorded);
    let mut left = Vec::new();
    for (done, case) in traced.cases.iter().enumerate() {
        progress(&Progress {
            name: &case.workload.name,
            done,
            of: traced.cases.len(),
            states: report.states(),
            failures: report.failures(),
            time: started.elapsed(),
        });
        let mut lots = (job.recoveries > 0).then(|| Lots::new(done, job.budget.seed));
        let log = without(job, case);
        let expected = |point: &Point, tree: &Tree| {
            Expectation::at(case, point, job.subject.durable).judge(tree)
        };
        let found = one(job, case, &log, judge.as_mut(), &expected, lots.as_mut())?;
        left.extend(lots.into_iter().flat_map(|lots| lots.draw(job.recoveries)));
        report.cases.push(found);
        report.looked = judge.looked();
        report.judged = started.elapsed();
        report.write(folder)?;
    }
    if !left.is_empty() {
        recoveries(job, &traced, &left, judge.as_mut(), &mut report, progress)?;
    }
    if job.bite {
        report.bites = bite(job, &traced, judge.as_mut())?;
        report.write(folder)?;
    }
    Ok(report)
}

/// Has images recovered in a traced guest, and crashes their recoveries.
fn recoveries(
    job: &Job,
    traced: &Traced,
    left: &[Left],
    judge: &mut dyn Judge,
    report: &mut Report,
    progress: &dyn Fn(&Progress<'_>),
) -> Result<()> {
    let recovered = recover(job, traced, left)?;
    report.recorded += recovered.time;
    report.records += recovered.traced.records;
    report.lost_flushes += recovered.traced.lost;
    let before = report.judged;
    let started = Instant::now();
    let all = recovered.traced.cases.iter().zip(&recovered.shown);
    for (done, ((case, shown), left)) in all.zip(left).enumerate() {
        progress(&Progress {
            name: &case.workload.name,
            done: traced.cases.len() + done,
            of: traced.cases.len() + recovered.traced.cases.len(),
            states: report.states(),
            failures: report.failures(),
            time: before + started.elapsed(),
        });
        let first = &traced.cases[left.case];
        let found = match shown {
            Ok(shown) => {
                let durable = job.subject.durable;
                let expected = |point: &Point, tree: &Tree| {
                    stays(shown, point, durable, tree)?;
                    Expectation::at(first, &left.point, durable).judge(tree)
                };
                one(job, case, &without(job, case), judge, &expected, None)?
            }
            Err(reason) => CaseReport::not_recovered(case, reason),
        };
        report.cases.push(found);
        report.recoveries += 1;
        report.looked = judge.looked();
        report.judged = before + started.elapsed();
        report.write(&job.folder)?;
    }
    Ok(())
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The workload that comes now.
    pub name: &'a str,
    /// Workloads that are done.
    pub done: usize,
    /// Of so many.
    pub of: usize,
    /// States that were tried.
    pub states: u64,
    /// Workloads with a state that failed.
    pub failures: usize,
    /// Since the first.
    pub time: Duration,
}

/// Every byte that the trace stores is in the memory's file in the end, and nothing else is.
pub(crate) fn compare(traced: &Traced, region: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    File::open(region)
        .with_context(|| format!("'{}'", region.display()))?
        .read_to_end(&mut bytes)?;
    let wanted = traced.image.to_bytes();
    let differs = bytes.iter().zip(&wanted).position(|(a, b)| a != b);
    ensure!(
        bytes.len() == wanted.len() && differs.is_none(),
        "the trace is not all that was stored: the memory's file differs from it at {:#x}",
        differs.unwrap_or(0)
    );
    Ok(())
}

/// The log without what is not to flush or fence.
fn without(job: &Job, case: &Case) -> Log {
    let mut log = case.log.clone();
    for site in case.log.ordering_sites() {
        let name = site.to_string();
        if job.without.iter().any(|part| name.contains(part)) {
            log = log.without(site);
        }
    }
    log
}

/// Takes away what one place flushes or fences, from all workloads one after the other, until one notices.
fn bite(job: &Job, traced: &Traced, judge: &mut dyn Judge) -> Result<Vec<Bite>> {
    let sites = |case: &Case| case.log.ordering_sites();
    let all: BTreeSet<Site> = traced.cases.iter().flat_map(sites).collect();
    let mut bites = Vec::new();
    for site in all {
        let mut bite = Bite {
            site: site.to_string(),
            workloads: 0,
            noticed_by: None,
            reason: None,
        };
        for case in traced
            .cases
            .iter()
            .filter(|case| sites(case).contains(&site))
        {
            bite.workloads += 1;
            let expected = |point: &Point, tree: &Tree| {
                Expectation::at(case, point, job.subject.durable).judge(tree)
            };
            let log = case.log.without(site);
            let found = one(job, case, &log, judge, &expected, None)?;
            if let Some(story) = found.failure {
                bite.noticed_by = Some(found.name);
                bite.reason = Some(story.reason);
                break;
            }
        }
        bites.push(bite);
    }
    Ok(bites)
}

/// What a crash at a point may show.
type Expected<'a> = dyn Fn(&Point, &Tree) -> std::result::Result<(), String> + 'a;

/// Explores a log. `lots` gets the images whose recovery shows what it may.
fn one(
    job: &Job,
    case: &Case,
    log: &Log,
    judge: &mut dyn Judge,
    expected: &Expected<'_>,
    lots: Option<&mut Lots>,
) -> Result<CaseReport> {
    let started = Instant::now();
    let trouble = RefCell::new(None);
    let judge = RefCell::new(judge);
    let before = judge.borrow().looked();
    let known = Cell::new(0);
    let lots = RefCell::new(lots);
    let check = |medium: &Recorder, point: &Point| {
        let found = match judge.borrow_mut().look(case, medium) {
            Ok(None) => return Ok(()),
            Ok(Some(found)) => found,
            Err(error) => {
                let said = format!("{error:#}");
                trouble.borrow_mut().get_or_insert(error);
                return Err(said);
            }
        };
        match found.and_then(|tree| expected(point, &tree)) {
            Err(said) if job.known.iter().any(|part| said.contains(part)) => {
                known.set(known.get() + 1);
                Ok(())
            }
            Err(said) => Err(said),
            Ok(()) => {
                if let Some(lots) = lots.borrow_mut().as_mut() {
                    lots.add(case, point, medium);
                }
                Ok(())
            }
        }
    };
    let explored = explore(log, &job.budget, &check);
    if let Some(error) = trouble.into_inner() {
        return Err(error);
    }
    let looked = judge.borrow().looked() - before;
    let mut report = CaseReport::new(case, log, explored, looked, started.elapsed());
    report.known = known.get();
    Ok(report)
}
