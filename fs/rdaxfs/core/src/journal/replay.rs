// SPDX-License-Identifier: GPL-2.0

//! What a mount does with the records that it finds. It reads the slots and what they name, however
//! large the volume is.

use core::mem::offset_of;

use super::log::Entry;
use super::pin::Pinned;
use super::Log;
use crate::format::{Superblock, BLOCK_SIZE, MAX_CHECKED, MAX_SLOTS, RECORD_HEADER};
use crate::platform::{Platform, Stores, CACHE_LINE};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// What the slots hold.
struct Records {
    /// The number of the record in each slot that has one.
    sequences: [u64; MAX_SLOTS as usize],
    /// A bit for each slot with a record, or bytes, that are not whole.
    torn: u64,
    /// The slots that are retired when the records have been replayed.
    retired: u64,
}

impl Records {
    const fn new(retired: u64) -> Self {
        Self {
            sequences: [0; MAX_SLOTS as usize],
            torn: 0,
            retired,
        }
    }
}

/// Does what the records say that are whole, in their order, and clears them. A crash in between
/// leaves what another replay completes. Those that are not whole are cleared too: what they vouch for may
/// come to be as they say, when fsck repairs it.
///
/// Returns how many were done.
///
/// # Errors
///
/// [`Error::Io`] where the medium is poisoned, [`Error::Corrupt`] when a record names what the
/// volume does not have. Nothing has been changed then.
#[inline(never)]
pub(crate) fn replay<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result<u32> {
    let mut records = Records::new(volume.retired_slots());
    find(volume, log, &mut records)?;
    let medium = Pinned::new(volume.stores());
    for slot in (0..volume.slots()).filter(|slot| records.torn >> slot & 1 == 1) {
        clear(volume, slot);
    }
    let mut found = 0;
    let mut last = 0;
    while let Some((slot, sequence)) = next_after(&records.sequences, last) {
        read_slot(volume, log, slot)?;
        for entry in log.entries() {
            if let Entry::Store { offset, value } = entry {
                medium.store_u64(offset, value);
                medium.flush(offset, 8);
            }
        }
        found += 1;
        last = sequence;
    }
    if found == 0 {
        return Ok(0);
    }
    medium.fence();
    // Those who read on from a mount without stores find the words in place now.
    volume.overlay().clear();

    // In order too: were a later record cleared before an earlier one, another replay would do
    // the earlier one alone.
    let mut last = 0;
    while let Some((slot, sequence)) = next_after(&records.sequences, last) {
        clear(volume, slot);
        medium.fence();
        last = sequence;
    }
    Ok(found)
}

/// Has the volume read as the records leave it, without storing anything.
///
/// # Errors
///
/// As for [`replay`].
#[inline(never)]
pub(crate) fn overlay<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result {
    let mut records = Records::new(volume.retired_slots());
    find(volume, log, &mut records)?;
    let mut last = 0;
    while let Some((slot, sequence)) = next_after(&records.sequences, last) {
        read_slot(volume, log, slot)?;
        for (offset, _) in log.stores() {
            volume.overlay().add_word(offset);
        }
        last = sequence;
    }
    for (slot, &sequence) in (0..).zip(&records.sequences) {
        if sequence != 0 {
            volume.overlay().add_slot(slot);
        }
    }
    Ok(())
}

/// Judges all slots. All are judged before any record is done: doing one could change what another vouches
/// for.
#[inline(never)]
fn find<P: Platform>(volume: &Volume<P>, log: &mut Log, records: &mut Records) -> Result {
    // What a record says of retired slots counts: it may be why another slot cannot be read.
    let (mut unreadable, mut last) = (0, 0);
    for slot in (0..volume.slots()).filter(|slot| volume.retired_slots() >> slot & 1 == 0) {
        match judge(volume, log, slot) {
            Ok(Slot::Empty) => {}
            Ok(Slot::Torn) => records.torn |= 1 << slot,
            Ok(Slot::Whole(number)) => {
                if let Some(place) = records.sequences.get_mut(slot as usize) {
                    *place = number;
                }
                let word = log.word(offset_of!(Superblock, retired_slots) as u64);
                if let Some(word) = word.filter(|_| number > last) {
                    records.retired = word;
                    last = number;
                }
            }
            Err(Error::Io) => unreadable |= 1 << slot,
            Err(error) => return Err(error),
        }
    }
    if unreadable & !records.retired != 0 {
        return Err(Error::Io);
    }
    for (slot, sequence) in (0..volume.slots()).zip(&mut records.sequences) {
        if records.retired >> slot & 1 == 1 {
            *sequence = 0;
            records.torn &= !(1 << slot);
        }
    }
    Ok(())
}

/// Starts to make a slot empty.
fn clear<P: Platform>(volume: &Volume<P>, slot: u32) {
    let header = volume.slot_offset(slot);
    volume.stores().store_u64(header, 0);
    volume.stores().flush(header, RECORD_HEADER as u64);
}

/// Zeroes all slots, durably. The journal has been replayed.
pub(crate) fn empty_slots<P: Platform>(volume: &Volume<P>) -> Result {
    let medium = Pinned::new(volume.stores());
    for slot in (0..volume.slots()).filter(|slot| volume.retired_slots() >> slot & 1 == 0) {
        medium.zero_nt(volume.slot_offset(slot), BLOCK_SIZE)?;
    }
    medium.fence();
    Ok(())
}

/// Makes the marks of all records durable, so that after a crash there is none to replay. No operation runs.
pub(crate) fn settle_marks<P: Platform>(volume: &Volume<P>) {
    let medium = Pinned::new(volume.stores());
    volume.flush_headers(volume.all_slots());
    medium.fence();
}

fn next_after(sequences: &[u64], last: u64) -> Option<(u32, u64)> {
    let later = (0..)
        .zip(sequences.iter().copied())
        .filter(|&(_, sequence)| sequence > last);
    later.min_by_key(|&(_, sequence)| sequence)
}

fn read_slot<P: Platform>(volume: &Volume<P>, log: &mut Log, slot: u32) -> Result {
    volume.platform().read(
        volume.slot_offset(slot),
        zerocopy::IntoBytes::as_mut_bytes(log),
    )
}

/// What a slot has.
enum Slot {
    Empty,
    /// A record, or bytes, that are not whole.
    Torn,
    /// A record with that number.
    Whole(u64),
}

#[inline(never)]
fn judge<P: Platform>(volume: &Volume<P>, log: &mut Log, slot: u32) -> Result<Slot> {
    if volume.platform().load_u64(volume.slot_offset(slot))? == 0 {
        return Ok(Slot::Empty);
    }
    read_slot(volume, log, slot)?;
    let Some(sequence) = log.valid_record(volume.platform()) else {
        return Ok(Slot::Torn);
    };
    let checked = log.entries().map(Entry::checked);
    if checked.fold(0, u64::saturating_add) > MAX_CHECKED {
        return Err(Error::Corrupt);
    }
    for entry in log.entries() {
        match entry {
            Entry::Store { offset, .. } => {
                if offset % 8 != 0 {
                    return Err(Error::Corrupt);
                }
                // Poison is met before anything is stored.
                volume.check_poison(offset, 8)?;
            }
            Entry::Check { offset, len, crc } => {
                if checksum(volume, offset, len)? != crc {
                    return Ok(Slot::Torn);
                }
            }
        }
    }
    Ok(Slot::Whole(sequence))
}

fn checksum<P: Platform>(volume: &Volume<P>, offset: u64, len: u64) -> Result<u32> {
    let mut piece = [0; CACHE_LINE];
    let mut crc = 0;
    let mut done = 0;
    while done < len {
        let now = (len - done).min(piece.len() as u64);
        let piece = piece.get_mut(..now as usize).unwrap_or(&mut []);
        volume.read(offset.saturating_add(done), piece)?;
        crc = volume.platform().crc32c(crc, piece);
        done += now;
    }
    Ok(crc)
}
