// SPDX-License-Identifier: GPL-2.0

//! What a lock remembers of the transactions under it.

use super::guarded::Guarded;
use crate::format::MAX_SLOTS;

/// Part of what every lock guards: the journal slots with records that may still be found and that
/// have words under this lock. See [`journal`](crate::journal).
#[derive(Debug)]
pub struct Stamp {
    slots: u64,
    /// What the lock guards: asserted of each word that is set under it.
    #[cfg(debug_assertions)]
    pub(super) guarded: Guarded,
}

const _: () = assert!(MAX_SLOTS <= u64::BITS);

impl Stamp {
    /// The stamp of a lock of which nothing is known, as of an inode that comes into the cache
    /// again: all slots.
    #[must_use]
    pub(crate) const fn unknown(guarded: Guarded) -> Self {
        Self::with(u64::MAX, guarded)
    }

    /// The stamp of a lock that comes into being with what it guards: no slot. What was at the same
    /// place before it was freed is not a concern: the transaction that takes its block or inode has
    /// the stamp of the group.
    pub(crate) const fn new() -> Self {
        Self::with(0, Guarded::New)
    }

    #[cfg_attr(not(debug_assertions), expect(unused_variables))]
    const fn with(slots: u64, guarded: Guarded) -> Self {
        Self {
            slots,
            #[cfg(debug_assertions)]
            guarded,
        }
    }

    /// The slots.
    pub(super) const fn slots(&self) -> u64 {
        self.slots
    }

    /// Only the record in `slot` has words under the lock; [`None`]: no record has.
    pub(super) fn set(&mut self, slot: Option<u32>) {
        self.slots = match slot {
            Some(slot) => 1 << (slot % MAX_SLOTS),
            None => 0,
        };
    }
}

/// What the lock of the superblock's words guards that change while the volume is mounted.
#[derive(Debug)]
pub struct SuperState {
    pub(crate) stamp: Stamp,
}

impl SuperState {
    /// The state of a volume that is about to be mounted.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stamp: Stamp::unknown(Guarded::Super),
        }
    }
}

impl Default for SuperState {
    fn default() -> Self {
        Self::new()
    }
}

/// A journal slot, which the caller keeps under a lock of its own.
#[derive(Debug)]
pub struct SlotState {
    slot: u32,
}

impl SlotState {
    /// Slot number `slot`, which must be less than the volume's number of slots and have no other
    /// state.
    #[must_use]
    pub const fn new(slot: u32) -> Self {
        Self { slot }
    }

    /// Its number.
    #[must_use]
    pub const fn slot(&self) -> u32 {
        self.slot
    }
}
