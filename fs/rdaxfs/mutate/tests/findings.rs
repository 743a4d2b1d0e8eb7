// SPDX-License-Identifier: GPL-2.0

//! What trials have found that no other crate's tests have, each put together by hand.

use std::mem::offset_of;

use rdaxfs_core::format::{block_offset, group_bitmap, Superblock, RECORD_HEADER};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::superblock::read_superblock;
use rdaxfs_mutate::repair::{repair, Repaired};
use rdaxfs_mutate::seal::{seal, seal_record};
use rdaxfs_mutate::Memory;

const BLOCKS: u64 = 512;

/// Puts a record with those words into a journal slot, which is at that block.
fn put_record(medium: &Memory, block: u64, words: &[(u64, u64)]) {
    let at = block_offset(block);
    medium.put_word(at, 1);
    medium.put_word(at + 8, (words.len() as u64) << 32);
    let entries = (at + RECORD_HEADER as u64..).step_by(16);
    for (entry, &(offset, value)) in entries.zip(words) {
        medium.put_word(entry, offset);
        medium.put_word(entry + 8, value);
    }
    seal_record(medium, block);
}

/// A record makes the journal longer; in the new part there is another that nobody has looked at, and which
/// the mount that gives names would do after all was repaired.
#[test]
fn a_record_that_a_record_brings_to_light_is_dropped() {
    let medium = Memory::new(BLOCKS);
    let superblock = make(&medium, &Options::new(BLOCKS)).unwrap();
    assert!(superblock.slots.get() > 1);
    let (slots_at, of_slots) = (
        superblock.slots_at.get(),
        offset_of!(Superblock, slots) as u64,
    );
    assert_eq!(of_slots % 8, 4);
    let whole = [8, of_slots - 4].map(|offset| (offset, medium.word(offset)));
    for block in [0, BLOCKS - 1] {
        medium.put(block_offset(block) + of_slots, &1_u32.to_le_bytes());
        seal(&medium, block);
    }
    assert_eq!(read_superblock(&medium, 0).unwrap().slots.get(), 1);
    put_record(&medium, slots_at, &whole);
    let bitmap = block_offset(group_bitmap(0));
    put_record(&medium, slots_at + 1, &[(bitmap, u64::MAX)]);
    assert!(matches!(repair(&medium), Repaired::Good(_)));
    assert_eq!(read_superblock(&medium, 0).unwrap().slots, superblock.slots);
    assert_ne!(medium.word(bitmap), u64::MAX);
}
