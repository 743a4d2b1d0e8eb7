// SPDX-License-Identifier: GPL-2.0

//! Block devices, as sysfs has them.

use crate::quantity::SECTOR;
use crate::system::{self, System};
use anyhow::{bail, Context, Result};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use terminal::{safe_path, safe_str};

/// A disk or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    name: String,
    sysfs: PathBuf,
}

impl BlockDevice {
    /// The device of this name, or with this node; links to the node are followed.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn find(system: &System, text: &str) -> Result<Self> {
        if !text.contains('/') {
            let class = system.path(format!("/sys/class/block/{text}"));
            return Self::at(&class).with_context(|| {
                format!(
                    "{}: there is no such block device; 'rpmemctl list' shows those of rpmem",
                    safe_str(text)
                )
            });
        }
        // A copied tree has no nodes: there the name says which device it is.
        let node = system.path(text);
        match fs::metadata(&node) {
            Ok(data) if data.file_type().is_block_device() => {
                Self::numbered(system, &numbers(data.rdev())).with_context(|| safe_str(text))
            }
            Ok(_) => bail!("{}: is not a block device", safe_str(text)),
            Err(error) if system::is_absent(&error) => match text.strip_prefix("/dev/") {
                Some(name) if !name.contains('/') => Self::find(system, name),
                _ => Err(error).context(safe_str(text)),
            },
            Err(error) => Err(error).context(safe_str(text)),
        }
    }

    /// The device with these numbers, as `MAJOR:MINOR`.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn numbered(system: &System, numbers: &str) -> Result<Self> {
        Self::at(&system.path(format!("/sys/dev/block/{numbers}")))
            .with_context(|| format!("there is no block device {numbers}"))
    }

    fn at(link: &Path) -> Result<Self> {
        let sysfs = link.canonicalize()?;
        let name = sysfs.file_name().and_then(|name| name.to_str());
        Ok(Self {
            name: name.context("a device without a name")?.to_owned(),
            sysfs,
        })
    }

    /// All disks of the rpmem driver.
    pub fn rpmem_disks(system: &System) -> Vec<Self> {
        let names = system.names("/sys/block");
        let disks = names
            .iter()
            .filter_map(|name| Self::find(system, name).ok());
        disks.filter(Self::is_rpmem_disk).collect()
    }

    /// Such as `rpmem0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Such as `/dev/rpmem0`.
    pub fn node(&self) -> String {
        // A name with a ! has a / in its node.
        format!("/dev/{}", self.name.replace('!', "/"))
    }

    /// A file of the device.
    pub fn file(&self, name: &str) -> PathBuf {
        self.sysfs.join(name)
    }

    /// What a file of the device says; `None` if there is none.
    pub fn attribute(&self, name: &str) -> Option<String> {
        Some(system::read(&self.file(name)).ok()?.trim().to_owned())
    }

    /// The number in a file of the device.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn number(&self, name: &str) -> Result<u64> {
        let text = system::read(&self.file(name))?;
        let number = text.trim().parse();
        number.with_context(|| format!("{}: {text:?}", safe_path(&self.file(name))))
    }

    /// Its numbers, as `MAJOR:MINOR`.
    pub fn numbers(&self) -> String {
        self.attribute("dev").unwrap_or_default()
    }

    /// How many sectors of [`SECTOR`] bytes it has.
    ///
    /// # Errors
    ///
    /// If sysfs does not tell.
    pub fn sectors(&self) -> Result<u64> {
        self.number("size")
    }

    /// How many bytes it has.
    ///
    /// # Errors
    ///
    /// If sysfs does not tell.
    pub fn bytes(&self) -> Result<u64> {
        Ok(self.sectors()?.saturating_mul(SECTOR))
    }

    /// For a partition, the disk and the sector of it that the partition begins at.
    ///
    /// # Errors
    ///
    /// If sysfs does not tell.
    pub fn whole_disk(&self) -> Result<Option<(Self, u64)>> {
        if !self.file("partition").exists() {
            return Ok(None);
        }
        let disk = Self::at(&self.file(".."))?;
        Ok(Some((disk, self.number("start")?)))
    }

    /// The names of its partitions.
    pub fn partitions(&self) -> Vec<Self> {
        let parts = system::names(&self.sysfs);
        let parts = parts.iter().map(|name| self.file(name));
        parts
            .filter(|path| path.join("partition").exists())
            .filter_map(|path| Self::at(&path).ok())
            .collect()
    }

    /// The devices that are made of it.
    pub fn holders(&self) -> Vec<Self> {
        self.linked("holders")
    }

    /// The devices that it is made of.
    pub fn slaves(&self) -> Vec<Self> {
        self.linked("slaves")
    }

    fn linked(&self, directory: &str) -> Vec<Self> {
        let names = system::names(&self.file(directory));
        let paths = names.iter().map(|name| self.file(directory).join(name));
        paths.filter_map(|path| Self::at(&path).ok()).collect()
    }

    /// The name of the driver of the device that the disk is on.
    pub fn driver(&self) -> Option<String> {
        system::link_name(&self.file("device/driver"))
    }

    /// Whether it is a whole disk of rpmem.
    pub fn is_rpmem_disk(&self) -> bool {
        self.driver().as_deref() == Some("rpmem") && !self.file("partition").exists()
    }

    /// Whether files on it can be mapped straight onto the medium, as the block layer sees it; a
    /// partition is as its disk.
    pub fn has_dax(&self) -> bool {
        let queue = if self.file("partition").exists() {
            "../queue/dax"
        } else {
            "queue/dax"
        };
        self.attribute(queue).as_deref() == Some("1")
    }
}

/// `MAJOR:MINOR`.
pub fn numbers(device: u64) -> String {
    format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    )
}

/// The numbers of the device that a path is on, as `MAJOR:MINOR`.
///
/// # Errors
///
/// If the path cannot be looked at.
pub fn numbers_of_path(path: &Path) -> Result<String> {
    let data = fs::metadata(path).with_context(|| safe_path(path))?;
    Ok(numbers(data.dev()))
}

/// `MAJOR:MINOR` of the 32 bits of `new_encode_dev()`.
pub fn unpacked(device: u32) -> String {
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    format!("{major}:{minor}")
}

#[cfg(test)]
mod tests {
    use super::unpacked;

    #[test]
    fn unpacks_large_minors() {
        assert_eq!(unpacked((259 << 8) | 7), "259:7");
        assert_eq!(unpacked((0x123 << 20) | (3 << 8) | 0x45), "3:74565");
    }
}
