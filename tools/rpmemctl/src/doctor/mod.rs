// SPDX-License-Identifier: GPL-2.0

//! `rpmemctl doctor`: why there is no device, or no DAX.
//!
//! Each check says only what it has read: a finding comes with what was seen, and with the commands that
//! repair it. What could not be read is said, too.

mod device;
mod drivers;
mod file_system;
mod huge_pages;
mod mappings;
mod memory;
mod module;
mod parameters;

use crate::block_device::BlockDevice;
use crate::mounts;
use crate::output::{Format, Outcome};
use crate::system::{self, System};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use terminal::safe_str;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work.
    Problem,
    /// Something could be better.
    Advice,
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its name, for programs.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// What was seen of it.
    pub seen: Vec<String>,
    /// What to do, in this order; each a command or a sentence.
    pub todo: Vec<String>,
}

impl Finding {
    fn problem(id: &'static str, what: impl Into<String>) -> Self {
        Self {
            id,
            severity: Severity::Problem,
            what: what.into(),
            seen: Vec::new(),
            todo: Vec::new(),
        }
    }

    fn advice(id: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Advice,
            ..Self::problem(id, what)
        }
    }

    fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen.push(seen.into());
        self
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.todo.push(remedy.into());
        self
    }
}

/// What was found, and what was not looked at.
#[derive(Debug, Default, Serialize)]
pub struct Diagnosis {
    /// What was found.
    findings: Vec<Finding>,
    /// What could not be looked at, and why.
    skipped: Vec<String>,
    /// What was looked at and found OK, as far as it went.
    looked_at: Vec<String>,
}

impl Diagnosis {
    fn add(&mut self, finding: Finding) {
        // Two ways can lead to the same device.
        let same = |other: &Finding| other.id == finding.id && other.what == finding.what;
        if !self.findings.iter().any(same) {
            self.findings.push(finding);
        }
    }

    fn skip(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.skipped.contains(&what) {
            self.skipped.push(what);
        }
    }

    fn is_problem(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == Severity::Problem)
    }
}

/// Looks at the machine, or at what stands between `target` and DAX.
///
/// # Errors
///
/// If there is no such target.
pub fn run(system: &System, target: Option<&str>, format: Format) -> Result<Outcome> {
    let mut diagnosis = Diagnosis::default();
    match target {
        None => examine_all(system, &mut diagnosis),
        Some(target) => examine(system, target, &mut diagnosis)?,
    }
    let problem = diagnosis.is_problem();
    Outcome::new(format, &diagnosis, problem, text)
}

fn examine_all(system: &System, diagnosis: &mut Diagnosis) {
    let disks = BlockDevice::rpmem_disks(system);
    memory::examine(system, &disks, diagnosis);
    drivers::examine(system, &disks, diagnosis);
    module::examine(system, diagnosis);
    parameters::examine(system, diagnosis);
    if disks.is_empty() && !diagnosis.is_problem() {
        diagnosis.add(
            Finding::problem(
                "no-disk",
                "rpmem has no disk, and nothing that was looked at is the reason",
            )
            .seen("no disk in /sys/block has the driver rpmem")
            .remedy("dmesg | grep rpmem    # what the driver said when it was loaded"),
        );
    }
    let mut seen = BTreeSet::new();
    let mut devices = VecDeque::from(disks);
    while let Some(device) = devices.pop_front() {
        if seen.insert(device.name().to_owned()) {
            devices.extend(device.partitions());
            devices.extend(device.holders());
            with_mounts(system, &device, diagnosis);
        }
    }
}

fn examine(system: &System, target: &str, diagnosis: &mut Diagnosis) -> Result<()> {
    let is_path = target.contains('/');
    let path = system.path(target);
    let data = if is_path {
        fs::metadata(&path)
    } else {
        fs::metadata("/")
    };
    match data {
        Ok(data) if is_path && !data.file_type().is_block_device() => {
            return file_system::examine(system, &path, &data, diagnosis);
        }
        // A disk that is not there: what the whole machine lacks may be why.
        Err(error) if system::is_absent(&error) && target.starts_with("/dev/") => {}
        Err(error) => return Err(error).context(safe_str(target)),
        Ok(_) => {}
    }
    match BlockDevice::find(system, target) {
        Ok(device) => with_mounts(system, &device, diagnosis),
        Err(error) => {
            let name = safe_str(target.trim_start_matches("/dev/"));
            if !name.starts_with("rpmem") {
                return Err(error);
            }
            diagnosis.add(
                Finding::problem("no-device", format!("there is no device {name}"))
                    .seen(format!("{error:#}")).remedy("rpmemctl list    # the disks that there are; what stands below may be why this one is not"),
            );
            examine_all(system, diagnosis);
        }
    }
    Ok(())
}

fn with_mounts(system: &System, device: &BlockDevice, diagnosis: &mut Diagnosis) {
    device::examine(system, device, diagnosis);
    let numbers = device.numbers();
    let mounts = mounts::mounts(system).unwrap_or_default();
    // Without DAX below it no option of the mount helps.
    let mounts_of_it = mounts.iter().filter(|mount| mount.device == numbers);
    for mount in mounts_of_it.filter(|_| device.has_dax()) {
        file_system::examine_mount(system, &mounts, mount, diagnosis);
    }
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_text(diagnosis, &mut out);
    out
}

fn write_text(diagnosis: &Diagnosis, out: &mut String) -> std::fmt::Result {
    for (number, finding) in (1..).zip(&diagnosis.findings) {
        let advice = if finding.severity == Severity::Advice {
            " (advice)"
        } else {
            ""
        };
        writeln!(out, "{number}. {}{advice}", finding.what)?;
        for seen in &finding.seen {
            writeln!(out, "   seen: {seen}")?;
        }
        for todo in &finding.todo {
            writeln!(out, "   do:   {todo}")?;
        }
        writeln!(out)?;
    }
    if diagnosis.findings.is_empty() {
        writeln!(out, "No problem was found.")?;
    }
    for looked_at in &diagnosis.looked_at {
        writeln!(out, "OK: {looked_at}.")?;
    }
    for skipped in &diagnosis.skipped {
        writeln!(out, "Not looked at: {skipped}.")?;
    }
    Ok(())
}
