// SPDX-License-Identifier: GPL-2.0

//! Taking a journal slot, and what becomes of one that cannot be written.
//!
//! A record whose write failed may be on the medium in whole. Before anybody goes on it is made none: the slot
//! is zeroed, which clears poison. A slot that still cannot be written is retired: a transaction in another slot
//! sets its bit in the superblock, and it is never used again. The locks of the transaction that met the error
//! are held all the while, so that nothing is built on what it changes. When no slot is left the volume stops.

use core::mem::offset_of;
use core::sync::atomic::Ordering::Relaxed;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromZeros as _, IntoBytes as _};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::log::checksum;
use super::state::claim_number;
use super::SuperState;
use crate::format::{
    block_offset, RecordEntry, RecordHeader, Superblock, BLOCK_SIZE, RECORD_HEADER, SUPER_SHARED,
};
use crate::platform::{Platform, Stores, CACHE_LINE};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// A record that changes the retired slots in both copies of the superblock: two lines.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Retirement {
    header: RecordHeader,
    entries: [RecordEntry; RETIREMENT_ENTRIES],
}

const RETIREMENT_ENTRIES: usize = 7;
const _: () = assert!(size_of::<Retirement>() == 2 * CACHE_LINE);

impl<P: Platform> Volume<P> {
    /// Takes a slot that is not retired, for a record.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if none is left.
    pub(super) fn take_slot(&self) -> Result<P::Slot<'_>> {
        loop {
            let retired = self.retired_slots();
            if self.all_slots() & !retired == 0 {
                return Err(Error::Io);
            }
            let slot = self.platform().lock_slot(retired);
            // It may have been retired while it was waited for.
            if self.retired_slots() >> slot.slot() & 1 == 0 {
                self.use_slot(slot.slot());
                return Ok(slot);
            }
        }
    }

    /// Writes a record into a slot or, if that cannot be written, into another one; returns which.
    ///
    /// Calls `taken` with the number of each other slot before the record is written there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if no slot can be written: the volume has stopped.
    pub(super) fn put_record<'v>(
        &'v self,
        slot: P::Slot<'v>,
        record: &[u8],
        mut taken: impl FnMut(u32),
    ) -> Result<P::Slot<'v>> {
        let mut slot = slot;
        loop {
            let number = slot.slot();
            if self.write_slot(number, record).is_ok() {
                return Ok(slot);
            }
            // From now on nobody takes it; who waits for it looks again.
            self.pass_over_slots(1 << number);
            drop(slot);
            self.retire_slots(1 << number, &mut self.platform().lock_super())?;
            slot = self.take_slot()?;
            taken(slot.slot());
        }
    }

    /// Writes a record into a slot, for a transaction that holds the superblock.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the slot cannot be written. It is retired then, and the transaction has not happened:
    /// another attempt takes another slot.
    pub(super) fn put_record_once<'v>(
        &'v self,
        slot: P::Slot<'v>,
        record: &[u8],
        superblock: &mut SuperState,
    ) -> Result<P::Slot<'v>> {
        let number = slot.slot();
        if self.write_slot(number, record).is_ok() {
            return Ok(slot);
        }
        self.pass_over_slots(1 << number);
        drop(slot);
        self.retire_slots(1 << number, superblock)?;
        Err(Error::Io)
    }

    /// Writes a record into a slot. When that fails, there is none in the slot, if it can be zeroed.
    fn write_slot(&self, slot: u32, record: &[u8]) -> Result {
        let at = self.slot_offset(slot);
        if self.stores().copy_nt(at, record).is_ok() {
            return Ok(());
        }
        self.empty_slot(slot)?;
        let written = self.stores().copy_nt(at, record);
        if written.is_err() {
            // Retiring it says that it holds none: this is for the time until then.
            let _ = self.empty_slot(slot);
        }
        written
    }

    /// Zeroes a slot, durably.
    fn empty_slot(&self, slot: u32) -> Result {
        let at = self.slot_offset(slot);
        self.stores().zero_nt(at, BLOCK_SIZE)?;
        self.stores().fence();
        match self.platform().load_u64(at)? {
            0 => Ok(()),
            _ => Err(Error::Io),
        }
    }

    /// Sets the bits of slots in the superblock, by a record in another slot.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if that cannot be done: the volume has stopped.
    fn retire_slots(&self, slots: u64, superblock: &mut SuperState) -> Result {
        let done = self.try_to_retire(slots, superblock);
        if done.is_err() {
            self.shutdown();
        }
        done
    }

    #[inline(never)]
    fn try_to_retire(&self, slots: u64, superblock: &mut SuperState) -> Result {
        let mut slots = slots;
        loop {
            let slot = self.take_slot()?;
            let number = slot.slot();
            let marks = superblock.stamp.slots() & self.used_slots() & !(1 << number);
            self.flush_headers(marks);
            let mut record = self.retirement(slots)?;
            let header = &mut record.header;
            header.sequence = U64::new(self.next_number()?);
            let count = header.count.get() as usize;
            let entries = record.entries.get(..count).unwrap_or(&[]);
            record.header.crc = U32::new(checksum(self.platform(), &record.header, entries));
            if self.write_slot(number, record.as_bytes()).is_err() {
                self.pass_over_slots(1 << number);
                slots |= 1 << number;
                continue;
            }
            let medium = self.stores();
            medium.fence();
            let words = record.entries.get(..count).unwrap_or(&[]);
            for entry in words {
                medium.store_u64(entry.offset.get(), entry.value.get());
                medium.flush(entry.offset.get(), 8);
            }
            medium.fence();
            medium.store_u64(self.slot_offset(number), 0);
            superblock.stamp.set(Some(number));
            return Ok(());
        }
    }

    /// The words that retire slots, without number and checksum.
    #[inline(never)]
    fn retirement(&self, slots: u64) -> Result<Retirement> {
        let mut superblock: Superblock = self.get(0)?;
        let retired = superblock.retired_slots.get() | slots;
        superblock.retired_slots.set(retired);
        let mut record = Retirement::new_zeroed();
        let words = self.superblock_words(&superblock);
        let mut count = 0;
        for ((offset, value), entry) in words.zip(&mut record.entries) {
            entry.offset = U64::new(offset);
            entry.value = U64::new(value);
            count += 1;
        }
        record.header.count = U32::new(count);
        Ok(record)
    }

    /// The words of both copies of the superblock that change in transactions, as they are to be.
    pub(crate) fn superblock_words(
        &self,
        superblock: &Superblock,
    ) -> impl Iterator<Item = (u64, u64)> {
        let fields = [
            (
                offset_of!(Superblock, bad_blocks),
                superblock.bad_blocks.get(),
            ),
            (
                offset_of!(Superblock, retired_slots),
                superblock.retired_slots.get(),
            ),
        ];
        let words = move |start| fields.map(|(field, value)| (start + field as u64, value));
        self.superblocks().flat_map(words)
    }

    /// The offsets of both copies of the superblock, as far as they can be read: the rest is fsck's.
    pub(crate) fn superblocks(&self) -> impl Iterator<Item = u64> {
        let last = block_offset(self.blocks() - 1);
        let copy = self.platform().check_poison(last, SUPER_SHARED as u64);
        [Some(0), copy.is_ok().then_some(last)]
            .into_iter()
            .flatten()
    }

    /// Starts the marks in some slots on their way to the medium.
    pub(super) fn flush_headers(&self, slots: u64) {
        let mut left = slots;
        while left != 0 {
            let slot = left.trailing_zeros();
            left &= left - 1;
            self.stores()
                .flush(self.slot_offset(slot), RECORD_HEADER as u64);
        }
    }

    /// The number of the next record. When those of the mount are used up, those of the next one are taken.
    pub(super) fn next_number(&self) -> Result<u64> {
        let number = self.next_sequence.fetch_add(1, Relaxed);
        claim_number(self, number)?;
        Ok(number)
    }
}
