// SPDX-License-Identifier: GPL-2.0

//! Reading the text form.

use core::ops::{Deref, DerefMut};

use crate::cursors::Place;
use crate::extent::Extent;
use crate::index::{Index, BLOCK};
use crate::line::{line_len, Line};
use crate::map::Badblocks;
use crate::sync::AtomicU64;

impl<S: Deref<Target = [AtomicU64]>> Badblocks<S> {
    /// Writes the text from byte `offset` on into `buf`, and says how many bytes that was; 0 at the
    /// end.
    ///
    /// `cookie` names the reader, such as the address of its open file. Whoever goes on where its
    /// last read ended is a *sequential* reader, and goes on from the sector after the last one
    /// shown, not from a byte of a text that may have changed since. So it sees each range that is
    /// bad during the whole of its reading exactly once, and no line that was never whole, whatever
    /// others record and clear meanwhile. (Of a range that grows while the reader is inside of it or
    /// just behind it, it sees the sectors that it has not seen yet as a range.) A read at 0 begins
    /// anew.
    ///
    /// Any other read, and that of a reader which eight others have overtaken since its last one,
    /// is answered from the text as it is now, to the byte.
    ///
    /// As many whole lines as fit are written. A line is cut only if `buf` cannot hold what is left
    /// of it alone; [`MAX_LINE`](crate::MAX_LINE) bytes hold every line.
    ///
    /// With the index of another map the answer is 0.
    pub fn read_text<T>(
        &self,
        index: &mut Index<T>,
        cookie: u64,
        offset: u64,
        buf: &mut [u8],
    ) -> usize
    where
        T: DerefMut<Target = [u64]>,
    {
        if index.map != self.id || buf.is_empty() {
            return 0;
        }
        let place = if offset == 0 {
            Some(Place {
                line: Line::EMPTY,
                sector: 0,
            })
        } else {
            index
                .cursors
                .at(cookie, offset)
                .or_else(|| self.seek(index, offset))
        };
        let Some(place) = place else { return 0 };
        let (filled, place) = self.show(place, buf);
        if let Some(next) = offset.checked_add(filled as u64) {
            index.cursors.keep(cookie, next, place, filled == 0);
        }
        filled
    }

    /// Fills `buf` from `place` on; how many bytes that took, and the place after them.
    fn show(&self, mut place: Place, buf: &mut [u8]) -> (usize, Place) {
        let mut filled = 0usize;
        loop {
            // Only once the line is shown does the place move past its range.
            let mut next = place;
            if next.line.rest().is_empty() {
                let Some(range) = self.next_range(place.sector) else {
                    return (filled, place);
                };
                next = Place {
                    line: Line::new(range),
                    sector: range.end(),
                };
            }
            let room = buf.get_mut(filled..).unwrap_or(&mut []);
            let rest = next.line.rest();
            let fits = rest.len() <= room.len();
            if !fits && (filled > 0 || room.is_empty()) {
                return (filled, place);
            }
            let mut shown = 0usize;
            for (to, from) in room.iter_mut().zip(rest) {
                *to = *from;
                shown = shown.wrapping_add(1);
            }
            // At most `buf.len()`.
            filled = filled.wrapping_add(shown);
            next.line.advance(shown);
            place = next;
            if !fits {
                return (filled, place);
            }
        }
    }

    /// The place of byte `offset` in the text as it is now; `None` at or past its end.
    fn seek<T>(&self, index: &Index<T>, offset: u64) -> Option<Place>
    where
        T: DerefMut<Target = [u64]>,
    {
        let (block, mut before) = index.find(offset)?;
        let words = self.words();
        let mut sector = block.checked_mul(BLOCK)?;
        if sector > 0 && words.is_bad(sector.wrapping_sub(1)) {
            // A range that starts in an earlier block is that block's.
            sector = words.end_of_bad(sector, self.sectors);
        }
        loop {
            let range: Extent = self.next_range(sector)?;
            let after = before.checked_add(line_len(range))?;
            if offset < after {
                let mut line = Line::new(range);
                line.advance(usize::try_from(offset.checked_sub(before)?).ok()?);
                return Some(Place {
                    line,
                    sector: range.end(),
                });
            }
            before = after;
            sector = range.end();
        }
    }
}
