// SPDX-License-Identifier: GPL-2.0

//! The record of a transaction, which fills a journal slot.

use zerocopy::little_endian::{U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{BLOCK_BYTES, BLOCK_SIZE};

/// The head of a record. The slot holds no record if `sequence` is 0 or `crc` is wrong.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RecordHeader {
    /// Later transactions have greater numbers; 0: no record.
    pub sequence: U64,
    /// CRC-32C of `sequence`, `count` and the entries.
    pub crc: U32,
    /// The number of entries.
    pub count: U32,
}

/// An entry of a record.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RecordEntry {
    /// A byte offset of the volume, a multiple of 8; bit 0 tells the two kinds apart: 0: a word to
    /// store, 1: bytes that the transaction wrote elsewhere, without which the record does not hold.
    pub offset: U64,
    /// The word; or the bytes' CRC-32C in the lower 32 bits and their number in the upper.
    pub value: U64,
}

/// The length of a [`RecordHeader`].
pub const RECORD_HEADER: usize = size_of::<RecordHeader>();
/// The length of a [`RecordEntry`].
pub const RECORD_ENTRY: usize = size_of::<RecordEntry>();
/// The most entries of a record.
pub const MAX_ENTRIES: usize = (BLOCK_BYTES - RECORD_HEADER) / RECORD_ENTRY;
/// The most bytes that a record vouches for: more than any operation writes, so that a mount does not
/// read for hours what a damaged record names.
pub const MAX_CHECKED: u64 = 64 * BLOCK_SIZE;
/// [`RecordEntry::offset`]: bytes to check, not a word to store.
pub const ENTRY_CHECK: u64 = 1;

const _: () = assert!(RECORD_HEADER == 16 && RECORD_ENTRY == 16);
