// SPDX-License-Identifier: GPL-2.0

//! A directory's entries in the order of their keys, which are the cookies of readdir.
//!
//! Whoever goes on from a cookie gets every entry that was there all the time once, whatever has come
//! and gone. Any cookie will do. Those of "." and "..", which the caller adds, are 0 and 1: below all
//! keys.

use super::image::{copy_leaf, entry_at, sort, Image, Order};
use super::leaf::Leaf;
use super::{check_name, contents, directory_of, inline, Contents};
use crate::format::{target_ino, target_kind, BLOCK_BYTES, MAX_KEY, MIN_KEY};
use crate::inode::MapState;
use crate::name::Names;
use crate::platform::Platform;
use crate::tree::descend;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry<'b> {
    /// Its key; [`Names::entries`] from here on begins with this one, from the next number on
    /// behind it.
    pub cookie: u64,
    /// The inode's number.
    pub ino: u64,
    /// Its type, `DT_*`.
    pub kind: u8,
    /// The name.
    pub name: &'b [u8],
}

/// Some entries of a directory in ascending order of their cookies: a copy, which stays what it is
/// when the directory's lock is let go of.
pub struct Entries<'b> {
    bytes: &'b [u8; BLOCK_BYTES],
    order: Order,
    at: usize,
    next: Option<u64>,
}

impl<'b> Entries<'b> {
    /// The cookie to go on with behind the last of these; [`None`]: there are no more.
    #[must_use]
    pub const fn next_cookie(&self) -> Option<u64> {
        self.next
    }

    fn entry(&self, line: u8) -> Result<DirectoryEntry<'b>> {
        let entry = entry_at(self.bytes, line)?;
        check_name(entry.name).map_err(|_| Error::Corrupt)?;
        Ok(DirectoryEntry {
            cookie: entry.key,
            ino: target_ino(entry.target),
            kind: target_kind(entry.target),
            name: entry.name,
        })
    }
}

impl<'b> Iterator for Entries<'b> {
    type Item = Result<DirectoryEntry<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = *self.order.as_slice().get(self.at)?;
        self.at += 1;
        Some(self.entry(line))
    }
}

impl<P: Platform> Names<'_, P> {
    /// The entries of a directory from a cookie on: as many as are together. It may be none although
    /// there are more, as [`Entries::next_cookie`] says.
    ///
    /// # Errors
    ///
    /// [`Error::NotDirectory`], [`Error::Corrupt`], [`Error::Io`].
    pub fn entries<'w>(
        self,
        workspace: &'w mut Workspace,
        directory: &MapState,
        from: u64,
    ) -> Result<Entries<'w>> {
        let directory = directory_of(directory);
        let bytes = &mut workspace.scratch.nodes.node;
        let (lines, keys) = match contents(self.volume, &directory)? {
            Contents::Empty => (Image::new(bytes).lines(), ALL_KEYS),
            Contents::Inline(len) => {
                let mut image = Image::new(bytes);
                inline::Entries::read(self.volume, &directory, len)?
                    .copy_to(self.volume, &mut image)?;
                (image.lines(), ALL_KEYS)
            }
            Contents::Tree(block, level) => {
                let path = &mut workspace.scratch.path;
                descend(
                    self.volume,
                    self.volume,
                    &directory,
                    (block, level),
                    from,
                    path,
                )?;
                let leaf = Leaf::read(self.volume, self.volume, &directory, path)?;
                (copy_leaf(self.volume, &leaf, bytes)?, leaf.keys)
            }
        };
        let (_, end) = keys;
        if end <= from && end <= MAX_KEY {
            return Err(Error::Corrupt);
        }
        let mut order = Order::new();
        sort(bytes, lines, keys, from, &mut order)?;
        Ok(Entries {
            bytes,
            order,
            at: 0,
            next: (end <= MAX_KEY).then_some(end),
        })
    }

    /// Passes the entries from a cookie on to `emit`, in ascending order of their cookies, until it
    /// says `false`. A caller that must not hold the directory's lock meanwhile asks for
    /// [`entries`](Self::entries).
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries).
    pub fn readdir(
        self,
        workspace: &mut Workspace,
        directory: &MapState,
        from: u64,
        mut emit: impl FnMut(&DirectoryEntry<'_>) -> bool,
    ) -> Result {
        let mut from = Some(from);
        while let Some(cookie) = from {
            let mut entries = self.entries(workspace, directory, cookie)?;
            for entry in &mut entries {
                if !emit(&entry?) {
                    return Ok(());
                }
            }
            from = entries.next_cookie();
        }
        Ok(())
    }
}

/// The keys of entries in an inode.
const ALL_KEYS: (u64, u64) = (MIN_KEY, MAX_KEY + 1);
