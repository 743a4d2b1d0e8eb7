// SPDX-License-Identifier: GPL-2.0

//! Instructions, as callgrind counts them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};

use crate::meter::Part;

/// What callgrind is to count, as [`crate::meter::InstructionMeter`] calls it.
const COUNTED: &str = "rdaxfs_cost::meter::counted_by_callgrind";

/// Where callgrind's files go.
pub struct Callgrind {
    folder: PathBuf,
}

impl Callgrind {
    /// Its files go to that folder, which need not exist.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made, or there is no valgrind.
    pub fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let version = Command::new("valgrind").arg("--version").output();
        let version = version.context("valgrind cannot be run")?;
        ensure!(version.status.success(), "valgrind does not work");
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Runs a scenario in this same program, and returns the instructions of each of its parts.
    ///
    /// # Errors
    ///
    /// If it fails, or callgrind's files do not fit what it said.
    pub fn parts(&self, scenario: &[&str]) -> Result<Vec<(Part, u64)>> {
        let own = std::env::current_exe()?;
        let mut arguments = vec![Path::new("scenario")];
        arguments.extend(scenario.iter().map(Path::new));
        self.parts_of(&own, &arguments)
    }

    /// Runs another program that says what it counts, and returns the instructions of each of its parts.
    ///
    /// # Errors
    ///
    /// As [`parts`](Self::parts).
    pub fn parts_of(&self, program: &Path, arguments: &[&Path]) -> Result<Vec<(Part, u64)>> {
        let only = format!("--toggle-collect={COUNTED}");
        let each = format!("--dump-after={COUNTED}");
        let said = self.run(&["--collect-atstart=no", &only, &each], program, arguments)?;
        let parts: Option<Vec<Part>> = said.lines().map(part).collect();
        let parts = parts.with_context(|| format!("{arguments:?} said: {said}"))?;
        let found = (1..=parts.len()).map(|number| total(&self.file(Some(number))));
        let found: Result<Vec<u64>> = found.collect();
        ensure!(
            !self.file(Some(parts.len() + 1)).exists(),
            "{arguments:?} has parts without names"
        );
        Ok(parts.into_iter().zip(found?).collect())
    }

    /// The instructions of another program, from its start to its end.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn program(&self, program: &Path, arguments: &[&Path]) -> Result<u64> {
        self.run(&[], program, arguments)?;
        total(&self.file(None))
    }

    fn file(&self, number: Option<usize>) -> PathBuf {
        self.folder.join(match number {
            Some(number) => format!("out.{number}"),
            None => "out".to_string(),
        })
    }

    fn run(&self, options: &[&str], program: &Path, arguments: &[&Path]) -> Result<String> {
        for entry in fs::read_dir(&self.folder)? {
            fs::remove_file(entry?.path())?;
        }
        let out = format!("--callgrind-out-file={}", self.file(None).display());
        let output = Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind", &out])
            .args(options)
            .arg(program)
            .args(arguments)
            .output()?;
        if !output.status.success() {
            bail!(
                "{} under callgrind: {}\n{}",
                program.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// `TIMES NAME`.
fn part(line: &str) -> Option<Part> {
    let (times, name) = line.split_once(' ')?;
    Some(Part {
        name: name.to_string(),
        times: times.parse().ok()?,
    })
}

/// The instructions in a file.
fn total(path: &Path) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let totals = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .with_context(|| format!("{} has no total", path.display()))?;
    Ok(totals.trim().parse()?)
}
