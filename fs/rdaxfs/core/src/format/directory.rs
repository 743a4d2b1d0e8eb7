// SPDX-License-Identifier: GPL-2.0

//! Directory entries.
//!
//! An entry's key is 63 bits: 48 of its name's hash (seeded, SipHash-2-4), and 15 that tell apart the
//! names with one hash. It is the entry's place in the tree and the cookie of readdir, and stays
//! while the entry does.
//!
//! A leaf has 64 lines of 64 bytes. Line 0 is the [`NodeHeader`](super::NodeHeader), line 1 has a
//! fingerprint byte for each line, and an entry takes as many adjacent lines as it needs. Which lines
//! are in use is in the header's words `word` (an entry starts) and `more` (one continues); a leaf may
//! be empty.
//!
//! An inode holds a few entries itself, one after the other: the word [`entry_target`], and the name.
//! Their keys have the discriminator 0: a second name with the same hash makes a tree of them.

use zerocopy::little_endian::U64;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The bits of a key that tell apart names with one hash.
pub const KEY_DISCRIMINATOR_BITS: u32 = 15;
/// The largest key.
pub const MAX_KEY: u64 = (1 << 63) - 1;
/// The lowest key of a name: readdir's cookies below are those of "." and "..".
pub const MIN_KEY: u64 = 1 << KEY_DISCRIMINATOR_BITS;

/// The key of the first name with a hash.
#[must_use]
pub const fn key_of_hash(hash: u64) -> u64 {
    let key = hash >> 16 << KEY_DISCRIMINATOR_BITS;
    if key < MIN_KEY {
        MIN_KEY
    } else {
        key
    }
}

/// The largest key of the names whose hash has the first key `key`.
#[must_use]
pub const fn last_key(key: u64) -> u64 {
    key | ((1 << KEY_DISCRIMINATOR_BITS) - 1)
}

/// A line of a directory's leaf, in bytes.
pub const LINE: usize = 64;
/// The first line that may hold an entry.
pub const FIRST_LINE: usize = 2;
/// The lines of a leaf.
pub const LINES: usize = 64;
/// Where in a leaf the fingerprints are.
pub const FINGERPRINTS: usize = LINE;

/// The head of an entry in a leaf; the name follows, and zeros to the end of the line.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct EntryHead {
    /// The key in the lower 63 bits.
    pub key: U64,
    /// The inode's number in the lower 52 bits, the name's length less 1 in bits 52 to 59, the type
    /// (`DT_*`) in bits 60 to 63.
    pub target: U64,
}

const _: () = assert!(size_of::<EntryHead>() == 16);

/// The lines that an entry with a name of `len` bytes takes.
#[must_use]
pub const fn entry_lines(len: usize) -> usize {
    (size_of::<EntryHead>() + len).div_ceil(LINE)
}

/// The fingerprint of a key, which spreads names of one leaf, whose upper bits are alike.
#[must_use]
pub const fn fingerprint(key: u64) -> u8 {
    (key >> KEY_DISCRIMINATOR_BITS) as u8
}

/// The word [`EntryHead::target`]. `len` is 1 to 255.
#[must_use]
pub const fn entry_target(ino: u64, len: usize, kind: u8) -> u64 {
    ino & ((1 << 52) - 1) | ((len.wrapping_sub(1) & 0xff) as u64) << 52 | (kind as u64) << 60
}

/// The inode of [`EntryHead::target`].
#[must_use]
pub const fn target_ino(target: u64) -> u64 {
    target & ((1 << 52) - 1)
}

/// The length of the name of [`EntryHead::target`]; 256 in a damaged volume only.
#[must_use]
pub const fn target_len(target: u64) -> usize {
    (target >> 52 & 0xff) as usize + 1
}

/// The type of [`EntryHead::target`].
#[must_use]
pub const fn target_kind(target: u64) -> u8 {
    (target >> 60) as u8
}
