// SPDX-License-Identifier: GPL-2.0

//! The volume's free blocks and inodes in use, for statfs(2) and the unmount.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::handle::handle;
use crate::platform::Platform;
use crate::{Error, Result};

/// The totals of the groups that have been counted, which are the first ones. Transactions add what they
/// change.
///
/// # Invariants
///
/// A group that is below `counted` has its numbers in the totals; of the others they have nothing. `counted`
/// passes a group under the lock of that group, under which its numbers change too.
pub(crate) struct Totals {
    counted: AtomicU32,
    free: AtomicU64,
    inodes: AtomicU64,
    /// How many blocks that are free on the medium are set aside, in all groups: claimed, or bad. Chunks that are
    /// avoided as a whole do not count.
    aside: AtomicU64,
}

impl Totals {
    /// Of a volume of which nothing is known.
    pub(crate) const fn new() -> Self {
        Self {
            counted: AtomicU32::new(0),
            free: AtomicU64::new(0),
            inodes: AtomicU64::new(0),
            aside: AtomicU64::new(0),
        }
    }

    /// They are known, of so many groups.
    pub(crate) fn set(&self, groups: u32, free: u64, inodes: u64) {
        self.free.store(free, Relaxed);
        self.inodes.store(inodes, Relaxed);
        self.counted.store(groups, Relaxed);
    }

    /// A transaction has changed a group, whose lock it holds, by so much.
    pub(crate) fn change(&self, group: u32, free: i64, inodes: i64) {
        if group >= self.counted.load(Relaxed) {
            return;
        }
        if free != 0 {
            self.free.fetch_add(free as u64, Relaxed);
        }
        if inodes != 0 {
            self.inodes.fetch_add(inodes as u64, Relaxed);
        }
    }

    /// So many free blocks are set aside, in a group whose lock is held.
    pub(crate) fn set_aside(&self, blocks: u64) {
        self.aside.fetch_add(blocks, Relaxed);
    }

    /// So many blocks are not set aside any more, in a group whose lock is held.
    pub(crate) fn let_go(&self, blocks: u64) {
        self.aside.fetch_sub(blocks, Relaxed);
    }
}

handle! {
    /// What is free and what is in use in a volume.
    Space
}

impl<P: Platform> Space<'_, P> {
    /// What statfs(2) says: as [`totals`](Self::totals), without the free blocks that nobody can take at the moment.
    /// What a write has claimed is as good as used; what is bad is used until it has been repaired, or belongs to
    /// the bad-block owner.
    ///
    /// # Errors
    ///
    /// Those of `totals`.
    pub fn available(self) -> Result<(u64, u64)> {
        let (free, inodes) = self.totals()?;
        // They may change in between.
        let aside = self.volume.totals.aside.load(Relaxed);
        Ok((free.saturating_sub(aside), inodes))
    }

    /// The free blocks, and the inodes in use. After a mount of a volume that was clean they are known; else
    /// the first call looks at every group's header, while others may change them.
    ///
    /// No group's lock is held.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::Io`] if the header of a group cannot be used.
    pub fn totals(self) -> Result<(u64, u64)> {
        let totals = &self.volume.totals;
        loop {
            let group = totals.counted.load(Relaxed);
            if group >= self.volume.groups() {
                break;
            }
            let _held = self.volume.platform().lock_group(group, 0);
            if totals.counted.load(Relaxed) != group {
                // Somebody else has counted it.
                continue;
            }
            let header = self.volume.read_group(group)?;
            let inodes = i64::try_from(header.inodes.get()).map_err(|_| Error::Corrupt)?;
            totals.counted.store(group + 1, Relaxed);
            totals.change(group, i64::from(header.free.get()), inodes);
        }
        Ok((totals.free.load(Relaxed), totals.inodes.load(Relaxed)))
    }

    /// The free blocks of a group and its inodes in use, as its header says: the caller adds them up after a
    /// mount of a volume that was not clean.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is no such group, [`Error::Corrupt`] or [`Error::Io`] if its
    /// header cannot be used.
    pub fn of_group(self, group: u32) -> Result<(u32, u64)> {
        if group >= self.volume.groups() {
            return Err(Error::Invalid);
        }
        let _held = self.volume.platform().lock_group(group, 0);
        let header = self.volume.read_group(group)?;
        Ok((header.free.get(), header.inodes.get()))
    }
}
