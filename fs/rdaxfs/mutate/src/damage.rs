// SPDX-License-Identifier: GPL-2.0

//! Damages a volume as bytes say.

use rdaxfs_core::format::{
    block_offset, group_bitmap, group_metadata, group_of, inode_block, inode_number, inode_offset,
    InlineXattrs, Root, XattrRoot, XattrRun, BLOCK_BYTES, BLOCK_SIZE, CHUNK_SLOTS, GROUP_BLOCKS,
    INODE_MAGIC, INODE_SIZE, NODE_HEADER, RECORD_ENTRY, RECORD_HEADER,
};
use rdaxfs_core::platform::Medium;

use crate::choices::Choices;
use crate::seal::{kind, seal, seal_record, Kind};
use crate::Memory;

/// Where the journal is in a volume of the corpus.
pub(crate) const JOURNAL: u64 = 4;

/// What there is to damage.
pub(crate) struct Places {
    blocks: u64,
    /// Blocks that have been written.
    written: Vec<u64>,
    /// Those of them that say what they are, and the bitmaps.
    metadata: Vec<u64>,
    inodes: Vec<u64>,
}

/// Damages a volume at 1 to 8 places.
pub(crate) fn damage(medium: &Memory, places: &Places, choices: &mut Choices<'_>) {
    let times = if choices.once_in(8) { 8 } else { 3 };
    for _ in 0..=choices.below(times) {
        let block = damage_once(medium, places, choices);
        if !choices.once_in(4) {
            if block == JOURNAL {
                seal_record(medium, block);
            } else {
                seal(medium, block);
            }
        }
    }
}

/// Makes some lines unreadable.
pub(crate) fn poison(medium: &Memory, places: &Places, choices: &mut Choices<'_>) {
    for _ in 0..=choices.below(3) {
        let block = places.block(choices);
        medium.poison(places.word(medium, block, choices));
    }
}

/// Kills blocks: those that an allocation comes to, slots of the journal, and sometimes any.
pub(crate) fn kill(medium: &Memory, places: &Places, choices: &mut Choices<'_>) {
    medium.be_repairable(choices.once_in(3));
    if choices.once_in(2) {
        // Most volumes of the corpus have one slot, some have more.
        let slots = 1 + choices.below(4);
        for slot in 0..slots {
            medium.kill(JOURNAL + slot, choices.once_in(2));
        }
    }
    for _ in 0..choices.below(12) {
        let first = places.free(medium, choices);
        let count = 1 + choices.below(6);
        for block in (first..places.blocks).take(count as usize) {
            medium.kill(block, choices.once_in(2));
        }
    }
    if choices.once_in(4) {
        medium.kill(places.block(choices), choices.once_in(2));
    }
}

impl Places {
    /// A block that is free, as far as its group's bitmap says.
    fn free(&self, medium: &Memory, choices: &mut Choices<'_>) -> u64 {
        let first = choices.below(self.blocks);
        let is_free = |&block: &u64| {
            let bitmap = block_offset(group_bitmap(group_of(block)));
            let at = block % GROUP_BLOCKS;
            medium.word(bitmap + at / 64 * 8) >> (at % 64) & 1 == 0
        };
        (first..self.blocks)
            .take(512)
            .find(is_free)
            .unwrap_or(first)
    }

    pub(crate) fn of(medium: &Memory) -> Self {
        let written = medium.written();
        let mut metadata = Vec::new();
        let mut inodes = Vec::new();
        for &block in &written {
            let bytes = medium.block(block);
            let kind = kind(&bytes);
            let group = group_of(block);
            let is_bitmap = block == group_bitmap(group) || block == group_metadata(group);
            if kind == Kind::Other && !is_bitmap && block != JOURNAL {
                continue;
            }
            metadata.push(block);
            if kind == Kind::Chunk {
                let used = |&slot: &u64| {
                    let at = (slot * INODE_SIZE) as usize;
                    bytes[at..at + 4] == INODE_MAGIC.to_le_bytes()
                };
                let slots = (1..CHUNK_SLOTS).filter(used);
                inodes.extend(slots.map(|slot| inode_number(block, slot)));
            }
        }
        Self {
            blocks: medium.len() / BLOCK_SIZE,
            written,
            metadata,
            inodes,
        }
    }

    /// The blocks that say what they are, and the bitmaps.
    pub(crate) fn metadata(&self) -> &[u64] {
        &self.metadata
    }

    fn block(&self, choices: &mut Choices<'_>) -> u64 {
        if choices.once_in(32) {
            return choices.below(self.blocks);
        }
        if choices.once_in(32) {
            return choices.of(&self.written).copied().unwrap_or(0);
        }
        choices.of(&self.metadata).copied().unwrap_or(0)
    }

    fn inode(&self, choices: &mut Choices<'_>) -> u64 {
        choices.of(&self.inodes).copied().unwrap_or(1)
    }

    /// A word's place in a block, mostly one that matters.
    fn word(&self, medium: &Memory, block: u64, choices: &mut Choices<'_>) -> u64 {
        let start = block_offset(block);
        let within = if choices.once_in(16) {
            choices.below(512) * 8
        } else {
            match kind(&medium.block(block)) {
                Kind::Superblock => choices.below(25) * 8,
                Kind::Group => choices.below(12) * 8,
                Kind::Chunk => {
                    let inode = self.inode(choices);
                    if choices.once_in(4) {
                        choices.below(5) * 8
                    } else {
                        inode % CHUNK_SLOTS * INODE_SIZE + choices.below(32) * 8
                    }
                }
                Kind::Inner => choices.below(24) * 8,
                Kind::ExtentLeaf => choices.below(96) * 8,
                Kind::DirectoryLeaf => {
                    let line = choices.below(20) * 64;
                    line + if line == 0 {
                        choices.below(8)
                    } else {
                        choices.below(3)
                    } * 8
                }
                Kind::Xattrs => choices.below(20) * 8,
                // A bitmap, of which the first and the last words are of use.
                Kind::Other if block % GROUP_BLOCKS < JOURNAL => {
                    let blocks = self.blocks.min(GROUP_BLOCKS);
                    let words = if choices.once_in(2) {
                        4
                    } else {
                        blocks.div_ceil(64) + 1
                    };
                    choices.below(words) * 8 % BLOCK_SIZE
                }
                Kind::Other => choices.below(12) * 8,
            }
        };
        start + within
    }

    /// A value that could mean something.
    fn value(&self, medium: &Memory, old: u64, choices: &mut Choices<'_>) -> u64 {
        let block = if choices.once_in(2) {
            choices.below(self.blocks + 2)
        } else {
            choices.of(&self.written).copied().unwrap_or(0)
        };
        match choices.below(16) {
            0 => 0,
            1 => u64::MAX,
            2 => choices.below(300),
            3 => 1 << choices.below(64),
            4 => old ^ 1 << choices.below(64),
            5 => old.wrapping_add(choices.below(4)).wrapping_sub(2),
            6 => block,
            7 => self.inode(choices),
            8 => choices.word(),
            9 if choices.once_in(2) => XattrRoot::Run(XattrRun {
                block,
                count: choices.below(34),
            })
            .to_word(),
            9 => XattrRoot::Inline(InlineXattrs {
                bytes: choices.below(14) as usize * 8,
                crc: choices.word() as u32,
            })
            .to_word(),
            10 => {
                let level = choices.below(10) as u8;
                Root::ExtentTree { block, level }.to_word()
            }
            11 => {
                let level = choices.below(10) as u8;
                Root::DirectoryTree { block, level }.to_word()
            }
            // An extent's pages.
            12 => choices.below(600) | choices.below(70) << 32,
            13 => 1 << 63 | choices.word() >> choices.below(64),
            _ => {
                let other = self.block(choices);
                medium.word(self.word(medium, other, choices))
            }
        }
    }
}

/// Damages something of a block, and returns which.
fn damage_once(medium: &Memory, places: &Places, choices: &mut Choices<'_>) -> u64 {
    let block = places.block(choices);
    let start = block_offset(block);
    match choices.below(12) {
        0 => {
            let at = start + choices.below(512) * 8;
            medium.put_word(at, medium.word(at) ^ 1 << choices.below(64));
        }
        1 => {
            medium.put(start, &medium.block(places.block(choices)));
            if choices.once_in(2) {
                // It says that it is this block.
                medium.put_word(start + 8, block);
            }
        }
        2 => {
            let other = places.block(choices);
            let (one, two) = (
                places.word(medium, block, choices),
                places.word(medium, other, choices),
            );
            let (first, second) = (medium.word(one), medium.word(two));
            medium.put_word(one, second);
            medium.put_word(two, first);
            if choices.once_in(2) {
                seal(medium, other);
            }
        }
        // Torn: part of what was there before, or of what something else is.
        3 => {
            let torn = choices.below(64) as usize * 64;
            if choices.once_in(2) {
                medium.put(start + torn as u64, &[0; BLOCK_BYTES][torn..]);
            } else {
                medium.put(start, &medium.block(places.block(choices))[..torn]);
            }
        }
        4 => {
            let (from, to) = (places.inode(choices), places.inode(choices));
            let len = 8 * choices.below(33) as usize;
            medium.put(inode_offset(to), &medium.bytes(inode_offset(from), len));
            return inode_block(to);
        }
        5 => {
            forge_record(medium, places, choices);
            return JOURNAL;
        }
        6 => {
            // Another child or entry count, where nodes have it.
            let at = start + NODE_HEADER as u64 - 24;
            let value = places.value(medium, medium.word(at), choices);
            medium.put_word(at, value);
        }
        _ => {
            let at = places.word(medium, block, choices);
            let value = places.value(medium, medium.word(at), choices);
            medium.put_word(at, value);
        }
    }
    block
}

/// A record that is whole, of words that nobody wrote.
fn forge_record(medium: &Memory, places: &Places, choices: &mut Choices<'_>) {
    let start = block_offset(JOURNAL);
    let count = 1 + choices.below(3);
    medium.put_word(start, 1 + choices.below(300));
    medium.put_word(start + 8, count << 32);
    for entry in 0..count {
        let block = places.block(choices);
        let offset = places.word(medium, block, choices);
        let value = places.value(medium, medium.word(offset), choices);
        let offset = if choices.once_in(8) {
            places.value(medium, offset, choices)
        } else {
            offset
        };
        let at = start + RECORD_HEADER as u64 + entry * RECORD_ENTRY as u64;
        medium.put_word(at, offset);
        medium.put_word(at + 8, value);
    }
}
