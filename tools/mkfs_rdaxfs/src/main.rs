// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`mkfs_rdaxfs::cli`], what is done in
//! [`mkfs_rdaxfs::make`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use mkfs_rdaxfs::{cli::Arguments, make};
use terminal::complain;

fn main() -> ExitCode {
    terminal::run(terminal::USAGE, terminal::FAILED, make_volume)
}

fn make_volume(arguments: &Arguments) -> ExitCode {
    if let Err(error) = make::run(arguments) {
        complain!("mkfs.rdaxfs: {error:#}");
        return ExitCode::FAILURE;
    }
    match terminal::finish() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let done = if arguments.dry_run {
                "nothing was changed"
            } else {
                "the volume was made"
            };
            complain!("mkfs.rdaxfs: standard output cannot be written: {error}; {done}");
            ExitCode::FAILURE
        }
    }
}
