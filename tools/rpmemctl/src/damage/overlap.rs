// SPDX-License-Identifier: GPL-2.0

//! Which bytes of a file are bad, from where it is and what is bad.

use crate::quantity::SECTOR;
use crate::stack::BadPiece;
use fs_extents::fiemap::Extent;
use rangemap::RangeSet;
use serde::Serialize;
use std::ops::Range;

/// What a bad piece of a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Data, or the entries of a directory: lost.
    Data,
    /// Blocks that are allocated but not written: they read as zeroes, nothing is lost.
    Unwritten,
    /// Behind the end of the file: nothing is lost.
    BeyondEnd,
    /// Extended attributes.
    Attributes,
    /// The list of where the data is.
    ExtentMap,
}

impl What {
    /// Whether something is lost.
    pub fn is_loss(self) -> bool {
        !matches!(self, Self::Unwritten | Self::BeyondEnd)
    }
}

/// Bad bytes of a file that are consecutive on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// What they are.
    pub what: What,
    /// The first byte, in the file; 0 where the file system does not tell.
    #[serde(serialize_with = "terminal::number")]
    pub offset: u64,
    /// How many bytes.
    #[serde(serialize_with = "terminal::number")]
    pub length: u64,
    /// The first byte, on the file system's device.
    #[serde(serialize_with = "terminal::number")]
    pub device_offset: u64,
    /// The disk of rpmem that they are on.
    pub disk: String,
    /// The sector of that disk that they begin in.
    #[serde(serialize_with = "terminal::number")]
    pub sector: u64,
    /// How many sectors.
    #[serde(serialize_with = "terminal::number")]
    pub sectors: u64,
}

impl Piece {
    /// Where it is on the file system's device: whole sectors.
    pub fn device_bytes(&self) -> Range<u64> {
        let first = self.device_offset / SECTOR * SECTOR;
        first..first + self.sectors * SECTOR
    }
}

/// All bad bytes of a device.
///
/// # Invariants
///
/// The pieces are sorted and do not overlap.
#[derive(Debug)]
pub struct BadBytes<'a> {
    pieces: &'a [BadPiece],
}

impl<'a> BadBytes<'a> {
    /// Of pieces that are sorted and do not overlap.
    pub fn new(pieces: &'a [BadPiece]) -> Self {
        debug_assert!(pieces
            .windows(2)
            .all(|two| two[0].range().end <= two[1].start));
        Self { pieces }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// As ranges.
    pub fn ranges(&self) -> RangeSet<u64> {
        self.pieces.iter().map(BadPiece::bytes).collect()
    }

    /// What of `range` is bad, each with the piece that it is of.
    fn within(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, &'a BadPiece)> {
        let first = self
            .pieces
            .partition_point(|piece| piece.bytes().end <= range.start);
        let pieces = self.pieces[first..].iter();
        let until = range.end;
        pieces
            .take_while(move |piece| piece.bytes().start < until)
            .map(move |piece| {
                let bytes = piece.bytes();
                (
                    bytes.start.max(range.start)..bytes.end.min(range.end),
                    piece,
                )
            })
            .filter(|(bytes, _)| !bytes.is_empty())
    }

    /// The bad bytes of `range` of the device.
    pub fn pieces_of_range(&self, range: Range<u64>, what: What) -> Vec<Piece> {
        let found = self.within(range);
        found
            .map(|(bytes, bad)| piece(what, 0, bytes, bad))
            .collect()
    }

    /// The bad bytes of an extent of a file of `size` bytes.
    pub fn pieces_of_extent(&self, extent: &Extent, size: u64, what: What) -> Vec<Piece> {
        if !extent.is_placed() {
            return Vec::new();
        }
        let end = extent.physical.saturating_add(extent.length);
        let mut pieces = Vec::new();
        for (bytes, bad) in self.within(extent.physical..end) {
            let offset = extent.logical + (bytes.start - extent.physical);
            if what != What::Data {
                pieces.push(piece(what, offset, bytes, bad));
                continue;
            }
            let data = if extent.is_unwritten() {
                What::Unwritten
            } else {
                What::Data
            };
            // The last block reaches beyond the end, and whole blocks may lie there.
            let inside = size.saturating_sub(offset).min(bytes.end - bytes.start);
            let end_of_file = bytes.start + inside;
            if inside > 0 {
                pieces.push(piece(data, offset, bytes.start..end_of_file, bad));
            }
            // The sector that the end is in counts with what is before the end.
            let rest = end_of_file.next_multiple_of(SECTOR).max(bytes.start);
            if rest < bytes.end {
                pieces.push(piece(
                    What::BeyondEnd,
                    offset + (rest - bytes.start),
                    rest..bytes.end,
                    bad,
                ));
            }
        }
        pieces
    }
}

fn piece(what: What, offset: u64, bytes: Range<u64>, bad: &BadPiece) -> Piece {
    let first = bytes.start / SECTOR;
    Piece {
        what,
        offset,
        length: bytes.end - bytes.start,
        device_offset: bytes.start,
        disk: bad.disk.clone(),
        sector: bad.disk_start + (first - bad.start),
        sectors: bytes.end.div_ceil(SECTOR) - first,
    }
}
