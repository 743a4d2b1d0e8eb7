// SPDX-License-Identifier: GPL-2.0

//! The list of regions to drive.

use core::ops::Deref;

use crate::error::{ParseError, Rule};
use crate::number::{self, NumberError};
use crate::region::{PhysAddr, Region, RegionError};

/// The most regions of one list.
pub const MAX_REGIONS: usize = 64;

/// Why a region does not go into a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// The list has [`MAX_REGIONS`] regions.
    Full,
    /// It overlaps this one of the list.
    Overlaps(Region),
}

/// Up to [`MAX_REGIONS`] regions, in the order in which they were named.
///
/// 1 KiB; derefs to a slice.
///
/// # Invariants
///
/// No two of the regions overlap.
#[derive(Clone, Debug)]
pub struct Regions {
    regions: [Region; MAX_REGIONS],
    len: usize,
}

impl Regions {
    /// No regions.
    pub const fn new() -> Self {
        Self {
            regions: [Region::UNUSED; MAX_REGIONS],
            len: 0,
        }
    }

    /// The regions that `SIZE@ADDR[:ro][,SIZE@ADDR[:ro]...]` names; those with `:ro` are read-only.
    ///
    /// Numbers are as in the kernel's `memmap=`: decimal, 0x hex or 0 octal, with `K`, `M`, `G`,
    /// `T`, `P` or `E` in either case behind them. White space at the end is skipped.
    ///
    /// # Errors
    ///
    /// If the text is nothing of the kind, a region is empty, ends beyond
    /// [`END_OF_MEMORY`](crate::END_OF_MEMORY) or overlaps another, or there are too many.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError<'_>> {
        let text = text.trim_ascii_end();
        if text.is_empty() {
            return Err(ParseError {
                text,
                rule: Rule::Empty,
            });
        }
        let mut regions = Self::new();
        let mut nth = 0usize;
        for element in text.split(|&byte| byte == b',') {
            nth = nth.saturating_add(1);
            if element.is_empty() {
                return Err(ParseError {
                    text,
                    rule: Rule::EmptyElement(nth),
                });
            }
            let pushed = parse_region(element).and_then(|region| {
                regions.push(region).map_err(|error| match error {
                    PushError::Full => Rule::TooMany,
                    PushError::Overlaps(other) => Rule::Overlaps(other),
                })
            });
            pushed.map_err(|rule| ParseError {
                text: element,
                rule,
            })?;
        }
        Ok(regions)
    }

    /// Appends `region`.
    ///
    /// # Errors
    ///
    /// If the list is full or the region overlaps one of it.
    pub fn push(&mut self, region: Region) -> Result<(), PushError> {
        if let Some(other) = self.iter().find(|other| other.overlaps(region)) {
            return Err(PushError::Overlaps(*other));
        }
        let place = self.regions.get_mut(self.len).ok_or(PushError::Full)?;
        *place = region;
        self.len = self.len.wrapping_add(1);
        Ok(())
    }
}

impl Default for Regions {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Regions {
    type Target = [Region];

    fn deref(&self) -> &[Region] {
        self.regions.get(..self.len).unwrap_or(&[])
    }
}

/// The region that one element names.
fn parse_region(element: &[u8]) -> Result<Region, Rule> {
    let mut parts = element.splitn(2, |&byte| byte == b'@');
    let size = parts.next().unwrap_or(&[]);
    let addr = parts.next().ok_or(Rule::NoAt)?;
    let mut parts = addr.splitn(2, |&byte| byte == b':');
    let addr = parts.next().unwrap_or(&[]);
    let read_only = match parts.next() {
        None => false,
        Some(b"ro") => true,
        Some(_) => return Err(Rule::Word),
    };
    let number = |text, syntax| {
        number::parse(text).map_err(|error| match error {
            NumberError::Syntax => syntax,
            NumberError::TooLarge => Rule::TooLarge,
        })
    };
    let size = number(size, Rule::Size)?;
    let addr = number(addr, Rule::Addr)?;
    Region::new(PhysAddr::new(addr), size)
        .map(|region| region.with_read_only(read_only))
        .map_err(|error| match error {
            RegionError::Empty => Rule::ZeroSize,
            RegionError::BeyondMemory => Rule::BeyondMemory,
        })
}
