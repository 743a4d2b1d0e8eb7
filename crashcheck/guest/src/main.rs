// SPDX-License-Identifier: GPL-2.0

//! What crashcheck runs in guests.
//!
//! `record` does workloads, and says to the tracer what it is about to do; `judge` mounts crash images, one after
//! the other, and says what it finds; `recover` mounts them traced. All write lines of JSON to standard output.

#![forbid(unsafe_code)]

mod databases;
mod judge;
mod record;
mod recover;
mod subject;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::subject::Subject;

/// What crashcheck runs in guests
#[derive(Debug, Parser)]
#[command(name = "crashcheck_guest")]
struct Arguments {
    #[command(flatten)]
    subject: Subject,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Does the workloads of a file, traced
    Record {
        /// The file
        workloads: PathBuf,
        /// Where the kernel's symbols are copied to
        #[arg(long)]
        symbols: PathBuf,
        /// Decides where processors take turns
        #[arg(long, default_value_t = 1)]
        turns: u64,
    },
    /// Recovers what is on the device, traced, each time that a line comes in
    Recover {
        /// Where the kernel's symbols are copied to
        #[arg(long)]
        symbols: PathBuf,
    },
    /// Judges what is on the device, each time that a line comes in
    Judge,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Command::Record {
            workloads,
            symbols,
            turns,
        } => record::record(&arguments.subject, workloads, symbols, *turns),
        Command::Recover { symbols } => recover::recover(&arguments.subject, symbols),
        Command::Judge => judge::judge(&arguments.subject),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crashcheck_guest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
