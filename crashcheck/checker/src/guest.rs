// SPDX-License-Identifier: GPL-2.0

//! A guest that is given images, one after the other. Its persistent memory is a file of this machine: an image is put
//! there while nothing is mounted.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use rdaxfs_crash::{Image, PAGE_BYTES};

/// A guest that says nothing for so long about one image hangs.
const PATIENCE: Duration = Duration::from_secs(240);
/// How much of the region is compared at once.
const CHUNK: usize = 1 << 20;

/// A guest that runs.
#[derive(Debug)]
pub struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Drop for Live {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            // It has ended, and its number may be another process's by now.
            return;
        }
        // The script that runs the guest takes it along.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

impl Live {
    /// Starts it, and waits until its program is ready.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("no standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let live = Self {
            child,
            stdin,
            lines,
        };
        let ready = live
            .lines
            .recv_timeout(PATIENCE)
            .context("the guest does not start: see its console in the run's folder")?;
        ensure!(ready == "ready", "the guest says '{ready}'");
        Ok(live)
    }

    /// What it says of the image that is there now; nothing if it dies or hangs.
    pub fn ask(&mut self) -> Option<String> {
        let stdin = self.stdin.as_mut()?;
        writeln!(stdin, "look").ok()?;
        stdin.flush().ok()?;
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// There are no more images: waits for its end.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn finish(mut self) -> Result<()> {
        self.stdin = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "the guest ends with {status}");
        Ok(())
    }
}

/// The file that is a guest's memory.
///
/// # Errors
///
/// If it cannot be made.
pub fn region(path: &Path, bytes: u64) -> Result<File> {
    let region = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let region = region.with_context(|| format!("'{}'", path.display()))?;
    region.set_len(bytes)?;
    Ok(region)
}

/// Makes the region what the image is.
///
/// # Errors
///
/// Those of reading and writing it.
pub fn put(region: &File, image: &Image) -> Result<()> {
    let mut have = vec![0; CHUNK];
    let mut page_bytes = [0; PAGE_BYTES as usize];
    for start in (0..image.len()).step_by(CHUNK) {
        let len = (image.len() - start).min(CHUNK as u64) as usize;
        region.read_exact_at(&mut have[..len], start)?;
        for (number, page) in
            (start / PAGE_BYTES..).zip(have[..len].chunks_exact(PAGE_BYTES as usize))
        {
            image.page(number, &mut page_bytes);
            if page != page_bytes {
                region.write_all_at(&page_bytes, number * PAGE_BYTES)?;
            }
        }
    }
    Ok(())
}
