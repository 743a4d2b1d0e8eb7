// SPDX-License-Identifier: GPL-2.0

//! The bytes of a medium, cheap to copy.

use std::sync::Arc;

/// What a store writes at once, in bytes.
pub const WORD_BYTES: u64 = 8;
/// A cache line in bytes.
pub const LINE_BYTES: u64 = 64;
/// The words of a cache line.
pub const LINE_WORDS: usize = (LINE_BYTES / WORD_BYTES) as usize;

const PAGE_WORDS: usize = 512;
/// A page of an image, in bytes.
pub const PAGE_BYTES: u64 = PAGE_WORDS as u64 * WORD_BYTES;

/// A medium's contents. Copies share the pages that neither has changed since.
///
/// Words are named by their number: byte offset / 8; lines by theirs: byte offset / 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pages: Vec<Arc<[u64; PAGE_WORDS]>>,
}

impl Image {
    /// `len` bytes of zeros. `len` is rounded up to 4096.
    #[must_use]
    pub fn zeroed(len: u64) -> Self {
        Self::filled(len, |_| 0)
    }

    /// `len` bytes as somebody else left them: each word says that it is foreign, and which.
    /// A word of it that shows up in a file has leaked.
    #[must_use]
    pub fn foreign(len: u64) -> Self {
        Self::filled(len, foreign_word)
    }

    fn filled(len: u64, word: impl Fn(u64) -> u64) -> Self {
        let page = |page: u64| {
            let first = page * PAGE_WORDS as u64;
            Arc::new(std::array::from_fn(|at| word(first + at as u64)))
        };
        Self {
            pages: (0..len.div_ceil(PAGE_BYTES)).map(page).collect(),
        }
    }

    /// Whether a value is one that [`foreign`](Self::foreign) fills with.
    #[must_use]
    pub fn is_foreign(value: u64) -> bool {
        value >> 32 == FOREIGN
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.pages.len() as u64 * PAGE_BYTES
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The value of a word.
    ///
    /// # Panics
    ///
    /// If it lies beyond the end, as all functions here.
    #[must_use]
    pub fn word(&self, word: u64) -> u64 {
        let (page, at) = place(word);
        self.pages[page][at]
    }

    /// Changes a word.
    pub fn set_word(&mut self, word: u64, value: u64) {
        let (page, at) = place(word);
        Arc::make_mut(&mut self.pages[page])[at] = value;
    }

    /// The words of a line.
    #[must_use]
    pub fn line(&self, line: u64) -> [u64; LINE_WORDS] {
        let (page, at) = place(line * LINE_WORDS as u64);
        std::array::from_fn(|word| self.pages[page][at + word])
    }

    /// The bytes of a page of 4096.
    pub fn page(&self, page: u64, into: &mut [u8; PAGE_BYTES as usize]) {
        let words = self.pages[page as usize].iter();
        for (bytes, word) in into.chunks_exact_mut(WORD_BYTES as usize).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Copies bytes, from any offset.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        let mut offset = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let skip = (offset % WORD_BYTES) as usize;
            let bytes = self.word(offset / WORD_BYTES).to_le_bytes();
            let count = rest.len().min(bytes.len() - skip);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&bytes[skip..skip + count]);
            rest = later;
            offset += count as u64;
        }
    }

    /// All bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pages
            .iter()
            .flat_map(|page| page.iter())
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// The image with these bytes, padded with zeros to a multiple of 4096.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut image = Self::zeroed(bytes.len() as u64);
        for (word, chunk) in (0..).zip(bytes.chunks(WORD_BYTES as usize)) {
            let mut value = [0; WORD_BYTES as usize];
            value[..chunk.len()].copy_from_slice(chunk);
            image.set_word(word, u64::from_le_bytes(value));
        }
        image
    }
}

/// The upper half of a foreign word: no pointer, size or time that a file system writes.
const FOREIGN: u64 = 0xf0e1_6e57;

fn foreign_word(word: u64) -> u64 {
    FOREIGN << 32 | word & 0xffff_ffff
}

fn place(word: u64) -> (usize, usize) {
    (
        (word / PAGE_WORDS as u64) as usize,
        (word % PAGE_WORDS as u64) as usize,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_do_not_share_changes() {
        let first = Image::foreign(8192);
        let mut second = first.clone();
        second.set_word(600, 5);
        assert!(Image::is_foreign(first.word(600)));
        assert_eq!(second.word(600), 5);
        assert_eq!(second.word(599), first.word(599));
    }

    #[test]
    fn bytes_go_in_and_out_at_any_offset() {
        let bytes: Vec<u8> = (0..4096_u32).map(|at| (at % 251) as u8).collect();
        let image = Image::from_bytes(&bytes);
        assert_eq!(image.to_bytes(), bytes);
        let mut part = [0; 21];
        image.read(13, &mut part);
        assert_eq!(part, bytes[13..34]);
    }
}
