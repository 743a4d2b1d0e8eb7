// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, ValueHint};

/// Show what is where on a volume of rdaxfs, and whose a block is.
///
/// Nothing is changed. Records that the journal holds are taken as done.
#[derive(Debug, Parser)]
#[command(name = "dump.rdaxfs", version, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// Print JSON; its fields are described in dump.rdaxfs(8)
    #[arg(long)]
    pub json: bool,

    /// Show what a block is used for, and by which inode
    #[arg(long, value_name = "N", conflicts_with = "what")]
    pub block: Option<u64>,

    /// The device or file
    #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,

    /// The inode to show, by its path from the volume's root or by its number; without it the
    /// volume is shown
    #[arg(value_name = "PATH|INODE", value_parser = parse_what)]
    pub what: Option<What>,
}

const EXIT_STATUS: &str =
    "Exit status: 0 if it was shown, 1 if it cannot be, 2 if the arguments are wrong.";

/// What [`Arguments`] are parsed by.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// An inode.
#[derive(Clone, Debug)]
pub enum What {
    /// By its path.
    Path(String),
    /// By its number.
    Inode(u64),
}

fn parse_what(text: &str) -> Result<What, String> {
    if text.starts_with('/') {
        return Ok(What::Path(text.to_owned()));
    }
    let number = text
        .parse()
        .map_err(|_| "neither a path, which begins with /, nor a number")?;
    Ok(What::Inode(number))
}
