// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`dump_rdaxfs::cli`], what is done in
//! [`dump_rdaxfs::show`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use dump_rdaxfs::{cli::Arguments, show};
use terminal::{complain, output};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match show::run(&arguments) {
        Ok(text) if arguments.json => output::write_json(&text),
        Ok(text) => output::write(format_args!("{text}")),
        Err(error) => {
            complain!("dump.rdaxfs: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    match terminal::finish() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("dump.rdaxfs: standard output cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}
