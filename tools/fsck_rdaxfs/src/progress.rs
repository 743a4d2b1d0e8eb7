// SPDX-License-Identifier: GPL-2.0

//! How far the check is.

use std::fs::File;
use std::io::{self, Write};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rdaxfs_check::Progress;
use rustix::process::{getpid, pidfd_getfd, pidfd_open, PidfdFlags, PidfdGetfdFlags};
use terminal::safe_path;

use crate::cli::Arguments;

/// Where it is shown.
pub(crate) enum Meter {
    /// Nowhere.
    None,
    /// A bar on the terminal.
    Bar(ProgressBar),
    /// Lines for a program: the number of the part, how much is done, how much there is, the device.
    Lines { to: File, path: String },
}

impl Meter {
    /// As the arguments say.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self> {
        let Some(descriptor) = arguments.progress else {
            return Ok(Self::None);
        };
        if descriptor <= 0 {
            let style = ProgressStyle::with_template("{msg:8} {wide_bar} {percent:>3} %")
                .context("the bar's template is wrong")?;
            return Ok(Self::Bar(ProgressBar::new(0).with_style(style)));
        }
        let to = inherited(descriptor).with_context(|| {
            format!("-C {descriptor}: there is no file descriptor {descriptor} to write to")
        })?;
        Ok(Self::Lines {
            to,
            path: safe_path(&arguments.path),
        })
    }

    /// Shows it.
    pub(crate) fn show(&mut self, progress: Progress) {
        match self {
            Self::None => {}
            Self::Bar(bar) => {
                bar.set_message(progress.part);
                bar.set_length(progress.all);
                bar.set_position(progress.done);
            }
            Self::Lines { to, path } => {
                let part = match progress.part {
                    "inodes" => 1,
                    "names" => 2,
                    _ => 3,
                };
                // Who does not read on does not want to know.
                let _ = writeln!(to, "{part} {} {} {path}", progress.done, progress.all);
            }
        }
    }

    /// Takes a bar away.
    pub(crate) fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A descriptor that the caller left open. It is shared and not opened anew, so that it may be a socket, and what the
/// caller writes to it comes before and behind.
fn inherited(descriptor: i32) -> io::Result<File> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let shared = pidfd_getfd(&own, descriptor, PidfdGetfdFlags::empty())?;
    Ok(shared.into())
}
