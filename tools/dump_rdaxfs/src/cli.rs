// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory, Parser, ValueHint};

/// Show what is where on an rdaxfs volume, and what a block belongs to.
///
/// Nothing is changed. The journal is replayed in memory.
#[derive(Debug, Parser)]
#[command(name = "dump.rdaxfs", version, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// Print JSON; its fields are described in dump.rdaxfs(8)
    #[arg(long)]
    pub json: bool,

    /// Show what a block is used for, and by which inode
    #[arg(long, value_name = "N", conflicts_with = "what")]
    pub block: Option<u64>,

    /// Show each allocation group too
    #[arg(long, conflicts_with_all = ["what", "block"])]
    pub groups: bool,

    /// The device or file
    #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,

    /// The inode to show, by its path from the volume's root or by its number; without it the
    /// volume is shown
    ///
    /// A path may have the escapes that are printed: \n, \r, \t, \xHH for a byte, \u{HEX} for a character. So a backslash is
    /// written twice.
    #[arg(value_name = "PATH|INODE", value_parser = OsStringValueParser::new().try_map(parse_what))]
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
    /// By its path, without escapes.
    Path(Vec<u8>),
    /// By its number.
    Inode(u64),
}

fn parse_what(text: OsString) -> Result<What, String> {
    let bytes = text.as_bytes();
    if bytes.starts_with(b"/") {
        let path = terminal::original(bytes).map_err(|error| error.to_string())?;
        return Ok(What::Path(path));
    }
    let number = text.to_str().and_then(|text| text.parse().ok());
    number
        .map(What::Inode)
        .ok_or_else(|| "neither a path, which begins with /, nor a number".into())
}
