// SPDX-License-Identifier: GPL-2.0

//! A disk's list of bad sectors: `Documentation/ABI/testing/sysfs-block-rpmem`.

use crate::block_device::BlockDevice;
use crate::system;
use anyhow::{anyhow, bail, Context, Result};
use badblocks::{Edit, Edits, Extent};
use std::fs::OpenOptions;
use std::io::Write;
use terminal::safe_path;

/// The name of the file.
const FILE: &str = "badblocks";

/// The bad ranges of a disk of rpmem, in their order.
///
/// # Errors
///
/// If the list cannot be read, or is not of the documented form.
pub fn read(disk: &BlockDevice) -> Result<Vec<Extent>> {
    let path = disk.file(FILE);
    parse(&system::read(&path)?, disk.sectors()?).with_context(|| safe_path(&path))
}

fn parse(text: &str, sectors: u64) -> Result<Vec<Extent>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let edits = Edits::new(text.as_bytes(), sectors);
    let extents = edits.map(|edit| match edit {
        Ok(Edit::Inject(extent)) => Ok(extent),
        Ok(Edit::Clear(extent)) => bail!("\"-{extent}\" is not a bad range"),
        Err(error) => Err(anyhow!("{error}")),
    });
    extents.collect()
}

/// How many sectors a list has.
pub fn sectors(list: &[Extent]) -> u64 {
    list.iter().map(|extent| extent.sectors()).sum()
}

/// Writes one line to the list, with one call.
///
/// # Errors
///
/// What the driver says.
pub fn write(disk: &BlockDevice, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(disk.file(FILE))?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{parse, sectors};

    #[test]
    fn reads_what_the_driver_shows() {
        let list = parse("8 2\n11 13\n", 100).unwrap();
        assert_eq!(sectors(&list), 15);
        assert_eq!(list[1].start(), 11);
        assert!(parse("", 100).unwrap().is_empty());
    }

    #[test]
    fn refuses_what_it_cannot_show() {
        for text in ["8", "8 0", "-8 1", "99 2", "x 1"] {
            assert!(parse(text, 100).is_err(), "{text}");
        }
    }
}
