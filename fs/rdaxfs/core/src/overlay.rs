// SPDX-License-Identifier: GPL-2.0

//! Reading a volume as its journal's records leave it, where nothing may be stored.
//!
//! The records stay in their slots. A read looks for words of them in what it has read, in the order of the
//! records, so that nothing has to be allocated. A filter says which blocks no record has a word of.

use core::mem::offset_of;
use core::sync::atomic::{
    fence, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use crate::format::{
    RecordEntry, RecordHeader, BLOCK_SHIFT, BLOCK_SIZE, ENTRY_CHECK, MAX_ENTRIES, MAX_SLOTS,
    RECORD_ENTRY, RECORD_HEADER,
};
use crate::platform::Medium;
use crate::Result;

const FILTER_WORDS: usize = 8;

/// The slots whose records are not done on the medium.
pub(crate) struct Overlay {
    /// A bit for each of them.
    slots: AtomicU64,
    /// A bit for each residue of a block's number of which a record has a word.
    filter: [AtomicU64; FILTER_WORDS],
}

impl Overlay {
    /// No records.
    pub(crate) const fn new() -> Self {
        Self {
            slots: AtomicU64::new(0),
            filter: [const { AtomicU64::new(0) }; FILTER_WORDS],
        }
    }

    /// Whether the medium is what it says.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.load(Relaxed) == 0
    }

    /// The record of a slot counts from now on.
    pub(crate) fn add_slot(&self, slot: u32) {
        self.slots.fetch_or(1 << (slot % MAX_SLOTS), Relaxed);
    }

    /// A record has a word there.
    pub(crate) fn add_word(&self, offset: u64) {
        if let Some((word, bit)) = self.place(offset >> BLOCK_SHIFT) {
            word.fetch_or(bit, Relaxed);
        }
    }

    /// The records' words are in place. Only after this may slots be emptied.
    pub(crate) fn clear(&self) {
        self.slots.store(0, Release);
        fence(Release);
    }

    fn place(&self, block: u64) -> Option<(&AtomicU64, u64)> {
        let bit = block % (64 * FILTER_WORDS as u64);
        let word = self.filter.get((bit / 64) as usize)?;
        Some((word, 1 << (bit % 64)))
    }

    /// Whether a record may have a word of a range, which is short.
    fn may_have(&self, offset: u64, len: u64) -> bool {
        let blocks = offset >> BLOCK_SHIFT..=offset.saturating_add(len.max(1) - 1) >> BLOCK_SHIFT;
        let mut blocks = blocks.take(64 * FILTER_WORDS);
        blocks.any(|block| {
            self.place(block)
                .is_some_and(|(word, bit)| word.load(Relaxed) & bit != 0)
        })
    }

    /// Reads bytes as the records leave them. The first of the journal's slots is at `slots`.
    #[cold]
    pub(crate) fn read(
        &self,
        medium: &impl Medium,
        slots: u64,
        offset: u64,
        into: &mut [u8],
    ) -> Result {
        medium.read(offset, into)?;
        if !self.may_have(offset, into.len() as u64) {
            return Ok(());
        }
        let whole = self.slots.load(Relaxed);
        let mut last = 0;
        while let Some(record) = Record::after(medium, slots, whole, last)? {
            for at in 0..record.count {
                let entry = record.offset + (RECORD_HEADER + at * RECORD_ENTRY) as u64;
                let word = medium.load_u64(entry + offset_of!(RecordEntry, offset) as u64)?;
                if word & ENTRY_CHECK == 0 {
                    let value = medium.load_u64(entry + offset_of!(RecordEntry, value) as u64)?;
                    put_word(offset, into, word, value);
                }
            }
            last = record.sequence;
        }
        // A change to a mount for writing puts the words in place, says so, and then empties the slots: if it
        // has not said so until here, they were as they are to be read above.
        fence(Acquire);
        if self.is_empty() {
            medium.read(offset, into)?;
        }
        Ok(())
    }
}

/// A record that is whole.
struct Record {
    /// The slot's byte offset.
    offset: u64,
    sequence: u64,
    /// The number of entries.
    count: usize,
}

impl Record {
    /// Of the records in the slots of that mask the first one behind a number.
    fn after(medium: &impl Medium, slots: u64, mask: u64, last: u64) -> Result<Option<Self>> {
        let mut first: Option<Self> = None;
        for slot in (0..MAX_SLOTS).filter(|slot| mask >> slot & 1 == 1) {
            let offset = slots + u64::from(slot) * BLOCK_SIZE;
            let sequence = medium.load_u64(offset)?;
            let is_later = first
                .as_ref()
                .is_some_and(|first| first.sequence <= sequence);
            if sequence <= last || is_later {
                continue;
            }
            let word = medium.load_u64(offset + offset_of!(RecordHeader, crc) as u64)?;
            first = Some(Self {
                offset,
                sequence,
                count: ((word >> 32) as usize).min(MAX_ENTRIES),
            });
        }
        Ok(first)
    }
}

/// Copies what a range has of a word; neither end of it need be that of a word.
pub(crate) fn put_word(offset: u64, into: &mut [u8], at: u64, value: u64) {
    let end = offset.saturating_add(into.len() as u64);
    let from = at.max(offset);
    let to = at.saturating_add(8).min(end);
    if from >= to {
        return;
    }
    let word = value.to_le_bytes();
    let word = word.get((from - at) as usize..(to - at) as usize);
    let place = into.get_mut((from - offset) as usize..(to - offset) as usize);
    if let (Some(word), Some(place)) = (word, place) {
        place.copy_from_slice(word);
    }
}

const _: () = assert!(offset_of!(RecordHeader, count) == offset_of!(RecordHeader, crc) + 4);
