// SPDX-License-Identifier: GPL-2.0

//! Where sequential readers of the text are.

use crate::line::Line;

/// How many sequential readers are told apart at a time.
const SLOTS: usize = 8;

/// Where one reader goes on.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// What is left of a line that the reader has seen the beginning of.
    pub(crate) line: Line,
    /// Then: the ranges from this sector on.
    pub(crate) sector: u64,
}

#[derive(Clone, Copy)]
struct Cursor {
    cookie: u64,
    /// The offset that the reader will ask for if it is a sequential one.
    offset: u64,
    place: Place,
    /// When it was last used; 0 for one that has seen the end, the first to be given away.
    used: u64,
}

/// The places of the latest readers, the least recently used one given away first.
pub(crate) struct Cursors {
    slots: [Option<Cursor>; SLOTS],
    clock: u64,
}

impl Cursors {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [None; SLOTS],
            clock: 0,
        }
    }

    /// Where the reader `cookie` goes on, if its last read ended just before `offset`.
    pub(crate) fn at(&self, cookie: u64, offset: u64) -> Option<Place> {
        let mut cursors = self.slots.iter().flatten();
        let cursor = cursors.find(|c| c.cookie == cookie && c.offset == offset)?;
        Some(cursor.place)
    }

    /// The reader `cookie` goes on at `place` if it asks for `offset` next.
    pub(crate) fn keep(&mut self, cookie: u64, offset: u64, place: Place, at_end: bool) {
        self.clock = self.clock.wrapping_add(1);
        let used = if at_end { 0 } else { self.clock };
        let cursor = Some(Cursor {
            cookie,
            offset,
            place,
            used,
        });
        let is_own = |slot: &&mut Option<Cursor>| slot.is_some_and(|c| c.cookie == cookie);
        if let Some(slot) = self.slots.iter_mut().find(is_own) {
            *slot = cursor;
            return;
        }
        // `None`, a free slot, is the oldest of all.
        let age = |slot: &&mut Option<Cursor>| slot.map(|c| c.used);
        if let Some(slot) = self.slots.iter_mut().min_by_key(age) {
            *slot = cursor;
        }
    }
}
