// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`dump_rdaxfs::cli`], what is done in
//! [`dump_rdaxfs::show`], [`dump_rdaxfs::extract`] and [`dump_rdaxfs::metadata`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::{Context, Result};
use dump_rdaxfs::cli::{Arguments, Command};
use dump_rdaxfs::{export, extract, metadata, show};
use terminal::{complain, output};

fn main() -> ExitCode {
    terminal::run(
        terminal::USAGE,
        terminal::FAILED,
        |arguments| match answer(arguments) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                complain!("dump.rdaxfs: {error:#}");
                ExitCode::FAILURE
            }
        },
    )
}

/// Does what was asked for. Returns whether that was all of it.
fn answer(arguments: &Arguments) -> Result<bool> {
    match &arguments.command {
        Some(Command::Cat { path, what }) => return extract::cat(path, what).map(|()| true),
        Some(Command::Extract { path, to, what }) => {
            return extract::extract(path, to, what.as_ref())
        }
        Some(Command::Image { path, to }) => return metadata::image(path, to).map(|()| true),
        None if arguments.export => {
            // udev asks of every device: that it is something else is not worth a word.
            let Some(lines) = export::lines(arguments.path()) else {
                return Ok(false);
            };
            output::write(format_args!("{lines}"));
        }
        None => {
            let text = show::run(arguments)?;
            if arguments.json {
                output::write_json(&text);
            } else {
                output::write(format_args!("{text}"));
            }
        }
    }
    terminal::finish().context("standard output cannot be written")?;
    Ok(true)
}
