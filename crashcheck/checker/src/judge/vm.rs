// SPDX-License-Identifier: GPL-2.0

//! Recovers images in one guest that lives on, by the kernel's own file system and its fsck. The guest's
//! persistent memory is a file of this machine: an image is put there while nothing is mounted.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use crashcheck_tree::Tree;
use rdaxfs_crash::{Image, Recorder, LINE_BYTES, PAGE_BYTES};

use super::verdicts::{key, Verdicts};
use super::{Found, Judge};
use crate::case::Case;
use crate::record::{guest, Machine};
use crate::subject::Subject;

/// A guest that says nothing for so long about one image hangs.
const PATIENCE: Duration = Duration::from_secs(240);
/// How much of the region is compared at once.
const CHUNK: usize = 1 << 20;

/// A guest that recovers images.
#[derive(Debug)]
pub struct Vm {
    subject: Subject,
    machine: Machine,
    folder: PathBuf,
    region: File,
    verdicts: Verdicts,
    running: Option<Running>,
    looked: u64,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The script that runs the guest takes it along.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

impl Vm {
    /// One that is started when it is wanted. What it finds is kept in the folder.
    ///
    /// # Errors
    ///
    /// If files in the folder cannot be made.
    pub fn new(subject: &Subject, machine: &Machine, folder: &Path) -> Result<Self> {
        let path = folder.join("judged-region");
        let region = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let region = region.with_context(|| format!("'{}'", path.display()))?;
        region.set_len(machine.bytes)?;
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

    fn start(&mut self) -> Result<&mut Running> {
        if self.running.is_none() {
            let region = self.folder.join("judged-region");
            let mut command = guest(
                &self.machine,
                &self.subject,
                &region,
                &self.folder.join("judge-console"),
                &["judge".into()],
            )?;
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let stdin = child.stdin.take().context("no standard input")?;
            let stdout = child.stdout.take().context("no standard output")?;
            let (sender, lines) = channel();
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
            let running = Running {
                child,
                stdin,
                lines,
            };
            let ready = running
                .lines
                .recv_timeout(PATIENCE)
                .context("the guest that judges does not start: see judge-console")?;
            ensure!(ready == "ready", "the guest that judges says '{ready}'");
            self.running = Some(running);
        }
        self.running.as_mut().context("it runs")
    }

    /// Makes the region what the image is.
    fn put(&self, image: &Image) -> Result<()> {
        let mut have = vec![0; CHUNK];
        let mut page_bytes = [0; PAGE_BYTES as usize];
        for start in (0..image.len()).step_by(CHUNK) {
            let len = (image.len() - start).min(CHUNK as u64) as usize;
            self.region.read_exact_at(&mut have[..len], start)?;
            for (number, page) in
                (start / PAGE_BYTES..).zip(have[..len].chunks_exact(PAGE_BYTES as usize))
            {
                image.page(number, &mut page_bytes);
                if page != page_bytes {
                    self.region.write_all_at(&page_bytes, number * PAGE_BYTES)?;
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self) -> Result<Found> {
        let running = self.start()?;
        let asked = writeln!(running.stdin, "look").and_then(|()| running.stdin.flush());
        let answer = match asked {
            Ok(()) => running.lines.recv_timeout(PATIENCE).ok(),
            Err(_) => None,
        };
        let Some(answer) = answer else {
            // The next image has a guest of its own.
            self.running = None;
            return Ok(Err(
                "the guest that recovers it dies or hangs: see judge-console".into(),
            ));
        };
        match answer.split_once(' ') {
            Some(("ok", tree)) => Ok(Ok(Tree::from_line(tree)?)),
            Some(("bad", reason)) => Ok(Err(reason.into())),
            _ => bail!("the guest that judges says '{answer}'"),
        }
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
        self.put(&image)?;
        let found = self.ask()?;
        self.looked += 1;
        self.verdicts.put(key, found.clone())?;
        Ok(Some(found))
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
