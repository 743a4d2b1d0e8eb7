// SPDX-License-Identifier: GPL-2.0

//! What is checked: a file system on a disk, or the disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, ensure, Context, Result};
use clap::Args;
use crashcheck_tree::{read_device, walk, Tree};
use rustix::mount::{mount, unmount, MountFlags, UnmountFlags};

use crate::databases::Databases;

/// How much of a disk without a file system is looked at.
const DEVICE_BYTES: usize = 1 << 16;
const MOUNT_POINT: &str = "/tmp/crashcheck";

/// What is checked.
#[derive(Args, Clone, Debug)]
pub(crate) struct Subject {
    /// The disk
    #[arg(long)]
    device: PathBuf,
    /// The file system's type; none: the disk itself
    #[arg(long = "type")]
    kind: Option<String>,
    /// What it is mounted with
    #[arg(long, default_value = "")]
    options: String,
    /// The command that makes it, in words; the device is added
    #[arg(long)]
    mkfs: Option<String>,
    /// The command that checks it, in words; the device is added
    #[arg(long)]
    fsck: Option<String>,
    /// The program that has databases open
    #[arg(long, default_value = "crashcheck/guest/database.py")]
    databases: PathBuf,
}

impl Subject {
    fn run(&self, command: &str) -> Result<()> {
        let mut words = command.split_whitespace();
        let program = words.next().context("an empty command")?;
        let output = Command::new(program)
            .args(words)
            .arg(&self.device)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("'{program}'"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = &lines[lines.len().saturating_sub(12)..];
        bail!("{program}: {}: {}", output.status, last.join("; "))
    }

    /// Where operations are done.
    pub(crate) fn root(&self) -> &Path {
        match self.kind {
            None => &self.device,
            Some(_) => Path::new(MOUNT_POINT),
        }
    }

    pub(crate) fn make(&self) -> Result<()> {
        self.mkfs
            .as_deref()
            .map_or(Ok(()), |command| self.run(command))
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.fsck
            .as_deref()
            .map_or(Ok(()), |command| self.run(command))
    }

    pub(crate) fn mount(&self) -> Result<()> {
        let Some(kind) = &self.kind else {
            return Ok(());
        };
        std::fs::create_dir_all(MOUNT_POINT)?;
        let options = std::ffi::CString::new(self.options.as_str())?;
        // Times of access would be stores that nobody asked for.
        mount(
            &self.device,
            MOUNT_POINT,
            kind.as_str(),
            MountFlags::NOATIME,
            options.as_c_str(),
        )
        .with_context(|| format!("mount -t {kind} -o {}", self.options))
    }

    pub(crate) fn unmount(&self) -> Result<()> {
        if self.kind.is_none() {
            return Ok(());
        }
        unmount(MOUNT_POINT, UnmountFlags::empty()).context("umount")
    }

    /// Databases on it, none of them open.
    pub(crate) fn databases(&self) -> Databases {
        Databases::new(&self.databases)
    }

    pub(crate) fn tree(&self, databases: &Databases) -> Result<Tree> {
        let Some(_) = self.kind else {
            return read_device(&self.device, DEVICE_BYTES);
        };
        let mut tree = walk(self.root())?;
        databases.replace(self.root(), &mut tree)?;
        Ok(tree)
    }

    /// A file is made and has gone again: what was mounted can be used.
    pub(crate) fn try_out(&self) -> Result<()> {
        if self.kind.is_none() {
            return Ok(());
        }
        let path = self.root().join("crashcheck-try");
        std::fs::write(&path, [1; 5000]).context("a new file cannot be written")?;
        let back = std::fs::read(&path).context("a new file cannot be read")?;
        ensure!(back == [1; 5000], "a new file reads as something else");
        std::fs::remove_file(&path).context("a new file cannot be removed")
    }
}
