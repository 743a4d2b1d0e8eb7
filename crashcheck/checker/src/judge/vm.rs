// SPDX-License-Identifier: GPL-2.0

//! Recovers images in one guest that lives on, by the kernel's own file system and its fsck. The guest's
//! persistent memory is a file of this machine: an image is put there while nothing is mounted.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{bail, Result};
use crashcheck_tree::Tree;
use rdaxfs_crash::{Recorder, LINE_BYTES};

use super::verdicts::{key, Verdicts};
use super::{Found, Judge};
use crate::case::Case;
use crate::guest::{put, region, Live};
use crate::record::{guest, Machine};
use crate::subject::Subject;

/// A guest that recovers images.
#[derive(Debug)]
pub struct Vm {
    subject: Subject,
    machine: Machine,
    folder: PathBuf,
    region: File,
    verdicts: Verdicts,
    running: Option<Live>,
    looked: u64,
}

impl Vm {
    /// One that is started when it is wanted. What it finds is kept in the folder.
    ///
    /// # Errors
    ///
    /// If files in the folder cannot be made.
    pub fn new(subject: &Subject, machine: &Machine, folder: &Path) -> Result<Self> {
        let region = region(&folder.join("judged-region"), machine.bytes)?;
        Ok(Self {
            subject: subject.clone(),
            machine: machine.clone(),
            folder: folder.into(),
            region,
            verdicts: Verdicts::open(&folder.join("verdicts"))?,
            running: None,
            looked: 0,
        })
    }

    fn start(&mut self) -> Result<&mut Live> {
        let running = match self.running.take() {
            Some(running) => running,
            None => Live::start(guest(
                &self.machine,
                &self.subject,
                &self.folder.join("judged-region"),
                &self.folder.join("judge-console"),
                &["judge".into()],
            )?)?,
        };
        Ok(self.running.insert(running))
    }

    fn ask(&mut self) -> Result<Found> {
        let Some(answer) = self.start()?.ask() else {
            // The next image has a guest of its own.
            self.running = None;
            return Ok(Err(
                "the guest that recovers it dies or hangs: see judge-console".into(),
            ));
        };
        found(&answer)
    }
}

/// What a guest's answer means.
///
/// # Errors
///
/// If it means nothing.
pub fn found(answer: &str) -> Result<Found> {
    match answer.split_once(' ') {
        Some(("ok", tree)) => Ok(Ok(Tree::from_line(tree)?)),
        Some(("bad", reason)) => Ok(Err(reason.into())),
        _ => bail!("the guest says '{answer}'"),
    }
}

impl Judge for Vm {
    fn look(&mut self, case: &Case, medium: &Recorder) -> Result<Option<Found>> {
        // Nobody knows what the kernel reads: all is decided.
        for line in medium.undecided_lines() {
            medium.read(line * LINE_BYTES, &mut [0; LINE_BYTES as usize]);
        }
        let image = medium.image();
        let key = key(case, &image);
        if let Some(found) = self.verdicts.get(key) {
            return Ok(Some(found.clone()));
        }
        self.start()?;
        put(&self.region, &image)?;
        let found = self.ask()?;
        self.looked += 1;
        self.verdicts.put(key, found.clone())?;
        Ok(Some(found))
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
