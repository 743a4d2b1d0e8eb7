// SPDX-License-Identifier: GPL-2.0

//! A run of a file's pages on adjacent blocks of one group.

use zerocopy::little_endian::{U32, U64};
use zerocopy_derive::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::INLINE_BYTES;

/// The extents that fit into an inode.
pub const INLINE_EXTENTS: usize = INLINE_BYTES / size_of::<ExtentRecord>();

/// An extent as it is stored: two words, each of which changes in transactions only.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExtentRecord {
    /// The first page of the file.
    pub page: U32,
    /// The number of pages, at least 1.
    pub count: U32,
    /// The first block in the lower 48 bits, and [`UNWRITTEN`].
    pub block: U64,
}

/// [`ExtentRecord::block`]: the pages read as zeros.
pub const UNWRITTEN: u64 = 1 << 48;

const _: () = assert!(size_of::<ExtentRecord>() == 16);

/// An extent.
#[derive(Clone, Copy, Debug, FromZeros, PartialEq, Eq)]
pub struct Extent {
    /// The first page (pgoff) of the file, below 2³².
    pub page: u64,
    /// The number of pages, at least 1.
    pub count: u64,
    /// The first block.
    pub block: u64,
    /// Whether the pages read as zeros, whatever the blocks hold.
    pub unwritten: bool,
}

impl Extent {
    /// The page behind the last.
    #[must_use]
    #[inline]
    pub const fn end(&self) -> u64 {
        self.page.saturating_add(self.count)
    }

    /// The first word of the record.
    #[must_use]
    #[inline]
    pub const fn pages_word(&self) -> u64 {
        self.page & 0xffff_ffff | self.count << 32
    }

    /// The second word of the record.
    #[must_use]
    #[inline]
    pub const fn block_word(&self) -> u64 {
        self.block & (UNWRITTEN - 1) | if self.unwritten { UNWRITTEN } else { 0 }
    }

    /// The extent of two words; not judged.
    #[must_use]
    #[inline]
    pub const fn from_words(pages: u64, block: u64) -> Self {
        Self {
            page: pages & 0xffff_ffff,
            count: pages >> 32,
            block: block & (UNWRITTEN - 1),
            unwritten: block & UNWRITTEN != 0,
        }
    }
}
