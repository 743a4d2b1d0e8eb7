// SPDX-License-Identifier: GPL-2.0

//! The bitmap of a group as chunks: 512 bits from where a chunk starts, wherever that is in a word.

use core::ops::Range;

use crate::format::{block_offset, group_bitmap, CHUNK_BLOCKS, GROUP_BLOCKS, GROUP_CHUNKS};
use crate::source::Source;
use crate::Result;

/// The words of a chunk's bits.
const CHUNK_WORDS: usize = (CHUNK_BLOCKS / 64) as usize;
/// The words of a group's bitmap.
const GROUP_WORDS: u64 = GROUP_BLOCKS / 64;

/// How a group is divided into chunks: chunk `n` has the blocks from `align + 512 n` on, counted
/// from the group's start, and the last one goes on at the start if `align` is not 0.
#[derive(Clone, Copy)]
pub(super) struct Chunks {
    align: u64,
}

impl Chunks {
    pub(super) const fn new(align: u64) -> Self {
        Self {
            align: align % CHUNK_BLOCKS,
        }
    }

    /// The chunk of a block (counted from the group's start), and its place in the chunk.
    pub(super) const fn locate(self, block: u64) -> (u32, u64) {
        let from_first = (block + GROUP_BLOCKS - self.align) % GROUP_BLOCKS;
        (
            (from_first / CHUNK_BLOCKS) as u32,
            from_first % CHUNK_BLOCKS,
        )
    }

    /// The block (counted from the group's start) at a place of a chunk.
    pub(super) const fn block(self, chunk: u32, place: u64) -> u64 {
        (self.align + chunk as u64 * CHUNK_BLOCKS + place) % GROUP_BLOCKS
    }

    /// Whether a huge page can map the chunk.
    pub(super) const fn is_whole(self, chunk: u32) -> bool {
        self.align == 0 || chunk + 1 < GROUP_CHUNKS
    }

    /// The places of a chunk, in parts whose blocks follow each other.
    fn parts(self, chunk: u32) -> impl Iterator<Item = Range<u64>> {
        let first = self.adjacent(chunk, 0);
        let parts = [0..first, first..CHUNK_BLOCKS];
        parts.into_iter().filter(|part| !part.is_empty())
    }

    /// How many places from `place` on are blocks that follow each other.
    pub(super) const fn adjacent(self, chunk: u32, place: u64) -> u64 {
        let split = CHUNK_BLOCKS - self.align;
        if !self.is_whole(chunk) && place < split {
            split - place
        } else {
            CHUNK_BLOCKS - place
        }
    }
}

/// Which blocks of a chunk are in use: bit `n` of word `w` is place `64 w + n`.
#[derive(Clone, Copy)]
pub(super) struct ChunkBits([u64; CHUNK_WORDS]);

/// Runs of free blocks are told apart by the largest power of two that is not longer: 1 to 512.
pub(super) const CLASSES: usize = 1 + CHUNK_BLOCKS.trailing_zeros() as usize;

/// The class of which every run is at least so long, which is 512 at most.
pub(super) const fn class_for(len: u64) -> usize {
    len.next_power_of_two().trailing_zeros() as usize
}

impl ChunkBits {
    /// For [`read`](Self::read).
    pub(super) const fn new() -> Self {
        Self([0; CHUNK_WORDS])
    }

    /// Reads those of a chunk.
    pub(super) fn read(
        &mut self,
        source: &impl Source,
        group: u32,
        chunks: Chunks,
        chunk: u32,
    ) -> Result {
        let start = chunks.block(chunk, 0);
        let bitmap = block_offset(group_bitmap(group));
        let first = start / 64;
        if start % 64 == 0 && first + CHUNK_WORDS as u64 <= GROUP_WORDS {
            return source.words_into(bitmap + first * 8, &mut self.0);
        }
        for (word, at) in self.0.iter_mut().zip(first..) {
            // What is behind the bitmap's end goes on at its start.
            *word = source.word(bitmap + at % GROUP_WORDS * 8)?;
        }
        let shift = (start % 64) as u32;
        if shift != 0 {
            let last = source.word(bitmap + (first + CHUNK_WORDS as u64) % GROUP_WORDS * 8)?;
            self.shift(shift, last);
        }
        Ok(())
    }

    /// Takes bits from the next words in, of which the one behind the last is `next`.
    #[inline(never)]
    fn shift(&mut self, by: u32, next: u64) {
        let mut next = next;
        for word in self.0.iter_mut().rev() {
            let own = *word;
            *word = own >> by | next << (64 - by);
            next = own;
        }
    }

    /// Whether all places are free.
    pub(super) fn is_free(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Takes the places of a range for used.
    pub(super) fn occupy(&mut self, places: Range<u64>) {
        let first = places.start / 64;
        let words = self.0.get_mut(first as usize..).unwrap_or(&mut []);
        for (word, at) in words.iter_mut().zip((first * 64..places.end).step_by(64)) {
            *word |= within(&places, at);
        }
    }

    /// The same, without the places that are not in a range.
    fn only(&self, places: Range<u64>) -> Self {
        let mut bits = *self;
        if places == (0..CHUNK_BLOCKS) {
            return bits;
        }
        for (at, word) in (0..CHUNK_BLOCKS).step_by(64).zip(&mut bits.0) {
            *word |= !within(&places, at);
        }
        bits
    }

    /// How many free places there are from `place` on, without a gap.
    pub(super) fn free_from(&self, place: u64) -> u64 {
        let mut end = place;
        while end < CHUNK_BLOCKS {
            let word = self.0.get((end / 64) as usize).copied().unwrap_or(0);
            let used = word >> (end % 64);
            if used != 0 {
                return end + u64::from(used.trailing_zeros()) - place;
            }
            end = (end / 64 + 1) * 64;
        }
        CHUNK_BLOCKS.saturating_sub(place)
    }

    /// A bit for each class of which the chunk has a run, or a longer one.
    pub(super) fn classes(&self, chunks: Chunks, chunk: u32) -> u32 {
        if chunks.is_whole(chunk) {
            return self.classes_of_all();
        }
        self.classes_of_parts(chunks, chunk)
    }

    #[inline(never)]
    fn classes_of_parts(&self, chunks: Chunks, chunk: u32) -> u32 {
        chunks.parts(chunk).fold(0, |classes, part| {
            classes | self.only(part).classes_of_all()
        })
    }

    /// The same, as if all places followed each other.
    fn classes_of_all(&self) -> u32 {
        // The longest run that ends or starts at a word's end, and the one at the end of what has been seen.
        let (mut longest, mut run) = (0, 0);
        let mut classes = 0;
        for &used in &self.0 {
            match used {
                0 => {
                    run += u64::BITS;
                    continue;
                }
                u64::MAX => {
                    longest = longest.max(run);
                    run = 0;
                    continue;
                }
                _ => {}
            }
            longest = longest.max(run + used.trailing_zeros());
            run = used.leading_zeros();
            // Those within the word.
            let (mut starts, mut len) = (!used, 1);
            while starts != 0 {
                classes |= len;
                starts &= starts >> len;
                len <<= 1;
            }
        }
        longest = longest.max(run);
        let longer = longest.checked_ilog2().map_or(0, |class| (2 << class) - 1);
        classes | longer
    }

    /// The first place from which on so many blocks are free, and follow each other.
    #[inline]
    pub(super) fn find(&self, chunks: Chunks, chunk: u32, len: u64) -> Option<u64> {
        if chunks.is_whole(chunk) {
            return self.find_in(0..CHUNK_BLOCKS, len);
        }
        chunks.parts(chunk).find_map(|part| self.find_in(part, len))
    }

    /// The same, among places whose blocks follow each other.
    #[inline(never)]
    fn find_in(&self, places: Range<u64>, len: u64) -> Option<u64> {
        if len == 1 {
            let words = (0..CHUNK_BLOCKS).step_by(64).zip(&self.0);
            let mut free = words.map(|(at, used)| (at, !used & within(&places, at)));
            let (at, word) = free.find(|&(_, word)| word != 0)?;
            return Some(at + u64::from(word.trailing_zeros()));
        }
        let mut starts = Starts([0; CHUNK_WORDS]);
        starts.put(self, places);
        let mut done = 1;
        while done < len {
            let more = done.min(len - done);
            starts.lengthen(more);
            done += more;
        }
        starts.first()
    }
}

/// The bits of the word for the places from `at` on that are below a place.
fn ones(below: u64, at: u64) -> u64 {
    let bits = below.saturating_sub(at).min(64) as u32;
    u64::MAX.checked_shl(bits).map_or(u64::MAX, |above| !above)
}

/// The bits of the word for the places from `at` on that are in a range.
fn within(places: &Range<u64>, at: u64) -> u64 {
    ones(places.end, at) & !ones(places.start, at)
}

/// The places at which runs of some length start: bit `n` of word `w` is place `64 w + n`.
struct Starts([u64; CHUNK_WORDS]);

impl Starts {
    /// Those of runs of one block, at places of a range. In place: a copy would be on the stack, too.
    fn put(&mut self, bits: &ChunkBits, places: Range<u64>) {
        let words = self.0.iter_mut().zip(&bits.0);
        for (at, (start, used)) in (0..CHUNK_BLOCKS).step_by(64).zip(words) {
            *start = !used & within(&places, at);
        }
    }

    /// Goes on to runs that are longer by `more`, which is not more than they are now.
    fn lengthen(&mut self, more: u64) {
        let (words, shift) = ((more / 64) as usize, (more % 64) as u32);
        for at in 0..CHUNK_WORDS {
            let word = |at: usize| self.0.get(at).copied().unwrap_or(0);
            let (low, high) = (word(at + words), word(at + words + 1));
            let later = match shift {
                0 => low,
                _ => low >> shift | high << (64 - shift),
            };
            if let Some(word) = self.0.get_mut(at) {
                *word &= later;
            }
        }
    }

    fn first(&self) -> Option<u64> {
        let at = self.0.iter().position(|&word| word != 0)?;
        let word = self.0.get(at)?;
        Some(at as u64 * 64 + u64::from(word.trailing_zeros()))
    }
}

/// The words of a group's bitmap that have the bits of blocks `first` to `first + count`, counted
/// from the group's start, each with the mask of those bits.
pub(super) fn masks(first: u64, count: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = first.saturating_add(count).min(GROUP_BLOCKS);
    (first / 64..end.div_ceil(64)).map(move |word| {
        let from = first.saturating_sub(word * 64).min(63);
        let to = (end - word * 64).min(64);
        (word, u64::MAX << from & u64::MAX >> (64 - to))
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn masks_cover_each_bit_once() {
        for first in [0, 1, 63, 64, 65, 500, 32_700] {
            for count in [1, 2, 63, 64, 65, 128, 129, 512] {
                let end = (first + count).min(GROUP_BLOCKS);
                let mut bits = Vec::new();
                for (word, mask) in masks(first, count) {
                    bits.extend(
                        (0..64)
                            .filter(|bit| mask >> bit & 1 == 1)
                            .map(|bit| word * 64 + bit),
                    );
                }
                assert_eq!(bits, (first..end).collect::<Vec<_>>());
            }
        }
    }

    /// A chunk of which these places are free.
    fn chunk(free: impl IntoIterator<Item = u64>) -> ChunkBits {
        let mut bits = ChunkBits([u64::MAX; CHUNK_WORDS]);
        for place in free {
            bits.0[place as usize / 64] &= !(1 << (place % 64));
        }
        bits
    }

    #[test]
    fn runs_are_found_wherever_they_are() {
        let whole = Chunks::new(0);
        for len in [1, 2, 3, 63, 64, 65, 127, 128, 200, 511, 512] {
            for at in [0, 1, 62, 63, 64, 130, 300, 511] {
                let at = at.min(CHUNK_BLOCKS - len);
                // One that is too short is before it, if there is room.
                let short = 0..(len - 1).min(at.saturating_sub(1));
                let bits = chunk(short.chain(at..at + len));
                assert_eq!(bits.find(whole, 0, len), Some(at), "{len} at {at}");
                if len < CHUNK_BLOCKS {
                    assert_eq!(bits.find(whole, 0, len + 1), None, "{len} at {at}");
                }
                assert_eq!(bits.free_from(at), len);
                let classes = bits.classes(whole, 0);
                assert_eq!(classes, (2 << len.ilog2()) - 1, "{len} at {at}");
            }
        }
        let none = chunk([]);
        assert_eq!(none.classes(whole, 0), 0);
        assert_eq!(none.find(whole, 0, 1), None);
    }

    #[test]
    fn runs_end_where_blocks_do_not_follow() {
        let chunks = Chunks::new(100);
        let last = GROUP_CHUNKS - 1;
        let all = chunk(0..CHUNK_BLOCKS);
        // 412 blocks at the group's end, 100 at its start.
        assert_eq!(all.find(chunks, last, 412), Some(0));
        assert_eq!(all.find(chunks, last, 413), None);
        assert_eq!(all.classes(chunks, last), (1 << 9) - 1);
        let behind = chunk(400..CHUNK_BLOCKS);
        assert_eq!(behind.find(chunks, last, 100), Some(412));
        assert_eq!(behind.classes(chunks, last), (1 << 7) - 1);
        assert_eq!(behind.classes(chunks, 0), (1 << 7) - 1);
        assert_eq!(behind.find(chunks, 0, 112), Some(400));
    }

    #[test]
    fn classes_are_long_enough() {
        let classes = [1, 2, 3, 4, 5, 256, 257, 512].map(class_for);
        assert_eq!(classes, [0, 1, 2, 2, 3, 8, 9, 9]);
    }

    #[test]
    fn every_block_has_one_place() {
        for align in [0, 1, 64, 100, 511] {
            let chunks = Chunks::new(align);
            for block in 0..GROUP_BLOCKS {
                let (chunk, place) = chunks.locate(block);
                assert!(chunk < GROUP_CHUNKS && place < CHUNK_BLOCKS);
                assert_eq!(chunks.block(chunk, place), block);
                let adjacent = chunks.adjacent(chunk, place);
                assert!(adjacent >= 1 && place + adjacent <= CHUNK_BLOCKS);
                assert_eq!(
                    chunks.locate(block + adjacent - 1),
                    (chunk, place + adjacent - 1)
                );
            }
        }
    }
}
