// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`dump_rdaxfs::cli`], what is done in
//! [`dump_rdaxfs::show`].

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use dump_rdaxfs::{cli::Arguments, show};

fn main() -> ExitCode {
    let result = show::run(&Arguments::parse());
    match result {
        // Who does not read on, as `head`, does not want to know.
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("dump.rdaxfs: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        },
        Err(error) => {
            eprintln!("dump.rdaxfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}
