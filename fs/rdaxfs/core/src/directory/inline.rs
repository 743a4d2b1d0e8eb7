// SPDX-License-Identifier: GPL-2.0

//! The few entries that an inode holds itself, one after the other: target word and name.

use core::mem::offset_of;

use super::entry::{Found, Name, Place};
use super::image::{Entry, Image};
use super::lookup::Search;
use crate::format::{key_of_hash, target_len, Inode, Root, INLINE_BYTES};
use crate::inode::inode_word;
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::Tree;
use crate::volume::Volume;
use crate::{Error, Result};

/// The length of a target word.
const TARGET: usize = size_of::<u64>();

/// An inode's entries, copied.
pub(super) struct Entries {
    bytes: [u8; INLINE_BYTES],
    len: usize,
    /// The length that the inode has: what was there is overwritten.
    before: usize,
}

impl Entries {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; INLINE_BYTES],
            len: 0,
            before: 0,
        }
    }

    /// The entries of a directory whose inode has `len` bytes of them.
    pub(super) fn read(source: &impl Source, directory: &Tree, len: usize) -> Result<Self> {
        let mut entries = Self::new();
        entries.len = len.min(INLINE_BYTES);
        entries.before = entries.len;
        let offset = inode_word(directory.ino, offset_of!(Inode, inline));
        source.read(offset, &mut entries.bytes)?;
        Ok(entries)
    }

    /// Each entry: where it is, its target word and its name.
    fn iter(&self) -> impl Iterator<Item = Result<(usize, u64, &[u8])>> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = at;
            let rest = self.bytes.get(start..self.len)?;
            let (target, rest) = match rest.split_first_chunk::<TARGET>() {
                Some((target, rest)) => (u64::from_le_bytes(*target), rest),
                None if rest.is_empty() => return None,
                None => {
                    at = self.len + 1;
                    return Some(Err(Error::Corrupt));
                }
            };
            let Some(name) = rest.get(..target_len(target)) else {
                at = self.len + 1;
                return Some(Err(Error::Corrupt));
            };
            at = start + TARGET + name.len();
            Some(Ok((start, target, name)))
        })
    }

    /// Looks for a name.
    pub(super) fn find<P: Platform>(
        &self,
        volume: &Volume<P>,
        name: &Name<'_>,
        search: &mut Search,
    ) -> Result {
        for entry in self.iter() {
            let (at, target, found) = entry?;
            if found == name.bytes {
                search.found = Some(Found {
                    key: name.key,
                    target,
                    place: Place::Inline(at),
                });
                return Ok(());
            }
            if key_of_hash(volume.hash_name(found)) == name.key {
                search.saw(name.key);
            }
        }
        Ok(())
    }

    /// Puts the entries into a leaf's image.
    pub(super) fn copy_to<P: Platform>(&self, volume: &Volume<P>, image: &mut Image<'_>) -> Result {
        for entry in self.iter() {
            let (_, target, name) = entry?;
            image.push(Entry {
                key: key_of_hash(volume.hash_name(name)),
                target,
                name,
            })?;
        }
        Ok(())
    }

    /// Adds an entry; returns whether there was room for it in `room` bytes.
    pub(super) fn push(&mut self, target: u64, name: &Name<'_>, room: usize) -> bool {
        let end = self.len + TARGET + name.bytes.len();
        let free = self.bytes.get_mut(self.len..room).unwrap_or(&mut []);
        let Some(place) = free.get_mut(..end - self.len) else {
            return false;
        };
        let (first, rest) = place.split_at_mut(TARGET);
        first.copy_from_slice(&target.to_le_bytes());
        rest.copy_from_slice(name.bytes);
        self.len = end;
        true
    }

    /// Removes the entry at a byte.
    pub(super) fn remove(&mut self, at: usize) -> Result {
        let target = self.target_at(at)?;
        let end = at + TARGET + target_len(u64::from_le_bytes(*target));
        if end > self.len {
            return Err(Error::Corrupt);
        }
        self.bytes.copy_within(end..self.len, at);
        self.len -= end - at;
        Ok(())
    }

    /// The target word of the entry at a byte.
    pub(super) fn target_at(&mut self, at: usize) -> Result<&mut [u8; TARGET]> {
        let rest = self.bytes.get_mut(at..self.len);
        rest.and_then(|rest| rest.first_chunk_mut())
            .ok_or(Error::Corrupt)
    }

    /// Makes these the directory's entries.
    pub(super) fn write<P: Platform>(
        mut self,
        tx: &mut Transaction<'_, P>,
        directory: &Tree,
    ) -> Result {
        if let Some(unused) = self.bytes.get_mut(self.len..) {
            unused.fill(0);
        }
        // What is behind them belongs to the inode's attributes.
        let changed = self.len.max(self.before).next_multiple_of(8);
        let changed = self.bytes.get(..changed).unwrap_or(&[]);
        tx.set_words(
            inode_word(directory.ino, offset_of!(Inode, inline)),
            changed,
        )?;
        let root = match self.len {
            0 => Root::Empty,
            len => Root::Entries(len as u8),
        };
        let offset = inode_word(directory.ino, offset_of!(Inode, root));
        tx.set(offset, root.to_word())
    }
}
