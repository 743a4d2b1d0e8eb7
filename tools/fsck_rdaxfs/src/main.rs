// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`fsck_rdaxfs::cli`], what is done in
//! [`fsck_rdaxfs::check`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use fsck_rdaxfs::cli::Arguments;
use fsck_rdaxfs::{check, Status};

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
    match check::run(&arguments) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("fsck.rdaxfs: {error:#}");
            Status::FAILED.into()
        }
    }
}
