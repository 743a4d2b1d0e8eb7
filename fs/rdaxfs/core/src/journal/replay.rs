// SPDX-License-Identifier: GPL-2.0

//! What a mount does with the records that it finds. It reads the slots and what they name, however
//! large the volume is.

use super::log::Entry;
use super::Log;
use crate::format::{MAX_SLOTS, RECORD_HEADER};
use crate::platform::{Platform, Stores as _};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// Does what the records say that are whole, in their order, and clears them. A crash in between
/// leaves what another replay completes.
///
/// Returns how many there were.
///
/// # Errors
///
/// [`Error::Io`] where the medium is poisoned, [`Error::Corrupt`] when a record names what the
/// volume does not have. Nothing has been changed then.
pub(crate) fn replay<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result<u32> {
    let mut sequences = [0_u64; MAX_SLOTS as usize];
    let mut found = 0;
    // All are judged before any is done: doing one could change what another vouches for.
    for (slot, sequence) in (0..volume.slots()).zip(&mut sequences) {
        if let Some(valid) = judge(volume, log, slot)? {
            *sequence = valid;
            found += 1;
        }
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
        let header = volume.slot_offset(slot);
        medium.store_u64(header, 0);
        medium.flush(header, RECORD_HEADER as u64);
        medium.fence();
        last = sequence;
    }
    Ok(found)
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
        if judge(volume, log, slot)?.is_some() {
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

/// The record's number, if the slot has one that is whole.
fn judge<P: Platform>(volume: &Volume<P>, log: &mut Log, slot: u32) -> Result<Option<u64>> {
    if volume.word(volume.slot_offset(slot))? == 0 {
        return Ok(None);
    }
    read_slot(volume, log, slot)?;
    let Some(sequence) = log.valid_record(volume.platform()) else {
        return Ok(None);
    };
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
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(sequence))
}

fn checksum<P: Platform>(volume: &Volume<P>, offset: u64, len: u64) -> Result<u32> {
    let mut piece = [0; 64];
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
