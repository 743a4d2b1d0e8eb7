// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use std::path::PathBuf;

use clap::{ArgGroup, CommandFactory, Parser, ValueHint};
use mkfs_rdaxfs::cli::{Label, WantedUuid};

/// Change the label or the UUID of an rdaxfs volume that is not mounted.
#[derive(Debug, Parser)]
#[command(
    name = "tune.rdaxfs",
    version,
    after_help = EXIT_STATUS,
    group(ArgGroup::new("change").args(["label", "uuid"]).required(true).multiple(true))
)]
pub struct Arguments {
    /// The new label, at most 32 bytes of UTF-8; "" removes it
    #[arg(short = 'L', value_name = "LABEL")]
    pub label: Option<Label>,

    /// The new UUID; or random, time or clear, as for mkfs.rdaxfs
    #[arg(short = 'U', value_name = "UUID")]
    pub uuid: Option<WantedUuid>,

    /// The device or file
    #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
}

const EXIT_STATUS: &str =
    "Exit status: 0 if it was changed, 1 if it was not, 2 if the arguments are wrong.";

/// What [`Arguments`] are parsed by.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}
