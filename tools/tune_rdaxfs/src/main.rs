// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`tune_rdaxfs::cli`], what is done in
//! [`tune_rdaxfs::tune`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use terminal::complain;
use tune_rdaxfs::{cli::Arguments, tune};

fn main() -> ExitCode {
    terminal::run(terminal::USAGE, terminal::FAILED, change_volume)
}

fn change_volume(arguments: &Arguments) -> ExitCode {
    match tune::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("tune.rdaxfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}
