// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`mkfs_rdaxfs::cli`], what is done in
//! [`mkfs_rdaxfs::make`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use mkfs_rdaxfs::{cli::Arguments, make};
use terminal::complain;

/// The exit status for wrong arguments.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Arguments = match terminal::arguments(USAGE) {
        Ok(arguments) => arguments,
        Err(status) => return ExitCode::from(status),
    };
    if let Err(error) = make::run(&arguments) {
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
