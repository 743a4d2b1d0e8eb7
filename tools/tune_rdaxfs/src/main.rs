// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`tune_rdaxfs::cli`], what is done in
//! [`tune_rdaxfs::tune`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use terminal::complain;
use tune_rdaxfs::{cli::Arguments, tune};

/// The exit status for wrong arguments.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Arguments = match terminal::arguments(USAGE) {
        Ok(arguments) => arguments,
        Err(status) => return ExitCode::from(status),
    };
    match tune::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("tune.rdaxfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}
