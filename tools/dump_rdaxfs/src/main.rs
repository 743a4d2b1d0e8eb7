// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`dump_rdaxfs::cli`], what is done in
//! [`dump_rdaxfs::show`] and [`dump_rdaxfs::extract`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use dump_rdaxfs::cli::{Arguments, Command};
use dump_rdaxfs::{export, extract, show};
use terminal::{complain, output};

/// The exit status for wrong arguments.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Arguments = match terminal::arguments(USAGE) {
        Ok(arguments) => arguments,
        Err(status) => return ExitCode::from(status),
    };
    if let Some(command) = &arguments.command {
        return status(run(command));
    }
    if arguments.export {
        // udev asks of every device: that it is something else is not worth a word.
        let Some(lines) = export::lines(arguments.path()) else {
            return ExitCode::FAILURE;
        };
        output::write(format_args!("{lines}"));
        return status(terminal::finish().map(|()| true).map_err(Into::into));
    }
    match show::run(&arguments) {
        Ok(text) if arguments.json => output::write_json(&text),
        Ok(text) => output::write(format_args!("{text}")),
        Err(error) => return status(Err(error)),
    }
    match terminal::finish() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("dump.rdaxfs: standard output cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<bool> {
    match command {
        Command::Cat { path, what } => extract::cat(path, what).map(|()| true),
        Command::Extract { path, to, what } => extract::extract(path, to, what.as_ref()),
    }
}

/// The exit status for what was done, as a whole or not.
fn status(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain!("dump.rdaxfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}
