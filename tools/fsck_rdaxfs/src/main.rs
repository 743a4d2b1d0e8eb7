// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`fsck_rdaxfs::cli`], what is done in
//! [`fsck_rdaxfs::check`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use fsck_rdaxfs::cli::Arguments;
use fsck_rdaxfs::{check, Status};
use terminal::complain;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors of clap's too, but not ours.
            let status = if error.use_stderr() {
                Status::USAGE
            } else {
                Status::CLEAN
            };
            // There is nobody to tell when this cannot be written.
            let _ = error.print();
            return status.into();
        }
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
