// SPDX-License-Identifier: GPL-2.0

//! Where a region may start and end.

use core::fmt;

use crate::number::Notation;
use crate::region::{PhysAddr, Region};

/// A region that does not start or end at a multiple of the alignment.
///
/// Displays as the region, the rule and the exact text to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misaligned {
    /// The region.
    pub region: Region,
    /// The alignment, in bytes.
    pub align: u64,
    /// The largest aligned region inside it, if there is one.
    pub instead: Option<Region>,
}

impl fmt::Display for Misaligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            region,
            align,
            instead,
        } = self;
        let align = Notation(*align);
        write!(
            f,
            "\"{region}\": start and size must be multiples of {align}; "
        )?;
        match instead {
            Some(instead) => write!(f, "write regions={instead}"),
            None => write!(
                f,
                "there is no aligned {align} inside it, name a larger region"
            ),
        }
    }
}

impl Region {
    /// Whether start and end are multiples of `align` bytes; 0 asks for nothing.
    ///
    /// # Errors
    ///
    /// If they are not; the error has the largest region inside that would do.
    pub fn check_alignment(self, align: u64) -> Result<(), Misaligned> {
        if is_aligned(self.start().get(), align) && is_aligned(self.size(), align) {
            return Ok(());
        }
        Err(self.misaligned(align))
    }

    /// The region without what follows the last multiple of `align` bytes in it.
    ///
    /// For regions that the firmware names and nobody can rewrite. Only the end gives way: a later
    /// start would move sector 0, and with it all that the region holds.
    ///
    /// # Errors
    ///
    /// If the start is not a multiple of `align`, or nothing would be left.
    pub fn trim_end(self, align: u64) -> Result<Self, Misaligned> {
        if !is_aligned(self.start().get(), align) {
            return Err(self.misaligned(align));
        }
        let excess = self.size().checked_rem(align).unwrap_or(0);
        Self::new(self.start(), self.size().saturating_sub(excess))
            .map(|trimmed| trimmed.with_read_only(self.is_read_only()))
            .map_err(|_| self.misaligned(align))
    }

    fn misaligned(self, align: u64) -> Misaligned {
        Misaligned {
            region: self,
            align,
            instead: self.aligned_inside(align),
        }
    }

    /// The largest aligned region inside this one.
    fn aligned_inside(self, align: u64) -> Option<Self> {
        let start = self.start().get().checked_next_multiple_of(align)?;
        let end = self.end().get();
        let end = end.checked_sub(end.checked_rem(align)?)?;
        let inside = Self::new(PhysAddr::new(start), end.checked_sub(start)?).ok()?;
        Some(inside.with_read_only(self.is_read_only()))
    }
}

fn is_aligned(n: u64, align: u64) -> bool {
    n.checked_rem(align).unwrap_or(0) == 0
}
