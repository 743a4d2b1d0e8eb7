// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, ValueHint};

/// Check an rdaxfs volume, and repair it.
#[derive(Debug, Parser)]
#[command(name = "fsck.rdaxfs", version, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// Change nothing, and answer all questions with no
    #[arg(short = 'n', conflicts_with_all = ["preen", "yes"])]
    pub no: bool,

    /// Repair without questions what loses nothing; stop at anything else
    #[arg(short = 'p', short_alias = 'a', conflicts_with = "yes")]
    pub preen: bool,

    /// Answer all questions with yes
    #[arg(short = 'y')]
    pub yes: bool,

    /// Check although the volume says that it is clean
    #[arg(short = 'f')]
    pub force: bool,

    /// Take the copy of the superblock in BLOCK, the volume's last one
    ///
    /// Needed where block 0 does not have an rdaxfs superblock any more: something else may have replaced the volume.
    #[arg(short = 'b', value_name = "BLOCK", conflicts_with = "preen")]
    pub copy: Option<u64>,

    /// Write how far the check is to a file descriptor, as e2fsck does; 0: a bar on the terminal
    #[arg(short = 'C', value_name = "FD")]
    pub progress: Option<i32>,

    /// The device or file; it must not be mounted
    #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
}

const EXIT_STATUS: &str = "Exit status: 0 if there are no errors, 1 if all errors were repaired, \
                           4 if errors remain, 8 if the check could not be done, 16 if the arguments are wrong.";

/// What [`Arguments`] are parsed by.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}
