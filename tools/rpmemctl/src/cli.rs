// SPDX-License-Identifier: GPL-2.0

//! What can be asked for; the help, the manual page and the completions are made of this.

use crate::output::Format;
use crate::quantity::{Bytes, Sectors};
use crate::suggest::choose::LEAST_ALIGNMENT;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// List, test and explain the persistent memory that rpmem drives.
#[derive(Debug, Parser)]
#[command(
    name = "rpmemctl",
    version,
    disable_help_subcommand = true,
    after_help = EXIT_STATUS
)]
pub struct Arguments {
    /// Print JSON; its fields are described in rpmemctl(8)
    #[arg(long, global = true)]
    pub json: bool,

    /// Read /proc, /sys, /dev, /etc, /lib and /boot below DIR
    ///
    /// For trees copied from another machine, as `lsblk --sysroot` does. Nothing is written there.
    #[arg(
        long,
        global = true,
        hide = true,
        value_name = "DIR",
        default_value = "/"
    )]
    pub sysroot: PathBuf,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 if all is well, 1 if a problem was found or something \
                           failed, 2 if the arguments are wrong.";

impl Arguments {
    /// How to show what comes out.
    pub fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Text
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the disks of rpmem
    ///
    /// For each disk its region of physical memory (root only), size, NUMA node, the kind of memory,
    /// whether it has DAX and can be written, how many of its sectors are bad, and who uses it.
    List {
        /// Only these, such as rpmem0 or /dev/rpmem0 [default: all]
        #[arg(value_name = "DEVICE")]
        devices: Vec<String>,
    },
    /// Mark sectors as bad, to see what programs make of it
    ///
    /// Reads of the sectors fail with EIO, loads from mapped files raise SIGBUS, until they are
    /// overwritten or cleared. The data on the medium stays as it is.
    Inject(Range),
    /// Mark sectors as good, without touching the data
    ///
    /// For errors that were injected. What is wrong with real memory stays: write to it instead. A page
    /// whose failure the kernel has reported can only be cleared as a whole: OFFSET and LEN must
    /// cover all of its 8 sectors.
    Clear(Range),
    /// Name the files that bad blocks hit
    ///
    /// Compares the lists of bad blocks of the disks below a mounted file system with the places of its
    /// files, so that one knows what to restore. Needs root. What no file has is told apart too:
    /// free space, the file system's own metadata, and what neither a file nor the file system
    /// owns up to. Partitions, and dm-linear and dm-stripe, are followed.
    ///
    /// The exit status is 1 if anything but free space is hit, or if not all files could be looked at.
    Damage {
        /// Where the file system is mounted, or any path in it
        #[arg(value_name = "MOUNTPOINT", value_hint = ValueHint::DirPath)]
        mount_point: PathBuf,
    },
    /// Say how to set memory aside
    ///
    /// Reads the machine's memory map and prints the memmap= for the kernel's command line that gives one
    /// clean region of SIZE bytes: aligned, wholly in usable RAM, clear of the kernel's image, of
    /// memory kept for a crash kernel, of ACPI's tables and of the hole for devices below 4 GiB, and
    /// on one NUMA node. If such memory is set aside already, also the regions= that takes it at once.
    /// Changes nothing. Needs root.
    Suggest(Wish),
    /// Say why there is no device or no DAX
    ///
    /// Looks at the memory, the drivers, the module and its parameters; with DEVICE or MOUNTPOINT only at
    /// what stands between that and DAX. For each problem it prints what it is, what was seen, and the
    /// commands that fix it. As root it sees more. The exit status is 1 if there is a problem.
    Doctor {
        /// A block device, or a path on a mounted file system [default: everything]
        #[arg(value_name = "DEVICE|MOUNTPOINT", value_hint = ValueHint::AnyPath)]
        target: Option<String>,
    },
}

/// Which sectors of which disk.
#[derive(Args, Debug)]
pub struct Range {
    /// A disk of rpmem or a partition of one, such as rpmem0, /dev/rpmem0p1 or a link to it
    #[arg(value_name = "DEVICE", value_hint = ValueHint::FilePath)]
    pub device: String,
    /// Where the range begins, from the start of DEVICE
    ///
    /// In sectors of 512 bytes, as in the badblocks file of sysfs and for ndctl inject-error; with K, M,
    /// G or T (or KiB, MiB, GiB, TiB) behind it in units of 1024 bytes and so on, with B in bytes. Decimal, or hex after 0x.
    #[arg(value_name = "OFFSET")]
    pub offset: Sectors,
    /// How long the range is, written in the same way
    #[arg(value_name = "LEN", value_parser = at_least_one)]
    pub len: Sectors,
}

/// What memory is wanted.
#[derive(Args, Debug)]
pub struct Wish {
    /// How much, such as 1G; a multiple of 2M
    #[arg(value_name = "SIZE", value_parser = region_size)]
    pub size: Bytes,
    /// Multiple that the region must begin at; a power of two, at least 2M
    ///
    /// Without it the largest of 1G, 128M and 2M that is not more than SIZE and that fits.
    #[arg(long, value_name = "SIZE", value_parser = alignment)]
    pub align: Option<Bytes>,
    /// NUMA node that the memory must be on [default: any]
    #[arg(long, value_name = "N")]
    pub node: Option<u32>,
}

fn at_least_one(text: &str) -> Result<Sectors, String> {
    match text.parse()? {
        Sectors(0) => Err("no sector; name at least one".to_owned()),
        len => Ok(len),
    }
}

fn region_size(text: &str) -> Result<Bytes, String> {
    let size: Bytes = text.parse()?;
    let unit = LEAST_ALIGNMENT;
    if size.0 > 0 && size.0 % unit == 0 {
        return Ok(size);
    }
    let down = size.0 / unit * unit;
    let up = Bytes(down.saturating_add(unit));
    let instead = match down {
        0 => up.to_string(),
        _ => format!("{} or {up}", Bytes(down)),
    };
    Err(format!(
        "not a multiple of {}, which struct pages come in; ask for {instead}",
        Bytes(unit)
    ))
}

fn alignment(text: &str) -> Result<Bytes, String> {
    let align: Bytes = text.parse()?;
    if align.0.is_power_of_two() && align.0 >= LEAST_ALIGNMENT {
        return Ok(align);
    }
    Err(format!(
        "not a power of two that is at least {}",
        Bytes(LEAST_ALIGNMENT)
    ))
}

/// The whole, for the manual page and the completions.
pub fn command() -> clap::Command {
    Arguments::command()
}
