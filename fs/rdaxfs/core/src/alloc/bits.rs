// SPDX-License-Identifier: GPL-2.0

//! The bitmap of a group as chunks: 512 bits from where a chunk starts, wherever that is in a word.

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

impl ChunkBits {
    pub(super) fn read(
        source: &impl Source,
        group: u32,
        chunks: Chunks,
        chunk: u32,
    ) -> Result<Self> {
        let start = chunks.block(chunk, 0);
        let bitmap = block_offset(group_bitmap(group));
        let shift = (start % 64) as u32;
        let mut words = [0_u64; CHUNK_WORDS];
        let mut index = start / 64;
        let mut low = source.word(bitmap + index * 8)?;
        for word in &mut words {
            index = (index + 1) % GROUP_WORDS;
            if shift == 0 {
                *word = low;
                low = if index % 8 == 0 {
                    0
                } else {
                    source.word(bitmap + index * 8)?
                };
            } else {
                let high = source.word(bitmap + index * 8)?;
                *word = low >> shift | high << (64 - shift);
                low = high;
            }
        }
        Ok(Self(words))
    }

    pub(super) fn all_free(&self) -> bool {
        self.0 == [0; CHUNK_WORDS]
    }

    pub(super) fn all_used(&self) -> bool {
        self.0 == [u64::MAX; CHUNK_WORDS]
    }

    /// How many free places there are from `place` on, without a gap.
    pub(super) fn free_from(&self, place: u64) -> u64 {
        self.next(place, true).saturating_sub(place)
    }

    /// The first free place at `place` or behind.
    pub(super) fn next_free(&self, place: u64) -> Option<u64> {
        let found = self.next(place, false);
        (found < CHUNK_BLOCKS).then_some(found)
    }

    /// The first place at `place` or behind that is in use (or is not); 512 if none is.
    fn next(&self, place: u64, used: bool) -> u64 {
        let mut place = place;
        while place < CHUNK_BLOCKS {
            let word = self.0.get((place / 64) as usize).copied().unwrap_or(0);
            let wanted = if used { word } else { !word } >> (place % 64);
            if wanted != 0 {
                return place + u64::from(wanted.trailing_zeros());
            }
            place = (place / 64 + 1) * 64;
        }
        CHUNK_BLOCKS
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
