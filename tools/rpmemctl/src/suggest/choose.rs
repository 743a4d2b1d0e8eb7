// SPDX-License-Identifier: GPL-2.0

//! Which addresses to take.

use rangemap::RangeSet;
use std::ops::Range;

/// What every region is aligned to: the kernel's struct pages come in sub-sections of 2 MiB.
pub const LEAST_ALIGNMENT: u64 = 2 << 20;

/// What is better: the kernel's direct map keeps its pages of 1 GiB, or at least no memory section is
/// shared with RAM.
const BETTER: [u64; 2] = [1 << 30, 128 << 20];

/// Below this the hole for devices begins somewhere, and firmware has its tables.
const HIGH: u64 = 4 << 30;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// How many bytes; a multiple of [`LEAST_ALIGNMENT`].
    pub size: u64,
    /// What the start must be a multiple of; the best that fits for `None`.
    pub align: Option<u64>,
    /// The NUMA node.
    pub node: Option<u32>,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The first byte.
    pub start: u64,
    /// What it was aligned to.
    pub alignment: u64,
}

/// Picks the place in one of the ranges of `free`, none of which may be passed.
///
/// From 4 GiB on, the lowest one with the best alignment; if there is none, the highest one below.
pub fn choose(free: &[RangeSet<u64>], want: &Want) -> Option<Choice> {
    let alignments: Vec<u64> = match want.align {
        Some(align) => vec![align],
        None => BETTER
            .into_iter()
            .filter(|align| *align <= want.size)
            .chain([LEAST_ALIGNMENT])
            .collect(),
    };
    let ranges = || free.iter().flat_map(RangeSet::iter);
    let high = |alignment: &u64| {
        let starts = ranges()
            .filter_map(|range| lowest(&(range.start.max(HIGH)..range.end), want.size, *alignment));
        starts.min().map(|start| Choice {
            start,
            alignment: *alignment,
        })
    };
    let low = |alignment: &u64| {
        let starts = ranges().filter_map(|range| {
            highest(&(range.start..range.end.min(HIGH)), want.size, *alignment)
        });
        starts.max().map(|start| Choice {
            start,
            alignment: *alignment,
        })
    };
    alignments
        .iter()
        .find_map(high)
        .or_else(|| alignments.iter().find_map(low))
}

/// The most bytes that a region can have, in these ranges.
pub fn largest(free: &[RangeSet<u64>]) -> u64 {
    let ranges = free.iter().flat_map(RangeSet::iter);
    let parts = ranges.flat_map(|range| {
        [
            range.start..range.end.min(HIGH),
            range.start.max(HIGH)..range.end,
        ]
    });
    let sizes = parts.map(|part| {
        let start = part
            .start
            .checked_next_multiple_of(LEAST_ALIGNMENT)
            .unwrap_or(u64::MAX);
        part.end.saturating_sub(start) / LEAST_ALIGNMENT * LEAST_ALIGNMENT
    });
    sizes.max().unwrap_or(0)
}

/// The lowest start of `size` bytes in `range`.
fn lowest(range: &Range<u64>, size: u64, alignment: u64) -> Option<u64> {
    let start = range.start.checked_next_multiple_of(alignment)?;
    (start.checked_add(size)? <= range.end).then_some(start)
}

/// The highest start of `size` bytes in `range`.
fn highest(range: &Range<u64>, size: u64, alignment: u64) -> Option<u64> {
    let start = range.end.checked_sub(size)? / alignment * alignment;
    (start >= range.start).then_some(start)
}
