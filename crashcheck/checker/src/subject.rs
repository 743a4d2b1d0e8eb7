// SPDX-License-Identifier: GPL-2.0

//! What can be checked, by name.

use anyhow::{bail, Result};
use serde::Serialize;

/// A file system on a disk, or the disk.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// The driver's module.
    pub driver: String,
    /// The disk that the driver makes.
    pub device: String,
    /// The file system's type and what it is mounted with; none for the disk itself.
    pub mount: Option<(String, String)>,
    /// Modules that are loaded before, with the driver.
    pub modules: Vec<String>,
    /// The command that makes a volume.
    pub mkfs: Option<String>,
    /// The command that checks one.
    pub fsck: Option<String>,
    /// Every call is durable when it returns.
    pub durable: bool,
}

/// The names that [`Subject::named`] takes.
pub const NAMES: [&str; 4] = ["rdaxfs", "ext4", "xfs", "raw"];
/// The drivers.
pub const DRIVERS: [&str; 2] = ["rpmem", "nd_pmem"];

impl Subject {
    /// One that is known.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn named(name: &str, driver: &str) -> Result<Self> {
        let device = match driver {
            "rpmem" => "/dev/rpmem0",
            "nd_pmem" => "/dev/pmem0",
            _ => bail!(
                "--driver '{driver}': it must be one of {}",
                DRIVERS.join(", ")
            ),
        };
        let mut subject = Self {
            name: name.into(),
            driver: driver.into(),
            device: device.into(),
            mount: None,
            modules: match driver {
                "rpmem" => vec!["rpmem".into()],
                _ => vec!["nd_e820".into(), "nd_pmem".into()],
            },
            mkfs: None,
            fsck: None,
            durable: false,
        };
        let mut file_system = |options: &str, mkfs: &str, fsck: &str| {
            subject.mount = Some((name.into(), options.into()));
            subject.mkfs = Some(mkfs.into());
            subject.fsck = Some(fsck.into());
            subject.modules.push(name.into());
        };
        match name {
            "rdaxfs" => file_system("dax=always", "mkfs.rdaxfs -f", "fsck.rdaxfs -f -n"),
            // The journal is as small as it may be: what is not there need not be replayed.
            "ext4" => file_system(
                "dax=always",
                "mkfs.ext4 -q -F -b 4096 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0",
                "e2fsck -f -n",
            ),
            "xfs" => file_system(
                "dax=always",
                "mkfs.xfs -q -f -m reflink=0 -d agcount=1 --unsupported",
                "xfs_repair -n -o force_geometry",
            ),
            "raw" => {}
            _ => bail!(
                "--subject '{name}': it must be one of {}, or any type with --mkfs and --fsck",
                NAMES.join(", ")
            ),
        }
        subject.durable = name == "rdaxfs";
        Ok(subject)
    }

    /// Any file system.
    ///
    /// # Errors
    ///
    /// If there is no such driver.
    pub fn of_type(
        kind: &str,
        driver: &str,
        options: &str,
        mkfs: &str,
        fsck: &str,
    ) -> Result<Self> {
        let mut subject = Self::named("raw", driver)?;
        subject.name = kind.into();
        subject.mount = Some((kind.into(), options.into()));
        subject.modules.push(kind.into());
        subject.mkfs = Some(mkfs.into());
        subject.fsck = Some(fsck.into());
        Ok(subject)
    }

    /// What the guest's program is called with.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["--device".to_string(), self.device.clone()];
        if let Some((kind, options)) = &self.mount {
            words.extend([
                "--type".into(),
                kind.clone(),
                format!("--options={options}"),
            ]);
        }
        for (option, command) in [("--mkfs", &self.mkfs), ("--fsck", &self.fsck)] {
            if let Some(command) = command {
                words.extend([option.to_string(), command.clone()]);
            }
        }
        words
    }
}
