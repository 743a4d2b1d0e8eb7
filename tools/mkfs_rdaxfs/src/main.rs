// SPDX-License-Identifier: GPL-2.0

//! The program: what was asked for is in [`mkfs_rdaxfs::cli`], what is done in
//! [`mkfs_rdaxfs::make`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mkfs_rdaxfs::{cli::Arguments, make};

fn main() -> ExitCode {
    match make::run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mkfs.rdaxfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}
