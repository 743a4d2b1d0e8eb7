// SPDX-License-Identifier: GPL-2.0

//! The bytes of a file.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A page, in bytes.
pub const PAGE_BYTES: u64 = 4096;

type Page = [u8; PAGE_BYTES as usize];

/// A file's bytes. Pages of zeros are not kept, whether they are holes or written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pages: BTreeMap<u64, Arc<Page>>,
}

impl Content {
    /// Replaces the bytes from `offset` on.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.change(offset, bytes.len() as u64, |at| bytes[at as usize]);
    }

    /// Zeroes a range.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        let whole = offset.div_ceil(PAGE_BYTES)..end / PAGE_BYTES;
        self.pages.retain(|page, _| !whole.contains(page));
        let touched = offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES);
        let partial: Vec<u64> = self.pages.range(touched).map(|(&page, _)| page).collect();
        for page in partial {
            let start = offset.max(page * PAGE_BYTES);
            let end = end.min((page + 1) * PAGE_BYTES);
            self.change(start, end - start, |_| 0);
        }
    }

    /// Takes pages out; those behind them move to their place.
    pub fn collapse(&mut self, page: u64, count: u64) {
        let moved = self.pages.split_off(&page).into_iter();
        let kept = moved.filter(|(number, _)| *number >= page + count);
        self.pages
            .extend(kept.map(|(number, bytes)| (number - count, bytes)));
    }

    /// Puts a hole in front of a page.
    pub fn insert(&mut self, page: u64, count: u64) {
        let moved = self.pages.split_off(&page).into_iter();
        self.pages
            .extend(moved.map(|(number, bytes)| (number + count, bytes)));
    }

    fn change(&mut self, offset: u64, len: u64, byte: impl Fn(u64) -> u8) {
        let mut done = 0;
        while done < len {
            let number = (offset + done) / PAGE_BYTES;
            let start = (offset + done) % PAGE_BYTES;
            let count = (len - done).min(PAGE_BYTES - start);
            let page = self
                .pages
                .entry(number)
                .or_insert_with(|| Arc::new([0; PAGE_BYTES as usize]));
            let bytes = Arc::make_mut(page);
            for at in 0..count {
                bytes[(start + at) as usize] = byte(done + at);
            }
            if bytes.iter().all(|&byte| byte == 0) {
                self.pages.remove(&number);
            }
            done += count;
        }
    }

    /// A byte.
    #[must_use]
    pub fn byte(&self, offset: u64) -> u8 {
        let page = self.pages.get(&(offset / PAGE_BYTES));
        page.map_or(0, |page| page[(offset % PAGE_BYTES) as usize])
    }

    /// The pages that are not zeros only, by their number.
    pub fn pages(&self) -> impl Iterator<Item = (u64, &[u8; PAGE_BYTES as usize])> {
        self.pages.iter().map(|(&number, page)| (number, &**page))
    }

    /// The first byte in which two contents differ.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<u64> {
        self.differences(other).next()
    }

    /// The bytes in which two contents differ.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u64> + 'a {
        let mut pages: Vec<u64> = self
            .pages
            .keys()
            .chain(other.pages.keys())
            .copied()
            .collect();
        pages.sort_unstable();
        pages.dedup();
        pages.retain(|page| self.pages.get(page) != other.pages.get(page));
        let bytes = pages
            .into_iter()
            .flat_map(|page| page * PAGE_BYTES..(page + 1) * PAGE_BYTES);
        bytes.filter(|&at| self.byte(at) != other.byte(at))
    }
}

/// What a write with a seed writes: bytes that tell where in the file they belong and which
/// write they are from; never 0.
#[must_use]
pub fn pattern(seed: u8, offset: u64, len: u64) -> Vec<u8> {
    let byte = |at: u64| {
        let mixed = (at / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56 ^ at & 7;
        (mixed as u8 ^ seed.wrapping_mul(37)).max(1)
    };
    (offset..offset + len).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_not_kept() {
        let mut content = Content::default();
        content.write(4090, &pattern(1, 4090, 20));
        assert_eq!(content.pages().count(), 2);
        content.zero(4096, 100);
        assert_eq!(content.pages().count(), 1);
        assert_eq!(content.byte(4095), pattern(1, 4095, 1)[0]);
        assert_eq!(content.byte(4096), 0);
        content.zero(0, u64::MAX);
        assert_eq!(content, Content::default());
    }

    #[test]
    fn pages_move() {
        let mut content = Content::default();
        for page in 0..6 {
            content.write(page * PAGE_BYTES, &[page as u8 + 1]);
        }
        let first_bytes = |content: &Content| -> Vec<u8> {
            (0..8).map(|page| content.byte(page * PAGE_BYTES)).collect()
        };
        content.collapse(1, 2);
        assert_eq!(first_bytes(&content), [1, 4, 5, 6, 0, 0, 0, 0]);
        content.insert(2, 3);
        assert_eq!(first_bytes(&content), [1, 4, 0, 0, 0, 5, 6, 0]);
    }

    #[test]
    fn differences_are_bytes() {
        let mut first = Content::default();
        first.write(8190, &[1, 2, 3]);
        let mut second = first.clone();
        second.write(8191, &[9, 9]);
        assert_eq!(first.differences(&second).collect::<Vec<_>>(), [8191, 8192]);
        assert_eq!(first.first_difference(&first), None);
    }
}
