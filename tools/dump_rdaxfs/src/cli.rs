// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory, Parser, Subcommand, ValueHint};

/// Show what is where on an rdaxfs volume, and copy files out of it.
///
/// Nothing on the volume is changed. The journal is replayed in memory. The volume is not mounted, and no privilege is needed but
/// to read it.
#[derive(Debug, Parser)]
#[command(
    name = "dump.rdaxfs",
    version,
    after_help = EXIT_STATUS,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// What to do instead of showing something
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Print JSON; its fields are described in dump.rdaxfs(8)
    #[arg(long)]
    pub json: bool,

    /// Show what a block is used for, and by which inode
    #[arg(long, value_name = "N", conflicts_with = "what")]
    pub block: Option<u64>,

    /// Show each allocation group too
    #[arg(long, conflicts_with_all = ["what", "block"])]
    pub groups: bool,

    /// Print what udev keeps of a file system: type, UUID and label; nothing if it is not an rdaxfs volume (exit status 1)
    #[arg(long, conflicts_with_all = ["json", "what", "block", "groups"])]
    pub export: bool,

    /// The device or file
    #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath, required = true)]
    path: Option<PathBuf>,

    /// The inode to show, by its path from the volume's root or by its number; without it the
    /// volume is shown
    ///
    /// A path may have the escapes that are printed: \n, \r, \t, \xHH for a byte, \u{HEX} for a character. So a backslash is
    /// written twice.
    #[arg(value_name = "PATH|INODE", value_parser = OsStringValueParser::new().try_map(parse_what))]
    pub what: Option<What>,
}

impl Arguments {
    /// The device or file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.command {
            Some(
                Command::Cat { path, .. }
                | Command::Extract { path, .. }
                | Command::Image { path, .. },
            ) => path,
            None => self.path.as_deref().unwrap_or(Path::new("")),
        }
    }
}

/// What is done with files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a file to standard output
    ///
    /// Symbolic links are not followed.
    Cat {
        /// The device or file
        #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// The file, by its path from the volume's root or by its inode's number
        #[arg(value_name = "PATH|INODE", value_parser = OsStringValueParser::new().try_map(parse_what))]
        what: What,
    },
    /// Copy files into a new directory
    ///
    /// Permissions, times, extended attributes, links and holes are kept; owners and devices if it is run as root. What cannot be
    /// kept is named, and the exit status is 1.
    Extract {
        /// The device or file
        #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// The directory, which is made
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        to: PathBuf,
        /// What to copy: a file, or a directory with all below it [default: all]
        #[arg(value_name = "PATH|INODE", value_parser = OsStringValueParser::new().try_map(parse_what))]
        what: Option<What>,
    },
    /// Make a sparse file for a bug report: the metadata alone, with scrambled names
    ///
    /// What fsck.rdaxfs finds wrong with the volume, it finds in the file. There are no contents of files in it; names, targets
    /// of symbolic links, extended attributes and the label are replaced.
    Image {
        /// The device or file
        #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// The file, which is made
        #[arg(value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
        to: PathBuf,
    },
}

const EXIT_STATUS: &str =
    "Exit status: 0 if it was shown or copied, 1 if it cannot be, 2 if the arguments are wrong.";

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
