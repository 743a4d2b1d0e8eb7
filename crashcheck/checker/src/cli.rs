// SPDX-License-Identifier: GPL-2.0

//! What the program takes.

use std::path::PathBuf;

use anyhow::{bail, ensure, Context, Result};
use clap::{Parser, ValueEnum};
use crashcheck_workload::{at_once, databases, pairs, parse, raw, singles, Workload};
use rdaxfs_crash::Budget;

use crate::case::Model;
use crate::record::{Folder, Machine};
use crate::run::{Job, Who};
use crate::subject::Subject;

/// Every state that a crash may leave on persistent memory, made from a traced machine and judged
#[derive(Debug, Parser)]
#[command(name = "crashcheck", version)]
pub struct Arguments {
    /// What is checked: rdaxfs, ext4, xfs, raw (the disk itself), or another type with --mkfs and --fsck
    #[arg(long, default_value = "rdaxfs")]
    subject: String,
    /// The disk's driver: rpmem or nd_pmem
    #[arg(long, default_value = "rpmem")]
    driver: String,
    /// The command that makes a volume, for another type; the device is added
    #[arg(long, requires = "fsck")]
    mkfs: Option<String>,
    /// The command that checks one without changing it, for another type
    #[arg(long, requires = "mkfs")]
    fsck: Option<String>,
    /// What it is mounted with, for another type
    #[arg(long, default_value = "dax=always", requires = "mkfs")]
    options: String,
    /// What it does: every operation alone, every pair, every pair at once on two processors, commits of databases, or
    /// the workloads of a file
    #[arg(
        long,
        default_value = "singles",
        value_name = "singles|pairs|at-once|databases|FILE"
    )]
    workloads: String,
    /// Only workloads in whose name this is found; may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Who recovers images
    #[arg(long, value_enum)]
    judge: Option<JudgeName>,
    /// What counts as a fence
    #[arg(long, value_enum, default_value = "x86")]
    model: ModelName,
    /// Up to so many states of a point all are tried
    #[arg(long)]
    exhaustive: Option<u64>,
    /// Where there are more, so many are tried by lot
    #[arg(long)]
    samples: Option<u64>,
    /// Decides the lots, and where processors take turns
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The persistent memory in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(16..=4096))]
    size: u64,
    /// Processors of the guests: 1, or 2 where a workload does two operations at once
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8))]
    smp: Option<u32>,
    /// The files of the run: trace, verdicts, report.json, report.html
    #[arg(long, default_value = "build/crashcheck/run")]
    out: PathBuf,
    /// Uses the trace that is in the folder, and what was found by a run that was stopped
    #[arg(long)]
    resume: bool,
    /// Takes each flush and fence away in turn: one whose lack no workload notices is not needed, or not tested
    #[arg(long)]
    bite: bool,
    /// As if places in whose functions this is found neither flushed nor fenced; may be repeated
    #[arg(long)]
    without: Vec<String>,
    /// A state whose failure has this in its words is counted as known, and the search goes on; may be repeated
    #[arg(long)]
    known: Vec<String>,
    /// Of each workload, the recoveries of so many images are traced in a guest too, and crashed again
    #[arg(long, default_value_t = 0, value_name = "IMAGES")]
    recover: usize,
    /// Prints the workloads in place of running them
    #[arg(long)]
    list: bool,
    /// Prints the report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum JudgeName {
    /// This machine: for rdaxfs and the disk itself
    Host,
    /// A guest
    Vm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModelName {
    /// sfence, mfence and locked instructions
    X86,
    /// sfence and mfence
    Strict,
}

/// What the arguments ask for.
#[derive(Debug)]
pub enum Request {
    /// The workloads' text.
    List(String),
    /// A run.
    Run(Box<Job>),
}

impl Arguments {
    /// What is asked for.
    ///
    /// # Errors
    ///
    /// If it cannot be done.
    pub fn request(&self) -> Result<Request> {
        let subject = match (&self.mkfs, &self.fsck) {
            (Some(mkfs), Some(fsck)) => {
                Subject::of_type(&self.subject, &self.driver, &self.options, mkfs, fsck)?
            }
            _ => Subject::named(&self.subject, &self.driver)?,
        };
        let workloads = self.workloads(&subject)?;
        if self.list {
            return Ok(Request::List(
                workloads.iter().map(ToString::to_string).collect(),
            ));
        }
        let project = std::env::current_dir()?;
        ensure!(
            project.join("qemu-nvdimm.sh").exists(),
            "'{}': it must be called in the project's folder",
            project.display()
        );
        let at_once = workloads.iter().any(|workload| workload.at_once);
        ensure!(
            !at_once || self.smp != Some(1),
            "--smp 1: a workload with two operations at once wants two processors"
        );
        ensure!(
            self.recover == 0 || subject.mount.is_some(),
            "--recover {}: a disk without a file system has no recovery",
            self.recover
        );
        let databases = workloads.iter().any(Workload::has_databases);
        let rdaxfs = subject.name == "rdaxfs";
        let who = match (self.judge, rdaxfs, &subject.mount) {
            (Some(JudgeName::Vm), ..) => Who::Vm,
            (Some(JudgeName::Host), false, Some(_)) => bail!(
                "--judge host: this machine recovers rdaxfs only; leave it out for '{}'",
                subject.name
            ),
            (Some(JudgeName::Host), ..) if databases => {
                bail!("--judge host: only a guest has the databases; leave it out")
            }
            (None, ..) if databases => Who::Vm,
            (Some(JudgeName::Host), ..) | (None, true, _) | (None, _, None) => Who::Host,
            (None, ..) => Who::Vm,
        };
        // A guest takes a second for what this machine does a thousand times.
        let (exhaustive, samples) = match who {
            Who::Host => (256, 32),
            Who::Vm => (16, 4),
        };
        Ok(Request::Run(Box::new(Job {
            machine: Machine {
                project: project.clone(),
                bytes: self.size << 20,
                processors: self.smp.unwrap_or(if at_once { 2 } else { 1 }),
                turns: self.seed,
                packages: if databases {
                    vec!["python3-lmdb"]
                } else {
                    vec![]
                },
                seconds: 0,
            },
            folder: Folder(project.join(&self.out)),
            subject,
            workloads,
            model: match self.model {
                ModelName::X86 => Model::X86,
                ModelName::Strict => Model::Strict,
            },
            who,
            budget: Budget {
                exhaustive: self.exhaustive.unwrap_or(exhaustive),
                samples: self.samples.unwrap_or(samples),
                seed: self.seed,
                kinds: who == Who::Vm,
            },
            again: self.resume,
            bite: self.bite,
            without: self.without.clone(),
            known: self.known.clone(),
            recoveries: self.recover,
        })))
    }

    fn workloads(&self, subject: &Subject) -> Result<Vec<Workload>> {
        let mut workloads = match &self.workloads[..] {
            "singles" | "pairs" if subject.mount.is_none() => raw(),
            "singles" => singles(),
            "pairs" => pairs(),
            "at-once" => at_once(),
            "databases" => databases(),
            path => {
                let named = || format!("--workloads '{path}'");
                let text = std::fs::read_to_string(path).with_context(|| {
                    format!(
                        "{}: it must be singles, pairs, at-once, databases or a file",
                        named()
                    )
                })?;
                parse(&text).with_context(named)?
            }
        };
        if !self.only.is_empty() {
            workloads.retain(|workload| self.only.iter().any(|part| workload.name.contains(part)));
            ensure!(
                !workloads.is_empty(),
                "--only '{}': no workload has a name with that in it; --list shows them",
                self.only.join("', '")
            );
        }
        Ok(workloads)
    }
}
