// SPDX-License-Identifier: GPL-2.0

//! Damages a volume as bytes say.

use rdaxfs_core::format::{
    inode_number, Root, XattrRoot, BLOCK_BYTES, CHUNK_SLOTS, INODE_MAGIC, INODE_SIZE, NODE_HEADER,
    RECORD_ENTRY, RECORD_HEADER,
};

use crate::choices::Choices;
use crate::seal::{kind, seal, seal_record, Kind};

/// Where the journal is in a volume of the corpus.
pub(crate) const JOURNAL: u64 = 4;

/// What there is to damage.
struct Places {
    blocks: u64,
    metadata: Vec<u64>,
    inodes: Vec<u64>,
}

/// Damages a volume at 1 to 8 places.
pub(crate) fn damage(bytes: &mut [u8], choices: &mut Choices<'_>) {
    let places = Places::of(bytes);
    let times = if choices.once_in(8) { 8 } else { 3 };
    for _ in 0..=choices.below(times) {
        let block = damage_once(bytes, &places, choices);
        if !choices.once_in(4) {
            if block == JOURNAL {
                seal_record(bytes, block);
            } else {
                seal(bytes, block);
            }
        }
    }
}

impl Places {
    fn of(bytes: &[u8]) -> Self {
        let blocks = (bytes.len() / BLOCK_BYTES) as u64;
        let mut metadata: Vec<u64> = (0..=JOURNAL).collect();
        let mut inodes = Vec::new();
        for block in JOURNAL + 1..blocks {
            let start = block as usize * BLOCK_BYTES;
            let here = &bytes[start..start + BLOCK_BYTES];
            if kind(here) == Kind::Other {
                continue;
            }
            metadata.push(block);
            if kind(here) == Kind::Chunk {
                let used = |&slot: &u64| {
                    let at = (slot * INODE_SIZE) as usize;
                    here[at..at + 4] == INODE_MAGIC.to_le_bytes()
                };
                let slots = (1..CHUNK_SLOTS).filter(used);
                inodes.extend(slots.map(|slot| inode_number(block, slot)));
            }
        }
        Self {
            blocks,
            metadata,
            inodes,
        }
    }

    fn block(&self, choices: &mut Choices<'_>) -> u64 {
        if choices.once_in(16) {
            return choices.below(self.blocks);
        }
        choices.of(&self.metadata).copied().unwrap_or(0)
    }

    fn inode(&self, choices: &mut Choices<'_>) -> u64 {
        choices.of(&self.inodes).copied().unwrap_or(1)
    }

    /// A word's place in a block, mostly one that matters.
    fn word(&self, bytes: &[u8], block: u64, choices: &mut Choices<'_>) -> usize {
        let start = block as usize * BLOCK_BYTES;
        let within = if choices.once_in(16) {
            choices.below(512) * 8
        } else {
            match kind(&bytes[start..]) {
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
                Kind::Other if block < JOURNAL => choices.below(self.blocks.div_ceil(64) + 1) * 8,
                Kind::Other => choices.below(12) * 8,
            }
        };
        start + within as usize
    }

    /// A value that could mean something.
    fn value(&self, bytes: &[u8], old: u64, choices: &mut Choices<'_>) -> u64 {
        let block = choices.below(self.blocks + 2);
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
            9 => XattrRoot {
                block,
                count: choices.below(34),
            }
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
                word_at(bytes, self.word(bytes, other, choices))
            }
        }
    }
}

/// Damages something of a block, and returns which.
fn damage_once(bytes: &mut [u8], places: &Places, choices: &mut Choices<'_>) -> u64 {
    let block = places.block(choices);
    let start = block as usize * BLOCK_BYTES;
    match choices.below(12) {
        0 => {
            let at = start + choices.below(BLOCK_BYTES as u64) as usize;
            bytes[at] ^= 1 << choices.below(8);
        }
        1 => {
            let from = places.block(choices) as usize * BLOCK_BYTES;
            bytes.copy_within(from..from + BLOCK_BYTES, start);
            if choices.once_in(2) {
                // It says that it is this block.
                bytes[start + 8..start + 16].copy_from_slice(&block.to_le_bytes());
            }
        }
        2 => {
            let other = places.block(choices);
            let (one, two) = (
                places.word(bytes, block, choices),
                places.word(bytes, other, choices),
            );
            let (first, second) = (word_at(bytes, one), word_at(bytes, two));
            put(bytes, one, second);
            put(bytes, two, first);
            if choices.once_in(2) {
                seal(bytes, other);
            }
        }
        // Torn: part of what was there before, or of what something else is.
        3 => {
            let lines = choices.below(64) as usize * 64;
            if choices.once_in(2) {
                bytes[start + lines..start + BLOCK_BYTES].fill(0);
            } else {
                let from = places.block(choices) as usize * BLOCK_BYTES;
                bytes.copy_within(from..from + lines, start);
            }
        }
        4 => {
            let to = (places.inode(choices), places.inode(choices));
            let (from, to) = (inode_at(to.0), inode_at(to.1));
            let len = 8 * choices.below(33) as usize;
            bytes.copy_within(from..from + len, to);
            return (to / BLOCK_BYTES) as u64;
        }
        5 => {
            forge_record(bytes, places, choices);
            return JOURNAL;
        }
        6 => {
            // Another child or entry count, where nodes have it.
            let at = start + NODE_HEADER - 24;
            let value = places.value(bytes, word_at(bytes, at), choices);
            put(bytes, at, value);
        }
        _ => {
            let at = places.word(bytes, block, choices);
            let value = places.value(bytes, word_at(bytes, at), choices);
            put(bytes, at, value);
        }
    }
    block
}

/// A record that is whole, of words that nobody wrote.
fn forge_record(bytes: &mut [u8], places: &Places, choices: &mut Choices<'_>) {
    let start = JOURNAL as usize * BLOCK_BYTES;
    let count = 1 + choices.below(3) as usize;
    put(bytes, start, 1 + choices.below(300));
    put(bytes, start + 8, (count as u64) << 32);
    for entry in 0..count {
        let block = places.block(choices);
        let offset = places.word(bytes, block, choices) as u64;
        let value = places.value(bytes, word_at(bytes, offset as usize), choices);
        let offset = if choices.once_in(8) {
            places.value(bytes, offset, choices)
        } else {
            offset
        };
        let at = start + RECORD_HEADER + entry * RECORD_ENTRY;
        put(bytes, at, offset);
        put(bytes, at + 8, value);
    }
}

fn inode_at(ino: u64) -> usize {
    rdaxfs_core::format::inode_offset(ino) as usize
}

fn word_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("they are 8"))
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
