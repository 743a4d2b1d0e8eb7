// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`fsck_rdaxfs::cli`], what is done in
//! [`fsck_rdaxfs::check`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use fsck_rdaxfs::cli::Arguments;
use fsck_rdaxfs::{check, Status};
use terminal::complain;

fn main() -> ExitCode {
    let arguments: Arguments = match terminal::arguments(Status::USAGE.code()) {
        Ok(arguments) => arguments,
        Err(status) => return ExitCode::from(status),
    };
    let status = match check::run(&arguments) {
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
