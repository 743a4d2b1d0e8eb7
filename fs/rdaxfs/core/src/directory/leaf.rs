// SPDX-License-Identifier: GPL-2.0

//! A leaf where it is: what is in which line.

use core::mem::offset_of;

use zerocopy::little_endian::U64;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::entry::{Found, Name, Place};
use super::lookup::Search;
use crate::format::{
    block_offset, entry_lines, fingerprint, target_len, EntryHead, NodeHeader, FINGERPRINTS,
    FIRST_LINE, LINE, LINES, MAX_KEY, MAX_NAME, MIN_KEY,
};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::{read_words, Path, Tree};
use crate::volume::Volume;
use crate::{Error, Result};

/// The bytes of the name in an entry's first line.
const FIRST_BYTES: usize = LINE - size_of::<EntryHead>();
/// The lines that no entry may have.
const HEAD_LINES: u64 = (1 << FIRST_LINE) - 1;

/// The first line of an entry.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FirstLine {
    head: EntryHead,
    name: [u8; FIRST_BYTES],
}

const _: () = assert!(size_of::<FirstLine>() == LINE && LINES == u64::BITS as usize);

/// Which lines of a leaf are in use, and for what: bit `n` for line `n`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    /// An entry starts.
    pub(super) starts: u64,
    /// An entry goes on.
    pub(super) more: u64,
}

impl Lines {
    /// The words of a leaf's header, judged: entries cannot overlap, or be where the head is.
    pub(super) fn new(starts: u64, more: u64) -> Result<Self> {
        let lines = Self { starts, more };
        let used = lines.used();
        if used & HEAD_LINES != 0 || starts & more != 0 || more & !(used << 1) != 0 {
            return Err(Error::Corrupt);
        }
        Ok(lines)
    }

    pub(super) const fn used(&self) -> u64 {
        self.starts | self.more
    }

    /// The first of so many adjacent lines that are not among `taken`.
    pub(super) fn room(taken: u64, count: usize) -> Option<u32> {
        let mut free = !taken & !HEAD_LINES;
        for _ in 1..count {
            free &= free >> 1;
        }
        (free != 0).then_some(free.trailing_zeros())
    }

    /// These with an entry of so many lines, at least 1, from `line` on.
    pub(super) const fn with(self, line: u32, count: usize) -> Self {
        let all = mask(line, count);
        let first = mask(line, 1);
        Self {
            starts: self.starts | first,
            more: self.more | all & !first,
        }
    }

    /// These without the entry that starts at `line`.
    pub(super) const fn without(self, line: u32) -> Self {
        let all = mask(line, self.of_entry(line) as usize);
        Self {
            starts: self.starts & !all,
            more: self.more & !all,
        }
    }

    /// How many lines the entry that starts at `line` has.
    pub(super) const fn of_entry(&self, line: u32) -> u32 {
        1 + (rest(self.more, line) >> 1).trailing_ones()
    }

    /// Whether the entry that starts at a line may be what its head says, with a key in a range.
    pub(super) fn judge(&self, line: u32, head: &EntryHead, (low, end): (u64, u64)) -> Result {
        let key = head.key.get();
        let len = target_len(head.target.get());
        let good = low <= key
            && key < end
            && len <= MAX_NAME
            && entry_lines(len) == self.of_entry(line) as usize;
        if good {
            Ok(())
        } else {
            Err(Error::Corrupt)
        }
    }
}

/// So many lines from `line` on, both of which are below 64.
const fn mask(line: u32, count: usize) -> u64 {
    ((1 << (count as u32 % u64::BITS)) - 1) << (line % u64::BITS)
}

/// The lines of the leaf at a block, which has been judged before, as a transaction has left them.
pub(super) fn lines_of(source: &impl Source, block: u64) -> Result<Lines> {
    let (starts, more) = line_words(block);
    Lines::new(source.word(starts)?, source.word(more)?)
}

/// Sets which lines of a leaf are in use; `old`: those that are, as the transaction has read them.
pub(super) fn set_lines<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    old: Lines,
    lines: Lines,
) -> Result {
    let (starts, more) = line_words(block);
    tx.change(starts, old.starts, lines.starts)?;
    tx.change(more, old.more, lines.more)
}

/// The byte offsets of the words of a leaf's [`Lines`].
const fn line_words(block: u64) -> (u64, u64) {
    let header = block_offset(block);
    (
        header + offset_of!(NodeHeader, word) as u64,
        header + offset_of!(NodeHeader, more) as u64,
    )
}

/// A mask from a line on. `line` is below 64.
const fn rest(mask: u64, line: u32) -> u64 {
    match mask.checked_shr(line) {
        Some(rest) => rest,
        None => 0,
    }
}

/// A leaf whose header has been judged.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    pub(super) block: u64,
    /// The keys that may be here: from the first on, below the second.
    pub(super) keys: (u64, u64),
    pub(super) lines: Lines,
}

impl Leaf {
    /// The leaf that a path leads to.
    pub(super) fn read<P: Platform>(
        source: &impl Source,
        volume: &Volume<P>,
        directory: &Tree,
        path: &Path,
    ) -> Result<Self> {
        let [starts, more] = read_words(source, volume, directory, &path.place())?;
        Ok(Self {
            block: path.leaf,
            keys: (path.low.max(MIN_KEY), path.end.min(MAX_KEY + 1)),
            lines: Lines::new(starts, more)?,
        })
    }

    /// Looks for a name.
    pub(super) fn find(
        &self,
        source: &impl Source,
        name: &Name<'_>,
        search: &mut Search,
    ) -> Result {
        let mut left = self.candidates(source, fingerprint(name.key))?;
        while left != 0 {
            let line = left.trailing_zeros();
            left &= left - 1;
            let first: FirstLine = source.get(line_offset(self.block, line))?;
            self.lines.judge(line, &first.head, self.keys)?;
            let key = first.head.key.get();
            if !name.has(key) {
                continue;
            }
            search.saw(key);
            let target = first.head.target.get();
            if target_len(target) == name.bytes.len() && self.is(source, line, &first, name)? {
                search.found = Some(Found {
                    key,
                    target,
                    place: Place::Leaf(self.block, line),
                });
                return Ok(());
            }
        }
        Ok(())
    }

    /// The lines in which an entry with a fingerprint may start.
    fn candidates(&self, source: &impl Source, print: u8) -> Result<u64> {
        let words: [U64; 8] = source.get(block_offset(self.block) + FINGERPRINTS as u64)?;
        let mut found = 0;
        for word in words.iter().rev() {
            found = found << 8 | equal_bytes(word.get(), print);
        }
        Ok(found & self.lines.starts)
    }

    /// Whether the entry at a line has a name, which is as long as its own.
    fn is(
        &self,
        source: &impl Source,
        line: u32,
        first: &FirstLine,
        name: &Name<'_>,
    ) -> Result<bool> {
        let (start, rest) = name.bytes.split_at(name.bytes.len().min(FIRST_BYTES));
        if first.name.get(..start.len()) != Some(start) {
            return Ok(false);
        }
        for (line, wanted) in (line + 1..).zip(rest.chunks(LINE)) {
            let bytes: [u8; LINE] = source.get(line_offset(self.block, line))?;
            if bytes.get(..wanted.len()) != Some(wanted) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The byte offset of a line of a leaf.
pub(super) const fn line_offset(block: u64, line: u32) -> u64 {
    block_offset(block) + line as u64 * LINE as u64
}

/// Bit `n` is set if byte `n` of the word, counted from the lowest, is `byte`.
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let differing = word ^ u64::from_ne_bytes([byte; 8]);
    // The top bit of each byte is set unless all its bits are clear; no carry leaves a byte.
    let nonzero = ((differing & LOW) + LOW) | differing;
    // The products that reach the top byte are of one bit each, in the bytes' order.
    ((!nonzero & !LOW) >> 7).wrapping_mul(GATHER) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_those_that_are() {
        for byte in [0_u8, 1, 0x7f, 0x80, 0xff] {
            for mask in 0..=255_u64 {
                let mut word = [0; 8];
                for (at, place) in word.iter_mut().enumerate() {
                    let other = [byte ^ 1, byte ^ 0x80, byte.wrapping_add(1)][at % 3];
                    *place = if mask >> at & 1 == 1 { byte } else { other };
                }
                assert_eq!(equal_bytes(u64::from_le_bytes(word), byte), mask);
            }
        }
    }

    #[test]
    fn lines_that_no_leaf_can_have() {
        assert!(Lines::new(1 << 1, 0).is_err());
        assert!(Lines::new(0, 1 << 5).is_err());
        assert!(Lines::new(1 << 5, 1 << 5).is_err());
        assert!(Lines::new(1 << 5, 1 << 7).is_err());
        let lines = Lines::new(1 << 5 | 1 << 63, 3 << 6).unwrap();
        assert_eq!(lines.of_entry(5), 3);
        assert_eq!(lines.of_entry(63), 1);
        assert_eq!(lines.without(5).used(), 1 << 63);
        assert_eq!(Lines::default().with(5, 3).of_entry(5), 3);
    }

    #[test]
    fn room_is_what_is_adjacent() {
        assert_eq!(Lines::room(0, 5), Some(2));
        assert_eq!(Lines::room(!(0b1011 << 60), 2), Some(60));
        assert_eq!(Lines::room(!(0b1011 << 60), 3), None);
        assert_eq!(Lines::room(u64::MAX >> 1, 1), Some(63));
        assert_eq!(Lines::room(u64::MAX >> 1, 2), None);
    }
}
