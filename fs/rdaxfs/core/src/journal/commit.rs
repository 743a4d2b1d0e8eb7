// SPDX-License-Identifier: GPL-2.0

//! The commit, in stages that can only be gone through in order: each is made by the one before.

use core::sync::atomic::Ordering::Relaxed;

#[cfg(misuse)]
use super::Stamp;
use super::{Open, Transaction};
use crate::platform::{Platform, Stores as _, CACHE_LINE};
use crate::Result;

// Below this module, because it breaks what is private here.
#[cfg(misuse)]
#[allow(dead_code)]
#[path = "misuse.rs"]
mod misuse;

impl<P: Platform> Open<'_, '_, P> {
    /// Makes the changes, durably: when this returns they have happened, and no crash undoes them.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) when the record cannot be written; nothing has changed then.
    #[inline]
    pub(crate) fn commit(self) -> Result {
        self.0.make_durable()
    }
}

impl<'t, P: Platform> Transaction<'t, P> {
    fn make_durable(&mut self) -> Result {
        self.volume.check_running()?;
        #[cfg(debug_assertions)]
        self.check_guards()?;
        self.pin();
        if self.log.has_no_store() {
            if self.bulk || self.data {
                self.volume.stores().fence();
            }
            return Ok(());
        }
        if let Some((offset, value)) = self.log.single_store() {
            self.fence_before_store()
                .store(offset, value)
                .fence()
                .done();
            return Ok(());
        }
        self.write_record()?.fence().store_words().fence().retire();
        Ok(())
    }

    /// Starts the marks of earlier records, which could undo this one, on their way to the medium.
    /// Returns whether there were any.
    fn flush_marks(&self, own: Option<u32>) -> bool {
        let mut slots = self.groups.slots();
        for stamp in self.stamps.iter().flatten() {
            slots |= stamp.slots();
        }
        if let Some(superblock) = &self.superblock {
            slots |= superblock.stamp.slots();
        }
        if let Some(own) = own {
            // This record takes the place of that one.
            slots &= !(1 << own);
        }
        slots &= self.volume.used_slots();
        self.volume.flush_headers(slots);
        slots != 0
    }

    /// What has to be durable before a single word may be stored without a record.
    fn fence_before_store(&mut self) -> Ready<'_, 't, P> {
        let marks = self.flush_marks(None);
        if marks || self.bulk {
            self.volume.stores().fence();
        }
        Ready(self)
    }

    /// Writes the record, past the cache.
    fn write_record(&mut self) -> Result<Written<'_, 't, P>> {
        let (volume, medium) = (self.volume, self.volume.stores());
        let slot = volume.take_slot()?;
        self.flush_marks(Some(slot.slot()));
        if self.bulk {
            // The record must not be found before what it does not vouch for is there.
            medium.fence();
        }
        let sequence = volume.next_number()?;
        self.log.seal(volume.platform(), sequence);
        let slot = match self.superblock.as_deref_mut() {
            // What is on the list may not be what retiring a slot leaves of the superblock.
            Some(superblock) => volume.put_record_once(slot, self.log.bytes(), superblock)?,
            None => volume.put_record(slot, self.log.bytes(), |slot| {
                // What was to be overwritten by this record is in another slot now.
                self.flush_marks(Some(slot));
            })?,
        };
        Ok(Written {
            transaction: self,
            slot,
        })
    }

    /// The locks' next holders need to know of the record in `slot`.
    fn stamp(&mut self, slot: Option<u32>) {
        self.done = true;
        for (group, state) in self.groups.iter_mut() {
            state.stamp.set(slot);
            let (free, inodes, settled) = state.committed();
            self.volume.totals.change(group, free, inodes);
            if settled != 0 {
                self.volume.totals.let_go(u64::from(settled));
            }
            if let Some(hint) = state.hint() {
                self.volume.platform().hint(group).store(hint, Relaxed);
            }
        }
        for stamp in self.stamps.iter_mut().flatten() {
            stamp.set(slot);
        }
        if let Some(superblock) = &mut self.superblock {
            superblock.stamp.set(slot);
        }
    }
}

/// A transaction of one word that nothing stands before any more.
struct Ready<'a, 't, P: Platform>(&'a mut Transaction<'t, P>);

impl<'a, 't, P: Platform> Ready<'a, 't, P> {
    fn store(self, offset: u64, value: u64) -> Flushed<'a, 't, P> {
        let medium = self.0.volume.stores();
        medium.store_u64(offset, value);
        medium.flush(offset, 8);
        Flushed(self.0)
    }
}

/// The word is on its way to the medium.
struct Flushed<'a, 't, P: Platform>(&'a mut Transaction<'t, P>);

impl<'a, 't, P: Platform> Flushed<'a, 't, P> {
    fn fence(self) -> Stored<'a, 't, P> {
        self.0.volume.stores().fence();
        Stored(self.0)
    }
}

/// The word is durable.
struct Stored<'a, 't, P: Platform>(&'a mut Transaction<'t, P>);

impl<P: Platform> Stored<'_, '_, P> {
    fn done(self) {
        self.0.stamp(None);
    }
}

/// A record that may be durable or not.
struct Written<'a, 't, P: Platform> {
    transaction: &'a mut Transaction<'t, P>,
    slot: P::Slot<'t>,
}

impl<'a, 't, P: Platform> Written<'a, 't, P> {
    fn fence(self) -> Committed<'a, 't, P> {
        self.transaction.volume.stores().fence();
        Committed(self)
    }
}

/// A record that is durable.
struct Committed<'a, 't, P: Platform>(Written<'a, 't, P>);

impl<'a, 't, P: Platform> Committed<'a, 't, P> {
    /// Stores the words in place and starts them on their way to the medium.
    fn store_words(self) -> InPlace<'a, 't, P> {
        let medium = self.0.transaction.volume.stores();
        let log = &self.0.transaction.log;
        // Words of one line mostly come one after the other: it is flushed once for them, behind the last.
        let mut last = None;
        for (offset, value) in log.stores() {
            let line = offset & !(CACHE_LINE as u64 - 1);
            if let Some(last) = last.replace(line).filter(|&last| last != line) {
                medium.flush(last, CACHE_LINE as u64);
            }
            medium.store_u64(offset, value);
        }
        if let Some(last) = last {
            medium.flush(last, CACHE_LINE as u64);
        }
        InPlace(self.0)
    }
}

/// Words that may be durable or not, and a record that says what they are to be.
struct InPlace<'a, 't, P: Platform>(Written<'a, 't, P>);

impl<'a, 't, P: Platform> InPlace<'a, 't, P> {
    fn fence(self) -> Applied<'a, 't, P> {
        self.0.transaction.volume.stores().fence();
        Applied(self.0)
    }
}

/// Words that are durable.
struct Applied<'a, 't, P: Platform>(Written<'a, 't, P>);

impl<P: Platform> Applied<'_, '_, P> {
    /// Marks the record as done and lets go of the locks. Whoever changes the words next sees to it
    /// that the mark is durable.
    fn retire(self) {
        let Written { transaction, slot } = self.0;
        let volume = transaction.volume;
        volume
            .stores()
            .store_u64(volume.slot_offset(slot.slot()), 0);
        transaction.stamp(Some(slot.slot()));
    }
}
