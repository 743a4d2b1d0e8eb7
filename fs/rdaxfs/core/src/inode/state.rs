// SPDX-License-Identifier: GPL-2.0

//! What the locks of an inode guard.

use crate::alloc::Reservation;
use crate::journal::{Guarded, Stamp};

/// What an inode's map lock guards, beside the inode on the medium: its contents (extents, entries),
/// size, attributes, times and links; all but its extended attributes and its place in the group's
/// list of orphans.
///
/// Whoever has it, has the lock: the caller keeps one for each inode in use, and no second one.
#[derive(Debug)]
pub struct MapState {
    pub(crate) ino: u64,
    pub(crate) generation: u32,
    pub(crate) stamp: Stamp,
    /// The chunk that the file has for itself.
    pub(crate) reservation: Option<Reservation>,
}

impl MapState {
    /// The state of an inode that comes into the cache: `ino` and `generation` as
    /// [`Inodes::open`](crate::inode::Inodes::open) or the inode's creation gave them.
    pub(crate) const fn new(ino: u64, generation: u32) -> Self {
        Self {
            ino,
            generation,
            stamp: Stamp::unknown(Guarded::Contents(ino)),
            reservation: None,
        }
    }

    /// The state of an inode that a transaction has made, which has set the stamp.
    pub(crate) fn made(ino: u64, generation: u32, mut stamp: Stamp) -> Self {
        stamp.guard(Guarded::Contents(ino));
        Self {
            ino,
            generation,
            stamp,
            reservation: None,
        }
    }

    /// The inode's number.
    #[must_use]
    pub const fn ino(&self) -> u64 {
        self.ino
    }

    /// Which of the inodes with that number it is.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }
}

/// What an inode's lock of extended attributes guards: those attributes. Taken before the map lock
/// when both are needed, which is when attributes change.
#[derive(Debug)]
pub struct XattrState {
    pub(crate) ino: u64,
    pub(crate) stamp: Stamp,
}

impl XattrState {
    /// The state of the inode of `map`.
    #[must_use]
    pub const fn new(map: &MapState) -> Self {
        Self {
            ino: map.ino,
            stamp: Stamp::unknown(Guarded::Xattrs(map.ino)),
        }
    }

    /// The inode's number.
    #[must_use]
    pub const fn ino(&self) -> u64 {
        self.ino
    }
}
