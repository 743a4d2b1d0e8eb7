// SPDX-License-Identifier: GPL-2.0

//! Reading attributes.

use core::mem::offset_of;

use zerocopy::IntoBytes;

use super::entry::{entry_len, XattrName};
use super::Xattrs;
use crate::format::{
    block_offset, InlineXattrs, Inode, XattrEntry, XattrHeader, XattrRoot, XattrRun, XattrSpace,
    BLOCK_SIZE, MAX_INLINE_XATTRS, XATTR_MAGIC,
};
use crate::inode::{inode_word, xattr_root, XattrState};
use crate::platform::{Platform, CACHE_LINE};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// An inode's attributes, judged as a whole.
#[derive(Clone, Copy)]
pub(super) struct Blob {
    pub(super) root: XattrRoot,
    /// The byte offset of the first entry.
    start: u64,
    /// The bytes of the entries.
    pub(super) bytes: u64,
}

/// One of an inode's attributes.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Where it starts, from the first entry on.
    pub(super) at: u64,
    /// How long it is, with its padding.
    pub(super) len: u64,
    space: XattrSpace,
    name_len: usize,
    value_len: usize,
}

impl Blob {
    /// The inode's attributes; [`None`] if it has none.
    pub(super) fn open<P: Platform>(volume: &Volume<P>, ino: u64) -> Result<Option<Self>> {
        match xattr_root(volume, ino)? {
            XattrRoot::Empty => Ok(None),
            XattrRoot::Run(run) => Self::open_run(volume, ino, run).map(Some),
            XattrRoot::Inline(inline) => Self::open_inline(volume, ino, inline).map(Some),
        }
    }

    fn open_inline<P: Platform>(
        volume: &Volume<P>,
        ino: u64,
        inline: InlineXattrs,
    ) -> Result<Self> {
        let blob = Self {
            root: XattrRoot::Inline(inline),
            start: inode_word(ino, offset_of!(Inode, inline) + inline.start()),
            bytes: inline.bytes as u64,
        };
        let mut bytes = [0; MAX_INLINE_XATTRS];
        let bytes = bytes.get_mut(..inline.bytes).unwrap_or(&mut []);
        blob.read(volume, 0, bytes)?;
        if volume.platform().crc32c(0, bytes) == inline.crc {
            Ok(blob)
        } else {
            Err(Error::Corrupt)
        }
    }

    fn open_run<P: Platform>(volume: &Volume<P>, ino: u64, run: XattrRun) -> Result<Self> {
        volume.check_run(run.block, run.count)?;
        let header: XattrHeader = volume.get(block_offset(run.block))?;
        let bytes = u64::from(header.bytes.get());
        let room = run.count * BLOCK_SIZE - size_of::<XattrHeader>() as u64;
        let good = header.magic.get() == XATTR_MAGIC
            && header.block.get() == run.block
            && header.owner.get() == ino
            && bytes % 8 == 0
            && bytes <= room;
        if !good {
            return Err(Error::Corrupt);
        }
        let blob = Self {
            root: XattrRoot::Run(run),
            start: block_offset(run.block) + size_of::<XattrHeader>() as u64,
            bytes,
        };
        let covered = header
            .as_bytes()
            .get(offset_of!(XattrHeader, block)..)
            .unwrap_or(&[]);
        let mut crc = volume.platform().crc32c(0, covered);
        let mut piece = [0; CACHE_LINE];
        let mut at = 0;
        while at < bytes {
            let now = (bytes - at).min(CACHE_LINE as u64);
            let piece = piece.get_mut(..now as usize).unwrap_or(&mut []);
            blob.read(volume, at, piece)?;
            crc = volume.platform().crc32c(crc, piece);
            at += now;
        }
        if crc != header.crc.get() {
            return Err(Error::Corrupt);
        }
        Ok(blob)
    }

    /// Reads from the entries.
    pub(super) fn read<P: Platform>(&self, volume: &Volume<P>, at: u64, into: &mut [u8]) -> Result {
        volume.read(self.start.saturating_add(at), into)
    }

    /// The attribute at a place; [`None`] behind the last.
    pub(super) fn entry<P: Platform>(&self, volume: &Volume<P>, at: u64) -> Result<Option<Found>> {
        if at >= self.bytes {
            return Ok(None);
        }
        let mut head = XattrEntry::default();
        self.read(volume, at, head.as_mut_bytes())?;
        let name_len = usize::from(head.name_len.get());
        let value_len = head.value_len.get() as usize;
        let len = entry_len(name_len, value_len).map_err(|_| Error::Corrupt)?;
        let space = XattrSpace::from_number(head.space.get()).ok_or(Error::Corrupt)?;
        if name_len == 0 || name_len > 255 || at + len > self.bytes {
            return Err(Error::Corrupt);
        }
        Ok(Some(Found {
            at,
            len,
            space,
            name_len,
            value_len,
        }))
    }

    /// The attribute of that name.
    pub(super) fn find<P: Platform>(
        &self,
        volume: &Volume<P>,
        name: XattrName<'_>,
    ) -> Result<Option<Found>> {
        let mut at = 0;
        while let Some(found) = self.entry(volume, at)? {
            if found.space == name.space()
                && found.name_len == name.rest().len()
                && self.has_name(volume, found, name.rest())?
            {
                return Ok(Some(found));
            }
            at += found.len;
        }
        Ok(None)
    }

    fn has_name<P: Platform>(&self, volume: &Volume<P>, found: Found, name: &[u8]) -> Result<bool> {
        let mut at = found.at + size_of::<XattrEntry>() as u64;
        let mut piece = [0; CACHE_LINE];
        for wanted in name.chunks(CACHE_LINE) {
            let piece = piece.get_mut(..wanted.len()).unwrap_or(&mut []);
            self.read(volume, at, piece)?;
            if piece != wanted {
                return Ok(false);
            }
            at += wanted.len() as u64;
        }
        Ok(true)
    }
}

impl<P: Platform> Xattrs<'_, P> {
    /// The blocks that hold the attributes: the first, and how many. [`None`] if there are no attributes, or they are
    /// in the inode.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn run(self, xattrs: &XattrState) -> Result<Option<(u64, u64)>> {
        let blob = Blob::open(self.volume, xattrs.ino)?;
        Ok(match blob.map(|blob| blob.root) {
            Some(XattrRoot::Run(run)) => Some((run.block, run.count)),
            _ => None,
        })
    }

    /// Reads an attribute's value into `into`, and returns its length; with an empty `into` only
    /// the length.
    ///
    /// # Errors
    ///
    /// [`Error::NoData`] if there is no such attribute, [`Error::Range`] if `into` is too short.
    pub fn get(self, xattrs: &XattrState, name: XattrName<'_>, into: &mut [u8]) -> Result<usize> {
        let blob = Blob::open(self.volume, xattrs.ino)?.ok_or(Error::NoData)?;
        let found = blob.find(self.volume, name)?.ok_or(Error::NoData)?;
        if into.is_empty() {
            return Ok(found.value_len);
        }
        let value = into.get_mut(..found.value_len).ok_or(Error::Range)?;
        let at = found.at + (size_of::<XattrEntry>() + found.name_len) as u64;
        blob.read(self.volume, at, value)?;
        Ok(found.value_len)
    }

    /// Calls `emit` for each attribute with its prefix, the rest of its name and the length of its value,
    /// until it fails.
    ///
    /// # Errors
    ///
    /// What `emit` returns.
    pub fn list(
        self,
        xattrs: &XattrState,
        mut emit: impl FnMut(XattrName<'_>, usize) -> Result,
    ) -> Result {
        let Some(blob) = Blob::open(self.volume, xattrs.ino)? else {
            return Ok(());
        };
        let mut at = 0;
        while let Some(found) = blob.entry(self.volume, at)? {
            let mut name = [0; 255];
            let name = name.get_mut(..found.name_len).unwrap_or(&mut []);
            blob.read(self.volume, at + size_of::<XattrEntry>() as u64, name)?;
            let name = XattrName::new(found.space, name).map_err(|_| Error::Corrupt)?;
            emit(name, found.value_len)?;
            at += found.len;
        }
        Ok(())
    }
}
