// SPDX-License-Identifier: GPL-2.0

//! A run of sectors.

use core::fmt;

/// One or more consecutive sectors of 512 bytes.
///
/// # Invariants
///
/// `sectors` is not 0, and `start + sectors` does not pass `u64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    start: u64,
    sectors: u64,
}

impl Extent {
    /// `sectors` sectors from `start`, or `None` if that is no sector or wraps around.
    pub const fn new(start: u64, sectors: u64) -> Option<Self> {
        if sectors == 0 || start.checked_add(sectors).is_none() {
            return None;
        }
        Some(Self { start, sectors })
    }

    /// From `start` up to, not including, `end`.
    pub(crate) const fn between(start: u64, end: u64) -> Option<Self> {
        match end.checked_sub(start) {
            Some(sectors) => Self::new(start, sectors),
            None => None,
        }
    }

    /// The first sector.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// How many sectors, at least 1.
    pub const fn sectors(self) -> u64 {
        self.sectors
    }

    /// The sector after the last one.
    pub const fn end(self) -> u64 {
        self.start.wrapping_add(self.sectors)
    }
}

impl fmt::Display for Extent {
    /// `START LEN`, as in the kernel's badblocks attribute.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.start, self.sectors)
    }
}
