// SPDX-License-Identifier: GPL-2.0

//! What a mount does with the records that it finds. It reads the slots and what they name, however
//! large the volume is.

use super::log::Entry;
use super::Log;
use crate::format::{MAX_CHECKED, MAX_SLOTS, RECORD_HEADER};
use crate::platform::{Platform, Stores as _, CACHE_LINE};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// Does what the records say that are whole, in their order, and clears them. A crash in between
/// leaves what another replay completes. Those that are not whole are cleared too: what they vouch for may
/// come to be as they say, when fsck mends it.
///
/// Returns how many were done.
///
/// # Errors
///
/// [`Error::Io`] where the medium is poisoned, [`Error::Corrupt`] when a record names what the
/// volume does not have. Nothing has been changed then.
pub(crate) fn replay<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result<u32> {
    let mut sequences = [0_u64; MAX_SLOTS as usize];
    let (mut found, mut torn) = (0, 0_u64);
    // All are judged before any is done: doing one could change what another vouches for.
    for (slot, sequence) in (0..volume.slots()).zip(&mut sequences) {
        match judge(volume, log, slot)? {
            Slot::Empty => {}
            Slot::Torn => torn |= 1 << slot,
            Slot::Whole(number) => {
                *sequence = number;
                found += 1;
            }
        }
    }
    for slot in (0..volume.slots()).filter(|slot| torn >> slot & 1 == 1) {
        clear(volume, slot);
    }
    if found == 0 {
        return Ok(0);
    }

    let medium = volume.stores();
    let mut last = 0;
    while let Some((slot, sequence)) = next_after(&sequences, last) {
        read_slot(volume, log, slot)?;
        for entry in log.entries() {
            if let Entry::Store { offset, value } = entry {
                medium.store_u64(offset, value);
                medium.flush(offset, 8);
            }
        }
        last = sequence;
    }
    medium.fence();

    // In order too: were a later record cleared before an earlier one, another replay would do
    // the earlier one alone.
    let mut last = 0;
    while let Some((slot, sequence)) = next_after(&sequences, last) {
        clear(volume, slot);
        medium.fence();
        last = sequence;
    }
    Ok(found)
}

/// Starts to make a slot empty.
fn clear<P: Platform>(volume: &Volume<P>, slot: u32) {
    let header = volume.slot_offset(slot);
    volume.stores().store_u64(header, 0);
    volume.stores().flush(header, RECORD_HEADER as u64);
}

/// Starts the marks of all records on their way to the medium, so that after an unmount there is none
/// left to do: a mount that may not store would have to refuse the volume.
pub(super) fn flush_marks<P: Platform>(volume: &Volume<P>) {
    for slot in 0..volume.slots() {
        let header = volume.slot_offset(slot);
        volume.stores().flush(header, RECORD_HEADER as u64);
    }
}

/// Whether there is a record that is whole.
pub(crate) fn any_record<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result<bool> {
    for slot in 0..volume.slots() {
        if matches!(judge(volume, log, slot)?, Slot::Whole(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn next_after(sequences: &[u64], last: u64) -> Option<(u32, u64)> {
    let later = (0..)
        .zip(sequences.iter().copied())
        .filter(|&(_, sequence)| sequence > last);
    later.min_by_key(|&(_, sequence)| sequence)
}

fn read_slot<P: Platform>(volume: &Volume<P>, log: &mut Log, slot: u32) -> Result {
    volume.read(
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

fn judge<P: Platform>(volume: &Volume<P>, log: &mut Log, slot: u32) -> Result<Slot> {
    if volume.word(volume.slot_offset(slot))? == 0 {
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
