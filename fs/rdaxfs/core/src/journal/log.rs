// SPDX-License-Identifier: GPL-2.0

//! A transaction's list, as it becomes the record.

use zerocopy::little_endian::U64;
use zerocopy::IntoBytes as _;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::filter::Filter;
use crate::format::{
    RecordEntry, RecordHeader, ENTRY_CHECK, MAX_CHECKED, MAX_ENTRIES, RECORD_ENTRY, RECORD_HEADER,
};
use crate::platform::{Digest, CACHE_LINE};
use crate::{Error, Result};

/// Room for a transaction's list: part of the workspace that a caller passes.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Log {
    header: RecordHeader,
    entries: [RecordEntry; MAX_ENTRIES],
}

/// What a list says of a word or of bytes elsewhere.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    /// Store `value` at `offset`.
    Store { offset: u64, value: u64 },
    /// The `len` bytes at `offset` have the checksum `crc`.
    Check { offset: u64, len: u64, crc: u32 },
}

impl Entry {
    fn of(raw: &RecordEntry) -> Self {
        Self::new(raw.offset.get(), raw.value.get())
    }

    /// What the words of an entry say.
    pub(super) const fn new(offset: u64, value: u64) -> Self {
        if offset & ENTRY_CHECK == 0 {
            Self::Store { offset, value }
        } else {
            Self::Check {
                offset: offset & !7,
                len: value >> 32,
                crc: value as u32,
            }
        }
    }
}

impl Entry {
    /// How many bytes it vouches for.
    pub(super) const fn checked(self) -> u64 {
        match self {
            Self::Store { .. } => 0,
            Self::Check { len, .. } => len,
        }
    }

    /// Whether bytes that are vouched for are among those of a range.
    fn overlaps(self, offset: u64, len: u64) -> bool {
        match self {
            Self::Store { .. } => false,
            Self::Check {
                offset: start,
                len: checked,
                ..
            } => start < offset.saturating_add(len) && offset < start.saturating_add(checked),
        }
    }
}

impl Log {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        zerocopy::FromZeros::new_zeroed()
    }

    pub(super) fn reset(&mut self) {
        self.header.count.set(0);
    }

    fn count(&self) -> usize {
        self.header.count.get() as usize
    }

    /// The entries, in the order in which they were added.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.raw().iter().map(Entry::of)
    }

    /// The words.
    pub(super) fn stores(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.entries().filter_map(|entry| match entry {
            Entry::Store { offset, value } => Some((offset, value)),
            Entry::Check { .. } => None,
        })
    }

    fn raw(&self) -> &[RecordEntry] {
        self.entries.get(..self.count()).unwrap_or(&[])
    }

    /// The value that the list has for a word.
    pub(super) fn word(&self, offset: u64) -> Option<u64> {
        self.raw()
            .iter()
            .find(|raw| raw.offset.get() == offset)
            .map(|raw| raw.value.get())
    }

    /// Lists a word and its value; if it is `listed`, in place of an earlier one.
    ///
    /// Not one of the bytes that the record vouches for: once it was in place, a second recovery would take the
    /// record for one that is not whole.
    pub(super) fn set(
        &mut self,
        filter: &mut Filter,
        (offset, value): (u64, u64),
        listed: bool,
    ) -> Result {
        if filter.may_check(offset) && self.entries().any(|entry| entry.overlaps(offset, 8)) {
            return Err(Error::Invalid);
        }
        if listed {
            let count = self.count();
            let known = self.entries.get_mut(..count).unwrap_or(&mut []);
            let raw = known.iter_mut().find(|raw| raw.offset.get() == offset);
            raw.ok_or(Error::Invalid)?.value.set(value);
            return Ok(());
        }
        filter.store(offset);
        self.push(offset, value)
    }

    /// Lists bytes whose checksum continues the last entry's, if they follow on it.
    pub(super) fn check(
        &mut self,
        digest: &impl Digest,
        filter: &mut Filter,
        offset: u64,
        bytes: &[u8],
    ) -> Result {
        let len = bytes.len() as u64;
        let within = |(word, _)| word >= offset && word - offset < len;
        if filter.may_store(offset, len) && self.stores().any(within) {
            return Err(Error::Invalid);
        }
        filter.check(offset, len);
        if filter.checked > MAX_CHECKED {
            return Err(Error::TooBig);
        }
        let last = self
            .count()
            .checked_sub(1)
            .and_then(|last| self.entries.get_mut(last));
        if let Some(raw) = last {
            if let Entry::Check {
                offset: start,
                len: before,
                crc,
            } = Entry::of(raw)
            {
                if start.saturating_add(before) == offset {
                    let crc = digest.crc32c(crc, bytes);
                    raw.value.set(u64::from(crc) | (before + len) << 32);
                    return Ok(());
                }
            }
        }
        self.push(
            offset | ENTRY_CHECK,
            u64::from(digest.crc32c(0, bytes)) | len << 32,
        )
    }

    /// Takes the words of a range off the list.
    pub(super) fn forget(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        let count = self.count();
        let mut kept = 0;
        for at in 0..count {
            let Some(&raw) = self.entries.get(at) else {
                break;
            };
            let inside = (offset..end).contains(&raw.offset.get());
            if inside && raw.offset.get() & ENTRY_CHECK == 0 {
                continue;
            }
            if let Some(place) = self.entries.get_mut(kept) {
                *place = raw;
                kept += 1;
            }
        }
        self.header.count.set(kept as u32);
    }

    fn push(&mut self, offset: u64, value: u64) -> Result {
        let count = self.count();
        let raw = self.entries.get_mut(count).ok_or(Error::TooBig)?;
        *raw = RecordEntry {
            offset: U64::new(offset),
            value: U64::new(value),
        };
        self.header.count.set(count as u32 + 1);
        Ok(())
    }

    /// The only entry, if it is the only one and a word.
    pub(super) fn single_store(&self) -> Option<(u64, u64)> {
        match self.raw() {
            [raw] => match Entry::of(raw) {
                Entry::Store { offset, value } => Some((offset, value)),
                Entry::Check { .. } => None,
            },
            _ => None,
        }
    }

    /// Whether there is no word.
    pub(super) fn has_no_store(&self) -> bool {
        !self
            .entries()
            .any(|entry| matches!(entry, Entry::Store { .. }))
    }

    /// Makes it a record with that number.
    pub(super) fn seal(&mut self, digest: &impl Digest, sequence: u64) {
        self.header.sequence.set(sequence);
        let crc = self.checksum(digest);
        self.header.crc.set(crc);
        let (len, end) = self.extent();
        let rest = self.as_mut_bytes().get_mut(len..end);
        rest.unwrap_or(&mut []).fill(0);
    }

    /// The record's bytes: whole lines, because to write them clears poison.
    pub(super) fn bytes(&self) -> &[u8] {
        self.as_bytes().get(..self.extent().1).unwrap_or(&[])
    }

    /// Where the record ends, and its last line.
    fn extent(&self) -> (usize, usize) {
        let len = RECORD_HEADER + self.count() * RECORD_ENTRY;
        (len, len.next_multiple_of(CACHE_LINE))
    }

    fn checksum(&self, digest: &impl Digest) -> u32 {
        checksum(digest, &self.header, self.raw())
    }

    /// The record's number, if what has been read here is a record that is whole.
    pub(super) fn valid_record(&self, digest: &impl Digest) -> Option<u64> {
        let sequence = self.header.sequence.get();
        let whole = sequence != 0
            && self.count() <= MAX_ENTRIES
            && self.header.crc.get() == self.checksum(digest);
        whole.then_some(sequence)
    }
}

/// The checksum of a record.
pub(super) fn checksum(
    digest: &impl Digest,
    header: &RecordHeader,
    entries: &[RecordEntry],
) -> u32 {
    let crc = digest.crc32c(0, header.sequence.as_bytes());
    let crc = digest.crc32c(crc, header.count.as_bytes());
    digest.crc32c(crc, entries.as_bytes())
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}
