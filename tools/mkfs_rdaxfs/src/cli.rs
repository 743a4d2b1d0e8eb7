// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, ValueHint};
use uuid::Uuid;

/// The longest label, in bytes.
const LABEL_BYTES: usize = 32;

/// Make an rdaxfs volume on a device or in a file.
#[derive(Debug, Parser)]
#[command(name = "mkfs.rdaxfs", version, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// The volume's label, at most 32 bytes of UTF-8
    #[arg(short = 'L', value_name = "LABEL", default_value = "", value_parser = parse_label)]
    pub label: Label,

    /// The volume's UUID; a random one if it is not given
    #[arg(short = 'U', value_name = "UUID")]
    pub uuid: Option<Uuid>,

    /// Make the volume although there is a file system or partition table already
    #[arg(short = 'f')]
    pub force: bool,

    /// Say what would be made, and change nothing
    #[arg(short = 'n')]
    pub dry_run: bool,

    /// Say nothing unless something fails
    #[arg(short = 'q')]
    pub quiet: bool,

    /// The device or file; all of it is used
    #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
}

const EXIT_STATUS: &str =
    "Exit status: 0 if the volume was made, 1 if it was not, 2 if the arguments are wrong.";

/// What [`Arguments`] are parsed by.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// A label that fits.
#[derive(Clone, Debug)]
pub struct Label(pub [u8; LABEL_BYTES]);

impl Label {
    /// What it says, without the zeros behind it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

fn parse_label(text: &str) -> Result<Label, String> {
    if text.len() > LABEL_BYTES {
        return Err(format!(
            "it has {} bytes, a label at most {LABEL_BYTES}",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return Err("a label has no control characters".into());
    }
    let mut label = [0; LABEL_BYTES];
    label[..text.len()].copy_from_slice(text.as_bytes());
    Ok(Label(label))
}
