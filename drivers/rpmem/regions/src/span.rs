// SPDX-License-Identifier: GPL-2.0

//! From sectors and pages to bytes of a region, and back.

/// Bytes of a sector.
pub const SECTOR_SIZE: u64 = 512;

/// A sector of a region, of [`SECTOR_SIZE`] bytes, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sector(pub u64);

/// A page of a region, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pgoff(pub u64);

/// One or more consecutive bytes of a region.
///
/// # Invariants
///
/// `len` is not 0, and `offset + len` does not pass the size of the region that the span was made
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    offset: u64,
    len: u64,
}

impl Span {
    /// `len` bytes from byte `offset` on, of a region of `region_size` bytes.
    ///
    /// `None` if that is not a byte, or not all of them are in the region.
    #[inline]
    pub const fn new(offset: u64, len: u64, region_size: u64) -> Option<Self> {
        // Not `offset + len`, which may wrap.
        if len == 0 || len > region_size || offset > region_size - len {
            return None;
        }
        Some(Self { offset, len })
    }

    /// `len` bytes from the start of sector `first` on, of a region of `region_size` bytes.
    ///
    /// `None` if that is not a byte, or not all of them are in the region.
    #[inline]
    pub const fn from_sector(first: Sector, len: u64, region_size: u64) -> Option<Self> {
        match first.0.checked_mul(SECTOR_SIZE) {
            Some(offset) => Self::new(offset, len, region_size),
            None => None,
        }
    }

    /// `pages` pages of `page_size` bytes from page `first` on, of a region of `region_size` bytes.
    ///
    /// `None` if that is not a byte, or not all of them are in the region.
    #[inline]
    pub const fn from_pages(
        first: Pgoff,
        pages: u64,
        page_size: u64,
        region_size: u64,
    ) -> Option<Self> {
        match (first.0.checked_mul(page_size), pages.checked_mul(page_size)) {
            (Some(offset), Some(len)) => Self::new(offset, len, region_size),
            _ => None,
        }
    }

    /// What an error at physical address `addr` spoils of a region of `region_size` bytes from
    /// `region_start` on: the block of `1 << granule` bytes that the address is in, as far as it is in
    /// the region.
    ///
    /// `None` if the address is not in the region.
    pub const fn of_error(
        addr: u64,
        granule: u32,
        region_start: u64,
        region_size: u64,
    ) -> Option<Self> {
        let Some(at) = addr.checked_sub(region_start) else {
            return None;
        };
        if at >= region_size {
            return None;
        }
        // All ones from the last byte of a block down; the block may be all of the address space.
        let mask = match u64::MAX.checked_shl(granule) {
            Some(above) => !above,
            None => u64::MAX,
        };
        let first = (addr & !mask).saturating_sub(region_start);
        let last = (addr | mask).wrapping_sub(region_start);
        let last = if last < region_size {
            last
        } else {
            region_size - 1
        };
        Self::new(first, last - first + 1, region_size)
    }

    /// The first byte.
    #[inline]
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// How many bytes, at least 1.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "it never is")]
    pub const fn len(self) -> u64 {
        self.len
    }

    /// The byte after the last one.
    #[inline]
    pub const fn end(self) -> u64 {
        self.offset.wrapping_add(self.len)
    }

    /// The sectors that have at least a byte of the span, and how many: what an error in it spoils.
    #[inline]
    pub const fn sectors_touched(self) -> (Sector, u64) {
        let first = self.offset / SECTOR_SIZE;
        let end = self.end().div_ceil(SECTOR_SIZE);
        (Sector(first), end.wrapping_sub(first))
    }
}

/// How many of `wanted` pages from page `first` on a region of `region_pages` pages has.
///
/// `None` if it has none of them, or none is wanted.
#[inline]
pub const fn pages_from(first: Pgoff, region_pages: u64, wanted: u64) -> Option<u64> {
    if wanted == 0 || first.0 >= region_pages {
        return None;
    }
    let left = region_pages - first.0;
    Some(if wanted < left { wanted } else { left })
}
