// SPDX-License-Identifier: GPL-2.0

//! Bytes of files, in place. Whoever changes them here waits for a fence before anything says that
//! they are there.
//!
//! Poison in a page that changes in part is an error, since what stays of it is lost; a page that
//! changes as a whole is repaired.

use core::ops::Range;

use super::{page_of, Files, State};
use crate::format::{block_offset, BLOCK_SIZE, MAX_PAGES};
use crate::inode::MapState;
use crate::journal::Data;
use crate::platform::{Platform, CACHE_LINE};
use crate::Result;

/// What to put somewhere.
#[derive(Clone, Copy)]
enum Fill<'b> {
    Zeros,
    Bytes(&'b [u8]),
}

impl<'b> Fill<'b> {
    /// The part of it from `from` to before `to`.
    fn part(self, from: u64, to: u64) -> Self {
        match self {
            Self::Zeros => Self::Zeros,
            Self::Bytes(bytes) => Self::Bytes(bytes.get(from as usize..to as usize).unwrap_or(&[])),
        }
    }

    fn byte(self, at: u64) -> u8 {
        match self {
            Self::Zeros => 0,
            Self::Bytes(bytes) => bytes.get(at as usize).copied().unwrap_or(0),
        }
    }
}

impl<P: Platform> Files<'_, P> {
    /// Zeroes those of a file's bytes that do not read as zeros anyway.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where part of a page changes that is poisoned.
    pub(super) fn zero_bytes(self, map: &MapState, bytes: Range<u64>) -> Result {
        self.each_written(map, bytes, |offset, len| {
            self.put(map, offset, len, Fill::Zeros)
        })
    }

    /// Fails where [`zero_bytes`](Self::zero_bytes) would, and changes nothing.
    pub(super) fn check_zeroable(self, map: &MapState, bytes: Range<u64>) -> Result {
        self.each_written(map, bytes, |offset, len| {
            each_piece(offset, len, |offset, len| self.check_piece(offset, len))
        })
    }

    /// Zeroes a place of the medium that belongs to the file, or is set aside for it.
    pub(super) fn zero_at(self, map: &MapState, offset: u64, len: u64) -> Result {
        if offset % BLOCK_SIZE == 0 && len % BLOCK_SIZE == 0 {
            self.volume.check_range(offset, len)?;
            return if len == 0 {
                Ok(())
            } else {
                self.volume.data(map).zero_nt(offset, len)
            };
        }
        self.put(map, offset, len, Fill::Zeros)
    }

    /// Copies bytes to a place of the medium that belongs to the file.
    pub(super) fn put_bytes(self, map: &MapState, offset: u64, bytes: &[u8]) -> Result {
        self.put(map, offset, bytes.len() as u64, Fill::Bytes(bytes))
    }

    /// Calls `then` with the offset on the medium and the length of each part of the range that has
    /// blocks which are not unwritten.
    fn each_written(
        self,
        map: &MapState,
        bytes: Range<u64>,
        mut then: impl FnMut(u64, u64) -> Result,
    ) -> Result {
        let mut at = bytes.start;
        while at < bytes.end {
            let mapping = self.map(map, page_of(at), MAX_PAGES - page_of(at))?;
            let end = block_offset(mapping.page + mapping.count).min(bytes.end);
            if let State::Mapped(block) = mapping.state {
                then(block_offset(block) + at % BLOCK_SIZE, end - at)?;
            }
            at = end;
        }
        Ok(())
    }

    fn put(self, map: &MapState, offset: u64, len: u64, fill: Fill<'_>) -> Result {
        self.volume.check_range(offset, len)?;
        let data = self.volume.data(map);
        each_piece(offset, len, |at, len| {
            let fill = fill.part(at - offset, at - offset + len);
            if len == BLOCK_SIZE {
                put_page(&data, at, fill)
            } else {
                self.check_piece(at, len)?;
                put_part(&data, at, len, fill)
            }
        })
    }

    /// Reads what is in part of a page.
    fn check_piece(self, offset: u64, len: u64) -> Result {
        if len == BLOCK_SIZE {
            return Ok(());
        }
        let first = offset & !(CACHE_LINE as u64 - 1);
        let end = (offset + len).next_multiple_of(CACHE_LINE as u64);
        self.volume.check_poison(first, end - first)
    }
}

fn put_page<P: Platform>(data: &Data<'_, P>, offset: u64, fill: Fill<'_>) -> Result {
    match fill {
        Fill::Zeros => data.zero_nt(offset, BLOCK_SIZE),
        Fill::Bytes(bytes) => data.copy_nt(offset, bytes).or_else(|_| {
            data.zero_nt(offset, BLOCK_SIZE)?;
            data.copy_nt(offset, bytes)
        }),
    }
}

/// Part of a page, of which words at both ends may keep some of their bytes.
fn put_part<P: Platform>(data: &Data<'_, P>, offset: u64, len: u64, fill: Fill<'_>) -> Result {
    let end = offset + len;
    let from = offset.next_multiple_of(8).min(end);
    let to = (end & !7).max(from);
    for range in [offset..from, to..end] {
        let bytes = 0..(range.end - range.start) as usize;
        data.store(
            range.start,
            bytes.map(|at| fill.byte(range.start - offset + at as u64)),
        );
    }
    match fill.part(from - offset, to - offset) {
        _ if from == to => Ok(()),
        Fill::Zeros => data.zero_nt(from, to - from),
        Fill::Bytes(bytes) => data.copy_nt(from, bytes),
    }
}

/// Calls `then` with the offset and the length of the part of each page.
fn each_piece(offset: u64, len: u64, mut then: impl FnMut(u64, u64) -> Result) -> Result {
    let end = offset.saturating_add(len);
    let mut at = offset;
    while at < end {
        let piece_end = (at - at % BLOCK_SIZE).saturating_add(BLOCK_SIZE).min(end);
        then(at, piece_end - at)?;
        at = piece_end;
    }
    Ok(())
}
