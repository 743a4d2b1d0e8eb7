// SPDX-License-Identifier: GPL-2.0

//! Which bytes of a block device are bad, looked for down to the disks of rpmem below it.

use crate::bad_list;
use crate::block_device::BlockDevice;
use crate::device_mapper::{self, Leg, Line, Target};
use crate::quantity::SECTOR;
use crate::system::System;
use anyhow::Result;
use badblocks::Extent;
use std::ops::Range;

/// Consecutive bad sectors of a device that are consecutive on a disk, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPiece {
    /// The first sector on the device.
    pub start: u64,
    /// How many.
    pub sectors: u64,
    /// The disk's name.
    pub disk: String,
    /// The first sector on the disk.
    pub disk_start: u64,
}

impl BadPiece {
    /// The sectors on the device.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + self.sectors
    }

    /// The bytes on the device.
    pub fn bytes(&self) -> Range<u64> {
        self.start * SECTOR..(self.start + self.sectors) * SECTOR
    }

    /// What of it is in `part` of the device.
    fn cut(&self, part: &Range<u64>) -> Option<Self> {
        let start = self.start.max(part.start);
        let end = self.range().end.min(part.end);
        (start < end).then(|| Self {
            start,
            sectors: end - start,
            disk: self.disk.clone(),
            disk_start: self.disk_start + (start - self.start),
        })
    }

    /// The same sectors, of a device on which they begin elsewhere.
    fn at(self, start: u64) -> Self {
        Self { start, ..self }
    }
}

/// What is bad on a device.
#[derive(Debug, Default)]
pub struct Bad {
    /// Sorted, and free of overlaps.
    pub pieces: Vec<BadPiece>,
    /// What is made of disks with bad sectors in a way that is not followed; each a sentence.
    pub unfollowed: Vec<String>,
    /// The disks of rpmem that were found, with their lists.
    pub disks: Vec<(String, Vec<Extent>)>,
}

/// Looks for what is bad on `device`.
///
/// # Errors
///
/// If sysfs, a list or a table cannot be read.
pub fn bad_of(system: &System, device: &BlockDevice) -> Result<Bad> {
    let mut bad = Bad::default();
    bad.pieces = pieces_of(system, device, &mut bad)?;
    bad.pieces.sort_by_key(|piece| piece.start);
    bad.disks.sort();
    bad.disks.dedup();
    Ok(bad)
}

fn pieces_of(system: &System, device: &BlockDevice, bad: &mut Bad) -> Result<Vec<BadPiece>> {
    if device.is_rpmem_disk() {
        let list = bad_list::read(device)?;
        let pieces = list.iter().map(|extent| BadPiece {
            start: extent.start(),
            sectors: extent.sectors(),
            disk: device.name().to_owned(),
            disk_start: extent.start(),
        });
        let pieces = pieces.collect();
        bad.disks.push((device.name().to_owned(), list));
        return Ok(pieces);
    }
    if let Some((disk, start)) = device.whole_disk()? {
        let part = start..start.saturating_add(device.sectors()?);
        let below = pieces_of(system, &disk, bad)?;
        let inside = below.iter().filter_map(|piece| piece.cut(&part));
        return Ok(inside
            .map(|piece| piece.clone().at(piece.start - start))
            .collect());
    }
    if let Some(name) = device.attribute("dm/name") {
        return through_device_mapper(system, device, &device_mapper::table(&name)?, bad);
    }
    if !device.slaves().is_empty() {
        not_followed(system, device, "is not a device-mapper device", bad)?;
    }
    Ok(Vec::new())
}

fn through_device_mapper(
    system: &System,
    device: &BlockDevice,
    table: &[Line],
    bad: &mut Bad,
) -> Result<Vec<BadPiece>> {
    let mut pieces = Vec::new();
    for line in table {
        match &line.target {
            Target::Striped { chunk, legs } => {
                for (number, leg) in legs.iter().enumerate() {
                    let below = BlockDevice::numbered(system, &leg.device)?;
                    let below = pieces_of(system, &below, bad)?;
                    pieces.extend(striped(
                        line,
                        *chunk,
                        legs.len() as u64,
                        number as u64,
                        leg,
                        &below,
                    ));
                }
            }
            Target::Other(target) => {
                not_followed(system, device, &format!("has a {target} target"), bad)?;
            }
        }
    }
    Ok(pieces)
}

/// Says that a device is not followed, if there is anything bad below it.
fn not_followed(system: &System, device: &BlockDevice, why: &str, bad: &mut Bad) -> Result<()> {
    for slave in device.slaves() {
        let below = pieces_of(system, &slave, bad)?;
        if !below.is_empty() {
            bad.unfollowed.push(format!(
                "{} {why}, and {} below it has bad sectors: which of its sectors those are is not known here",
                device.name(),
                slave.name()
            ));
        }
    }
    Ok(())
}

/// The pieces of a line that are on leg `number` of `legs`, of the bad ones of that leg's device.
pub fn striped(
    line: &Line,
    chunk: u64,
    legs: u64,
    number: u64,
    leg: &Leg,
    below: &[BadPiece],
) -> Vec<BadPiece> {
    let mut pieces = Vec::new();
    for piece in below {
        // As far as the leg belongs to the line at all: at most that many sectors.
        let Some(piece) = piece.cut(&(leg.start..leg.start.saturating_add(line.length))) else {
            continue;
        };
        let mut at = piece.start;
        while at < piece.range().end {
            let inside = at - leg.start;
            let (nth, offset) = (inside / chunk, inside % chunk);
            let chunk_end = at + (chunk - offset);
            let upper = (nth * legs + number) * chunk + offset;
            let part = piece.cut(&(at..chunk_end));
            let part = part
                .map(|part| part.at(upper))
                .and_then(|part| part.cut(&(0..line.length)));
            pieces.extend(part.map(|part| part.clone().at(line.start + part.start)));
            at = chunk_end;
        }
    }
    pieces
}
