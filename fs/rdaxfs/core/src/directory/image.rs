// SPDX-License-Identifier: GPL-2.0

//! A leaf's bytes in DRAM: one that is being made, or a copy whose entries are wanted in order.

use zerocopy::FromBytes;

use super::leaf::{line_offset, Leaf, Lines};
use crate::format::{
    entry_lines, fingerprint, target_len, EntryHead, BLOCK_BYTES, FINGERPRINTS, FIRST_LINE, LINE,
    LINES, MAX_NAME,
};
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::{put_header, Tree};
use crate::volume::Volume;
use crate::{Error, Result};

/// The lines that entries of a leaf can take.
pub(super) const ENTRY_LINES: usize = LINES - FIRST_LINE;

/// An entry of an image.
#[derive(Clone, Copy)]
pub(super) struct Entry<'b> {
    pub(super) key: u64,
    pub(super) target: u64,
    pub(super) name: &'b [u8],
}

impl Entry<'_> {
    /// Puts the entry at the start of `bytes`, with zeros to the end of its last line. Returns its
    /// length in bytes.
    pub(super) fn write(&self, bytes: &mut [u8]) -> Result<usize> {
        let len = entry_lines(self.name.len()) * LINE;
        let bytes = bytes.get_mut(..len).ok_or(Error::NoSpace)?;
        self.write_to(bytes)?.fill(0);
        Ok(len)
    }

    /// Puts the entry at the start of `bytes`. Returns what is behind it.
    #[inline]
    pub(super) fn write_to<'b>(&self, bytes: &'b mut [u8]) -> Result<&'b mut [u8]> {
        let head = EntryHead {
            key: self.key.into(),
            target: self.target.into(),
        };
        let (first, rest) = bytes
            .split_first_chunk_mut::<{ size_of::<EntryHead>() }>()
            .ok_or(Error::NoSpace)?;
        if let Ok(place) = EntryHead::mut_from_bytes(first) {
            *place = head;
        }
        let (name, rest) = rest
            .split_at_mut_checked(self.name.len())
            .ok_or(Error::NoSpace)?;
        name.copy_from_slice(self.name);
        Ok(rest)
    }
}

/// A leaf that is being made: its entries and fingerprints; the header is put in last.
pub(super) struct Image<'b> {
    bytes: &'b mut [u8; BLOCK_BYTES],
    lines: Lines,
    /// The first line that is free.
    next: usize,
}

impl<'b> Image<'b> {
    pub(super) fn new(bytes: &'b mut [u8; BLOCK_BYTES]) -> Self {
        // The lines of entries are written as a whole.
        if let Some(head) = bytes.get_mut(..FIRST_LINE * LINE) {
            head.fill(0);
        }
        Self {
            bytes,
            lines: Lines::default(),
            next: FIRST_LINE,
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] if the leaf is full.
    pub(super) fn push(&mut self, entry: Entry<'_>) -> Result {
        let line = self.next;
        let free = self.bytes.get_mut(line * LINE..).unwrap_or(&mut []);
        let lines = entry.write(free)? / LINE;
        if let Some(print) = self.bytes.get_mut(FINGERPRINTS + line) {
            *print = fingerprint(entry.key);
        }
        self.lines = self.lines.with(line as u32, lines);
        self.next += lines;
        Ok(())
    }

    /// Puts the header in, for a leaf at a block. Returns the lines that are in use: nobody reads the others.
    pub(super) fn finish<P: Platform>(
        self,
        volume: &Volume<P>,
        directory: &Tree,
        block: u64,
        low: u64,
    ) -> Result<&'b [u8]> {
        let words = [self.lines.starts, self.lines.more];
        put_header(volume, directory, self.bytes, (block, 0), low, words)?;
        Ok(self.bytes.get(..self.next * LINE).unwrap_or(&[]))
    }

    /// Which lines are in use.
    pub(super) const fn lines(&self) -> Lines {
        self.lines
    }
}

/// Copies the lines of a leaf that are in use; returns which they are.
pub(super) fn copy_leaf(
    source: &impl Source,
    leaf: &Leaf,
    bytes: &mut [u8; BLOCK_BYTES],
) -> Result<Lines> {
    let mut left = leaf.lines.used();
    while left != 0 {
        // Adjacent lines at once.
        let line = left.trailing_zeros();
        let count = (left >> line).trailing_ones();
        left &= !run(line, count);
        let at = line as usize * LINE;
        let end = at + count as usize * LINE;
        let into = bytes.get_mut(at..end).ok_or(Error::Corrupt)?;
        source.read(line_offset(leaf.block, line), into)?;
    }
    Ok(leaf.lines)
}

/// A mask of so many lines from `line` on, of which there are 64.
const fn run(line: u32, count: u32) -> u64 {
    match 1_u64.checked_shl(count) {
        Some(end) => (end - 1) << (line % u64::BITS),
        None => u64::MAX,
    }
}

/// The entry that starts at a line of an image. Its length is judged here, its key by [`sort`].
pub(super) fn entry_at(bytes: &[u8; BLOCK_BYTES], line: u8) -> Result<Entry<'_>> {
    let bytes = bytes.get(usize::from(line) * LINE..).unwrap_or(&[]);
    let (head, rest) = EntryHead::read_from_prefix(bytes).map_err(|_| Error::Corrupt)?;
    let target = head.target.get();
    Ok(Entry {
        key: head.key.get(),
        target,
        name: rest.get(..target_len(target)).ok_or(Error::Corrupt)?,
    })
}

/// The lines at which entries start, in ascending order of their keys.
pub(super) struct Order {
    lines: [u8; LINES],
    count: usize,
}

impl Order {
    /// None, for [`sort`].
    pub(super) const fn new() -> Self {
        Self {
            lines: [0; LINES],
            count: 0,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.lines.get(..self.count).unwrap_or(&[])
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.lines.get_mut(..self.count).unwrap_or(&mut [])
    }

    pub(super) fn push(&mut self, line: u8) -> Result {
        *self.lines.get_mut(self.count).ok_or(Error::Corrupt)? = line;
        self.count += 1;
        Ok(())
    }
}

/// The line in a word of [`Sorted`].
const LINE_MASK: u64 = LINES as u64 - 1;

/// Lines in ascending order of their keys: a word for each, which has the line in place of the key's lowest bits.
/// Few keys differ in those alone.
struct Sorted {
    words: [u64; LINES],
    count: usize,
}

impl Sorted {
    fn words(&self) -> &[u64] {
        self.words.get(..self.count).unwrap_or(&[])
    }

    /// Puts a line of an image before those whose key is greater than its own.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if another one has that key.
    fn insert(&mut self, bytes: &[u8; BLOCK_BYTES], line: u32, key: u64) -> Result {
        let upper = key & !LINE_MASK;
        let mut at = self.words().partition_point(|&word| word < upper);
        while let Some(&word) = self.words().get(at) {
            if word & !LINE_MASK != upper {
                break;
            }
            match head_at(bytes, (word & LINE_MASK) as u32)?.key.get() {
                other if other == key => return Err(Error::Corrupt),
                other if other > key => break,
                _ => at += 1,
            }
        }
        if self.count >= LINES {
            return Err(Error::Corrupt);
        }
        self.words.copy_within(at..self.count, at + 1);
        *self.words.get_mut(at).ok_or(Error::Corrupt)? = upper | u64::from(line) & LINE_MASK;
        self.count += 1;
        Ok(())
    }
}

/// The head of the entry that starts at a line of an image.
#[inline]
fn head_at(bytes: &[u8; BLOCK_BYTES], line: u32) -> Result<EntryHead> {
    let bytes = bytes.get(line as usize * LINE..).unwrap_or(&[]);
    let (head, _) = EntryHead::read_from_prefix(bytes).map_err(|_| Error::Corrupt)?;
    Ok(head)
}

/// Puts the entries of an image in order that have keys from `from` on.
///
/// # Errors
///
/// [`Error::Corrupt`] if an entry is not what its lines say, its key is not in `keys`, or two have
/// one key.
#[inline(never)]
pub(super) fn sort(
    bytes: &[u8; BLOCK_BYTES],
    lines: Lines,
    keys: (u64, u64),
    from: u64,
    order: &mut Order,
) -> Result {
    let mut sorted = Sorted {
        words: [0; LINES],
        count: 0,
    };
    let mut left = lines.starts;
    while left != 0 {
        let line = left.trailing_zeros();
        left &= left - 1;
        let head = head_at(bytes, line)?;
        lines.judge(line, &head, keys)?;
        if head.key.get() >= from {
            sorted.insert(bytes, line, head.key.get())?;
        }
    }
    order.count = sorted.count;
    for (line, word) in order.lines.iter_mut().zip(sorted.words()) {
        *line = (word & LINE_MASK) as u8;
    }
    Ok(())
}

const _: () = assert!(LINES.is_power_of_two());
const _: () = assert!(entry_lines(MAX_NAME) * LINE <= BLOCK_BYTES && LINES <= u8::MAX as usize);
