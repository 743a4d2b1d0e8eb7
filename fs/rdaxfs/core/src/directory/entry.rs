// SPDX-License-Identifier: GPL-2.0

//! Names, and entries as they are found.

use crate::format::{key_of_hash, last_key, target_ino, target_kind, MAX_NAME};
use crate::platform::Platform;
use crate::volume::Volume;
use crate::{Error, Result};

/// A name that may be in a directory, and the key of the first one with its hash.
#[derive(Clone, Copy)]
pub(crate) struct Name<'n> {
    pub(super) bytes: &'n [u8],
    pub(super) key: u64,
}

impl<'n> Name<'n> {
    /// Judges a name.
    ///
    /// # Errors
    ///
    /// As [`check_name`].
    pub(crate) fn new<P: Platform>(volume: &Volume<P>, bytes: &'n [u8]) -> Result<Self> {
        check_name(bytes)?;
        Ok(Self {
            bytes,
            key: key_of_hash(volume.hash_name(bytes)),
        })
    }

    /// Whether a key is of the names with the same hash.
    pub(super) const fn has(&self, key: u64) -> bool {
        self.key <= key && key <= last_key(self.key)
    }
}

/// Whether a name may be in a directory: 1 to 255 bytes, no "/" or NUL, not "." or "..".
///
/// # Errors
///
/// [`Error::NameTooLong`], [`Error::Invalid`].
#[inline]
pub fn check_name(name: &[u8]) -> Result {
    if name.len() > MAX_NAME {
        return Err(Error::NameTooLong);
    }
    match name {
        b"" | b"." | b".." => Err(Error::Invalid),
        name if has_bad_byte(name) => Err(Error::Invalid),
        _ => Ok(()),
    }
}

/// Whether a name has "/" or NUL, eight bytes at a time.
fn has_bad_byte(name: &[u8]) -> bool {
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let mut words = name.chunks_exact(size_of::<u64>());
    let mut bad = 0;
    for word in &mut words {
        bad |= bad_bytes(word.first_chunk().copied().unwrap_or_default());
    }
    let rest = words.remainder();
    if let (false, Some(&last)) = (rest.is_empty(), name.last_chunk()) {
        // The last word's bytes, some of which have been seen.
        bad |= bad_bytes(last);
    } else if rest.iter().any(|&byte| byte == b'/' || byte == 0) {
        return true;
    }
    bad & TOPS != 0
}

/// A word that has a byte's top bit, for one of them at least, if a byte is "/" or NUL; the other bits mean nothing.
#[inline(always)]
const fn bad_bytes(bytes: [u8; size_of::<u64>()]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const SLASHES: u64 = ONES * b'/' as u64;
    let word = u64::from_le_bytes(bytes);
    let slashes = word ^ SLASHES;
    word.wrapping_sub(ONES) & !word | slashes.wrapping_sub(ONES) & !slashes
}

/// An entry that has been found, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(super) key: u64,
    /// [`EntryHead::target`](crate::format::EntryHead::target).
    pub(super) target: u64,
    pub(super) place: Place,
}

impl Found {
    /// The inode that it names.
    pub(crate) const fn ino(&self) -> u64 {
        target_ino(self.target)
    }

    /// Its type, `DT_*`.
    pub(crate) const fn kind(&self) -> u8 {
        target_kind(self.target)
    }
}

/// Where an entry is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the inode, at that byte of its entries.
    Inline(usize),
    /// In the leaf at a block, from that line on.
    Leaf(u64, u32),
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn a_bad_byte_is_seen_wherever_it_is() {
        for len in 1..40 {
            for at in 0..len {
                for other in [1, 0x2e, 0x30, 0x7f, 0x80, 0xaf, 0xff] {
                    let mut name = vec![other; len];
                    assert!(!has_bad_byte(&name));
                    for bad in [0, b'/'] {
                        name[at] = bad;
                        assert!(has_bad_byte(&name), "{bad} at {at} of {len}");
                    }
                }
            }
        }
    }
}
