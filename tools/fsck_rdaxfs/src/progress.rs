// SPDX-License-Identifier: GPL-2.0

//! How far the check is.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rdaxfs_check::Progress;

use crate::cli::Arguments;

/// Where it is shown.
pub(crate) enum Meter {
    /// Nowhere.
    None,
    /// A bar on the terminal.
    Bar(ProgressBar),
    /// Lines for a program: the number of the part, how much is done, how much there is, the device.
    Lines { to: std::fs::File, path: String },
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
        // Opened by name, because a number alone is nobody's.
        let to = OpenOptions::new()
            .append(true)
            .open(format!("/proc/self/fd/{descriptor}"))
            .with_context(|| format!("-C {descriptor}: no such file descriptor to write to"))?;
        Ok(Self::Lines {
            to,
            path: arguments.path.display().to_string(),
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
