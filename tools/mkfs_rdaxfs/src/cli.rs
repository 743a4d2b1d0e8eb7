// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{CommandFactory, Parser, ValueHint};
use rdaxfs_core::format::LABEL_BYTES;
use uuid::Uuid;

use crate::size::Size;

/// Make an rdaxfs volume on a device or in a file.
#[derive(Debug, Parser)]
#[command(name = "mkfs.rdaxfs", version, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// The volume's label, at most 32 bytes of UTF-8
    #[arg(
        short = 'L',
        value_name = "LABEL",
        default_value = "",
        hide_default_value = true
    )]
    pub label: Label,

    /// The volume's UUID; or random (the default), time or clear
    ///
    /// time: one that begins with the time. clear: all zeros.
    #[arg(short = 'U', value_name = "UUID", default_value = "random")]
    pub uuid: WantedUuid,

    /// Fill the volume with the files below a directory, or those of a tar archive; "-": an archive on standard input
    ///
    /// Owners, permissions, times, extended attributes, access control lists, links, devices and holes are kept. No
    /// privilege is needed. Times before 1697-10-17 or after 2242-03-16 are set to the nearest of these days, and a
    /// warning says how many files had such a time.
    #[arg(short = 'd', value_name = "DIR|TAR", value_hint = ValueHint::AnyPath)]
    pub source: Option<PathBuf>,

    /// The owner of the root directory, in numbers; without them: the user who runs this [default: that of DIR, or root]
    #[arg(short = 'E', value_name = "root_owner[=UID:GID]")]
    pub root_owner: Option<RootOwner>,

    /// How large the volume is: SIZE as an option
    #[arg(long = "size", value_name = "SIZE", conflicts_with = "size")]
    pub size_option: Option<Size>,

    /// Make the volume although there is a file system or partition table already
    #[arg(short = 'f')]
    pub force: bool,

    /// Say what would be made, and change nothing
    #[arg(short = 'n', visible_short_alias = 'N')]
    pub dry_run: bool,

    /// Say nothing unless something fails
    #[arg(short = 'q')]
    pub quiet: bool,

    /// The device or file; a file that is not there is made if SIZE is given
    #[arg(value_name = "DEVICE|FILE", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,

    /// How large the volume is: with K, M, G or T behind it, or in blocks of 4096 bytes [default: all of the device]
    ///
    /// auto: as large as what -d names needs; only for files.
    #[arg(value_name = "SIZE")]
    pub size: Option<Size>,
}

impl Arguments {
    /// How large the volume is to be, if that was said.
    #[must_use]
    pub fn wanted_size(&self) -> Option<Size> {
        self.size.or(self.size_option)
    }
}

const EXIT_STATUS: &str =
    "Exit status: 0 if the volume was made, 1 if it was not, 2 if the arguments are wrong.";

/// What [`Arguments`] are parsed by.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Which UUID the volume gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedUuid {
    /// A random one.
    Random,
    /// One that begins with the time.
    Time,
    /// This one.
    This(Uuid),
}

impl WantedUuid {
    /// The UUID.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        match self {
            Self::Random => Uuid::new_v4(),
            Self::Time => Uuid::now_v7(),
            Self::This(uuid) => uuid,
        }
    }
}

impl FromStr for WantedUuid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Self::Random),
            "time" => Ok(Self::Time),
            "clear" => Ok(Self::This(Uuid::nil())),
            text => text
                .parse()
                .map(Self::This)
                .map_err(|error| format!("{error}; or write random, time or clear")),
        }
    }
}

/// The owner of the root directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootOwner {
    /// Who runs the program.
    Caller,
    /// This user and group.
    This(u32, u32),
}

impl RootOwner {
    /// The numbers.
    #[must_use]
    pub fn numbers(self) -> (u32, u32) {
        match self {
            Self::Caller => {
                let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
                (uid.as_raw(), gid.as_raw())
            }
            Self::This(uid, gid) => (uid, gid),
        }
    }
}

impl FromStr for RootOwner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "root_owner" {
            return Ok(Self::Caller);
        }
        let numbers = text.strip_prefix("root_owner=");
        let numbers = numbers.and_then(|numbers| numbers.split_once(':'));
        let number = |text: &str| text.parse().ok();
        numbers
            .and_then(|(uid, gid)| Some(Self::This(number(uid)?, number(gid)?)))
            .ok_or_else(|| "write root_owner, or root_owner=UID:GID with numbers".into())
    }
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

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
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
        Ok(Self(label))
    }
}
