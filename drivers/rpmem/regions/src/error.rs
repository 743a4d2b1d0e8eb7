// SPDX-License-Identifier: GPL-2.0

//! Why a text names no list of regions.

use core::fmt;

use crate::list::MAX_REGIONS;
use crate::region::{Region, END_OF_MEMORY};

/// The most bytes of a refused text that a message repeats.
const SHOWN: usize = 64;

/// The rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It names no region at all.
    Empty,
    /// An element of the list is empty; from 1.
    EmptyElement(usize),
    /// An element has no `@`.
    NoAt,
    /// SIZE is not a number.
    Size,
    /// ADDR is not a number.
    Addr,
    /// The word behind the address is none that is known.
    Word,
    /// SIZE or ADDR is 2^64 or more.
    TooLarge,
    /// SIZE is 0.
    ZeroSize,
    /// The end is beyond [`END_OF_MEMORY`].
    BeyondMemory,
    /// There are more than [`MAX_REGIONS`] regions.
    TooMany,
    /// The region overlaps one that stands before it.
    Overlaps(Region),
}

/// What [`Regions::parse`](crate::Regions::parse) refuses.
///
/// Displays as the offending text, the rule and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError<'a> {
    /// The element that breaks the rule, or the whole list if no single one does.
    pub text: &'a [u8],
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, cut) = match self.text.get(..SHOWN) {
            Some(shown) if self.text.len() > SHOWN => (shown, "..."),
            _ => (self.text, ""),
        };
        write!(f, "\"{}{cut}\": ", shown.escape_ascii())?;
        match self.rule {
            Rule::Empty => {
                f.write_str("no region is named; write SIZE@ADDR[,SIZE@ADDR...], such as 1G@4G")
            }
            Rule::EmptyElement(nth) => write!(
                f,
                "region {nth} is empty; put one comma between two regions and none at the end"
            ),
            Rule::NoAt => f.write_str("there is no @; write SIZE@ADDR, such as 1G@4G"),
            Rule::Size => write!(f, "SIZE is not a number; {NUMBER}"),
            Rule::Addr => write!(f, "ADDR is not a number; {NUMBER}"),
            Rule::Word => f.write_str(
                "the word behind the address is not known; write SIZE@ADDR:ro for a read-only region",
            ),
            Rule::TooLarge => f.write_str(
                "SIZE or ADDR is not below 2^64; name memory that the machine has, see /proc/iomem",
            ),
            Rule::ZeroSize => f.write_str("SIZE is 0; name at least one page"),
            Rule::BeyondMemory => write!(
                f,
                "it ends beyond {END_OF_MEMORY}, where physical addresses end; \
                 name memory that the machine has, see /proc/iomem"
            ),
            Rule::TooMany => write!(
                f,
                "more than {MAX_REGIONS} regions; join those that touch, or leave some out from here on"
            ),
            Rule::Overlaps(other) => write!(
                f,
                "it overlaps {other}, which stands before it; leave one out or make one smaller"
            ),
        }
    }
}

const NUMBER: &str =
    "write it in decimal, 0x hex or 0 octal, with K, M, G, T, P or E behind it if need be";
