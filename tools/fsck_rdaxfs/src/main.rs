// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`fsck_rdaxfs::cli`], what is done in
//! [`fsck_rdaxfs::check`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use fsck_rdaxfs::cli::Arguments;
use fsck_rdaxfs::{check, Status};
use terminal::complain;

fn main() -> ExitCode {
    terminal::run(Status::USAGE.code(), Status::FAILED.code(), check_volume)
}

fn check_volume(arguments: &Arguments) -> ExitCode {
    let status = match check::run(arguments) {
        Ok(status) => status,
        Err(error) => {
            complain!("fsck.rdaxfs: {error:#}");
            Status::FAILED
        }
    };
    match terminal::finish() {
        Ok(()) => status.into(),
        Err(error) => {
            complain!("fsck.rdaxfs: standard output cannot be written: {error}");
            status.and(Status::FAILED).into()
        }
    }
}
