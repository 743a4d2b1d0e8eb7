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
pub fn check_name(name: &[u8]) -> Result {
    if name.len() > MAX_NAME {
        return Err(Error::NameTooLong);
    }
    let bad = name.is_empty()
        || name == b"."
        || name == b".."
        || name.iter().any(|&byte| byte == b'/' || byte == 0);
    if bad {
        return Err(Error::Invalid);
    }
    Ok(())
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
