// SPDX-License-Identifier: GPL-2.0

//! Databases: what they say is there takes the place of the bytes of their files, which nobody but they can read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{bail, Context, Result};
use crashcheck_tree::{Bytes, Entry, Kind, Tree};
use crashcheck_workload::database_of;

/// The program that has the databases open, once there are any.
#[derive(Debug)]
pub(crate) struct Databases {
    script: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Databases {
    /// None yet. `script` is `crashcheck/guest/database.py`.
    pub(crate) fn new(script: &Path) -> Self {
        Self {
            script: script.into(),
            running: Mutex::new(None),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, line: &str) -> Result<String> {
        let mut running = self.running();
        if running.is_none() {
            let mut child = Command::new("python3")
                .arg("-B")
                .arg(&self.script)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("python3")?;
            let stdin = child.stdin.take().context("no standard input")?;
            let stdout = child.stdout.take().context("no standard output")?;
            *running = Some(Running {
                child,
                stdin,
                stdout: BufReader::new(stdout),
            });
        }
        let program = running.as_mut().context("it runs")?;
        writeln!(program.stdin, "{line}")?;
        program.stdin.flush()?;
        let mut answer = String::new();
        program.stdout.read_line(&mut answer)?;
        if answer.is_empty() {
            let status = program.child.wait()?;
            *running = None;
            bail!("{line}: the program that has the databases ends with {status}");
        }
        let answer = answer.trim_end();
        match answer.split_once(' ') {
            Some(("ok", rest)) => Ok(rest.into()),
            None if answer == "ok" => Ok(String::new()),
            _ => bail!("{line}: {}", answer.strip_prefix("bad ").unwrap_or(answer)),
        }
    }

    /// One more record, committed.
    pub(crate) fn commit(&self, path: &Path, number: u64) -> Result<()> {
        self.ask(&format!("commit {} {number}", path.display()))
            .map(drop)
    }

    /// Lets go of all files.
    pub(crate) fn close(&self) -> Result<()> {
        let is_running = self.running().is_some();
        if is_running {
            self.ask("close")?;
        }
        Ok(())
    }

    /// Puts the records of the databases below `root` in the place of their files. One without records is nothing.
    pub(crate) fn replace(&self, root: &Path, tree: &mut Tree) -> Result<()> {
        let found: BTreeSet<String> = tree
            .entries
            .keys()
            .filter_map(|path| database_of(path).map(String::from))
            .collect();
        tree.entries.retain(|path, _| database_of(path).is_none());
        for path in found {
            let records = self.ask(&format!("records {}", root.join(&path).display()))?;
            if records.is_empty() {
                continue;
            }
            let entry = Entry {
                same_as: path.clone(),
                mode: 0,
                links: 1,
                kind: Kind::File(Bytes(records.into_bytes())),
                xattrs: BTreeMap::new(),
            };
            tree.entries.insert(path, entry);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
