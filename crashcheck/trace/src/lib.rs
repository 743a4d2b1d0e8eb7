// SPDX-License-Identifier: GPL-2.0

//! What a machine did to a range of its memory, in the order in which it did it.
//!
//! A trace is a file: [`MAGIC`], the [`Range`], then chunks. A chunk is its length (`u32`), and that many
//! bytes of LZ4 with the length of what they hold before them. A chunk holds whole records, and is
//! written when it is full and behind each marker: a machine that is switched off loses no more than what it
//! did since the last marker.
//!
//! All numbers are little-endian; those of records are LEB128.

#![forbid(unsafe_code)]

mod number;
mod reader;
mod record;
mod writer;

pub use reader::{Error, Reader};
pub use record::{FenceKind, FlushKind, Record, Site};
pub use writer::Writer;

/// How a trace begins; its last byte is the format's version.
pub const MAGIC: [u8; 8] = *b"rpmtrac\x01";

/// What of the machine's physical memory was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
}

impl Range {
    /// Where in the range an access of `len` bytes to `address` begins, if all of it is inside.
    #[must_use]
    pub fn offset(&self, address: u64, len: u64) -> Option<u64> {
        let offset = address.checked_sub(self.start)?;
        let end = offset.checked_add(len)?;
        (end <= self.len).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_that_is_partly_outside_has_no_offset() {
        let range = Range {
            start: 4096,
            len: 64,
        };
        assert_eq!(range.offset(4096, 64), Some(0));
        assert_eq!(range.offset(4152, 8), Some(56));
        assert_eq!(range.offset(4153, 8), None);
        assert_eq!(range.offset(4095, 8), None);
        assert_eq!(range.offset(u64::MAX, 8), None);
    }
}
