// SPDX-License-Identifier: GPL-2.0

//! A small redo log: what the checker's own tests check. Each CPU has a slot.

use rdaxfs_crash::{Lock, Recorder};

/// The words that transactions change lie in different lines.
pub(crate) const WORDS: u64 = 4;
const SLOT_BYTES: u64 = 256;
const DATA: u64 = 2 * SLOT_BYTES;

/// What guards the words.
pub(crate) struct Volume<'a> {
    pub(crate) medium: &'a Recorder,
    pub(crate) lock: Lock<()>,
}

impl<'a> Volume<'a> {
    pub(crate) fn new(medium: &'a Recorder) -> Self {
        Self {
            medium,
            lock: Lock::new(()),
        }
    }

    /// Changes words, all or none. The volume is locked.
    pub(crate) fn commit(&self, slot: u64, changes: &[(u64, u64)]) {
        let at = slot * SLOT_BYTES;
        let list = changes.iter().flat_map(|&(word, value)| [word, value]);
        let list: Vec<u8> = list.flat_map(u64::to_le_bytes).collect();
        self.medium.stream(at + 64, &list);
        self.medium.fence();
        self.valid(at, changes.len() as u64);
        self.apply(changes);
        self.medium.store(at, 0);
        self.medium.flush(at, 8);
        self.medium.fence();
    }

    fn valid(&self, at: u64, count: u64) {
        self.medium.store(at, count);
        self.medium.flush(at, 8);
        self.medium.fence();
    }

    fn apply(&self, changes: &[(u64, u64)]) {
        for &(word, value) in changes {
            self.medium.store(place(word), value);
            self.medium.flush(place(word), 8);
        }
        self.medium.fence();
    }

    /// Adds to a word and takes from another, under the lock.
    pub(crate) fn transfer(&self, slot: u64, from: u64, to: u64, amount: u64) {
        let _held = self.lock.lock();
        let changes = [
            (from, self.word(from) - amount),
            (to, self.word(to) + amount),
        ];
        self.commit(slot, &changes);
    }

    pub(crate) fn word(&self, word: u64) -> u64 {
        read(self.medium, place(word))
    }
}

pub(crate) fn place(word: u64) -> u64 {
    DATA + 64 * word
}

pub(crate) fn read(medium: &Recorder, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    medium.read(offset, &mut bytes);
    u64::from_le_bytes(bytes)
}

/// After a crash.
pub(crate) fn recover(medium: &Recorder) {
    for slot in 0..2 {
        let at = slot * SLOT_BYTES;
        let count = read(medium, at);
        if count == 0 {
            continue;
        }
        for change in 0..count {
            let word = read(medium, at + 64 + 16 * change);
            medium.store(place(word), read(medium, at + 72 + 16 * change));
            medium.flush(place(word), 8);
        }
        medium.fence();
        medium.store(at, 0);
        medium.flush(at, 8);
        medium.fence();
    }
}

pub(crate) fn words(medium: &Recorder) -> Vec<u64> {
    (0..WORDS).map(|word| read(medium, place(word))).collect()
}
