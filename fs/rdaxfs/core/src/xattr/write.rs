// SPDX-License-Identifier: GPL-2.0

//! Writing a run of attributes where nothing points to it yet.

use core::mem::offset_of;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromZeros, IntoBytes};

use super::entry::{entry_len, NewXattr};
use crate::alloc::{allocate, Request};
use crate::format::{
    block_offset, group_of, inode_block, XattrEntry, XattrHeader, XattrRoot, BLOCK_SIZE,
    MAX_XATTR_BLOCKS, XATTR_MAGIC,
};
use crate::journal::Transaction;
use crate::platform::{Platform, CACHE_LINE};
use crate::{Error, Result};

/// The length of a run's header.
const HEADER: usize = size_of::<XattrHeader>();

/// A run that is being written.
pub(super) struct Writer {
    header: XattrHeader,
    root: XattrRoot,
    at: u64,
    crc: u32,
    piece: [u8; CACHE_LINE],
    filled: usize,
}

impl Writer {
    /// For [`start`](Self::start): it is too large to be handed on.
    #[inline]
    pub(super) fn new() -> Self {
        Self {
            header: XattrHeader::new_zeroed(),
            root: XattrRoot { block: 0, count: 0 },
            at: 0,
            crc: 0,
            piece: [0; CACHE_LINE],
            filled: 0,
        }
    }

    /// Takes blocks for entries of so many bytes; with `reserve`, of the last ones too.
    ///
    /// # Errors
    ///
    /// [`Error::TooBig`] if an inode cannot have so many, [`Error::NoSpace`] if there is no run of
    /// blocks that is long enough.
    pub(super) fn start<P: Platform>(
        &mut self,
        tx: &mut Transaction<'_, P>,
        (ino, generation): (u64, u32),
        bytes: u64,
        reserve: bool,
    ) -> Result {
        let count = (size_of::<XattrHeader>() as u64 + bytes).div_ceil(BLOCK_SIZE);
        if count > MAX_XATTR_BLOCKS {
            return Err(Error::TooBig);
        }
        // Users choose their bytes: nobody may take them for an inode.
        let request = Request {
            reserve,
            ..Request::structure(group_of(inode_block(ino)), count, false)
        };
        let (run, _) = allocate(tx, &request)?;
        let header = &mut self.header;
        header.magic = U32::new(XATTR_MAGIC);
        header.block = U64::new(run.block);
        header.owner = U64::new(ino);
        header.generation = U32::new(generation);
        header.bytes = U32::new(bytes as u32);
        let covered = header
            .as_bytes()
            .get(offset_of!(XattrHeader, block)..)
            .unwrap_or(&[]);
        self.crc = tx.volume().platform().crc32c(0, covered);
        self.root = XattrRoot {
            block: run.block,
            count: run.count,
        };
        self.at = block_offset(run.block) + size_of::<XattrHeader>() as u64;
        self.filled = 0;
        Ok(())
    }

    /// Adds an attribute.
    pub(super) fn add<P: Platform>(
        &mut self,
        tx: &mut Transaction<'_, P>,
        xattr: &NewXattr<'_>,
    ) -> Result {
        let (name, value) = (xattr.name.rest(), xattr.value);
        let len = entry_len(name.len(), value.len())? as usize;
        let head = XattrEntry {
            value_len: U32::new(value.len() as u32),
            name_len: U16::new(name.len() as u16),
            space: U16::new(xattr.name.space() as u16),
        };
        self.bytes(tx, head.as_bytes())?;
        self.bytes(tx, name)?;
        self.bytes(tx, value)?;
        let padding = len - size_of::<XattrEntry>() - name.len() - value.len();
        self.bytes(tx, [0; 8].get(..padding).unwrap_or(&[]))
    }

    /// Adds bytes of entries.
    pub(super) fn bytes<P: Platform>(
        &mut self,
        tx: &mut Transaction<'_, P>,
        bytes: &[u8],
    ) -> Result {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.piece.get_mut(self.filled..).unwrap_or(&mut []);
            let now = room.len().min(rest.len());
            let (here, behind) = rest.split_at_checked(now).ok_or(Error::Invalid)?;
            room.get_mut(..now)
                .ok_or(Error::Invalid)?
                .copy_from_slice(here);
            self.filled += now;
            rest = behind;
            if self.filled == CACHE_LINE {
                self.write_piece(tx)?;
            }
        }
        Ok(())
    }

    fn write_piece<P: Platform>(&mut self, tx: &mut Transaction<'_, P>) -> Result {
        let piece = self.piece.get(..self.filled).unwrap_or(&[]);
        self.crc = tx.volume().platform().crc32c(self.crc, piece);
        tx.fresh(self.at, piece)?;
        self.at += piece.len() as u64;
        self.filled = 0;
        Ok(())
    }

    /// Writes what is left, and the header.
    pub(super) fn finish<P: Platform>(&mut self, tx: &mut Transaction<'_, P>) -> Result<XattrRoot> {
        let start = block_offset(self.root.block);
        let piece = self.piece.get(..self.filled).unwrap_or(&[]);
        if self.at == start + HEADER as u64 {
            // Nothing has been written: all of it at once.
            let mut bytes = [0; HEADER + CACHE_LINE];
            let crc = tx.volume().platform().crc32c(self.crc, piece);
            self.header.crc = U32::new(crc);
            let (head, rest) = bytes.split_at_mut(HEADER);
            head.copy_from_slice(self.header.as_bytes());
            if let Some(place) = rest.get_mut(..piece.len()) {
                place.copy_from_slice(piece);
            }
            let all = bytes.get(..HEADER + piece.len()).unwrap_or(&[]);
            tx.fresh(start, all)?;
            return Ok(self.root);
        }
        if self.filled != 0 {
            self.write_piece(tx)?;
        }
        self.header.crc = U32::new(self.crc);
        tx.fresh(start, self.header.as_bytes())?;
        Ok(self.root)
    }
}

/// Writes the attributes that a new inode has. Returns its word
/// [`Inode::xattrs`](crate::format::Inode::xattrs) and the number of blocks; both are 0 without
/// attributes.
///
/// # Errors
///
/// As for setting them one by one.
pub(crate) fn write_new<P: Platform>(
    tx: &mut Transaction<'_, P>,
    inode: (u64, u32),
    xattrs: &[NewXattr<'_>],
) -> Result<(u64, u64)> {
    if xattrs.is_empty() {
        return Ok((0, 0));
    }
    let mut bytes = 0;
    for xattr in xattrs {
        bytes += entry_len(xattr.name.rest().len(), xattr.value.len())?;
    }
    let mut writer = Writer::new();
    writer.start(tx, inode, bytes, false)?;
    for xattr in xattrs {
        writer.add(tx, xattr)?;
    }
    let root = writer.finish(tx)?;
    Ok((root.to_word(), root.count))
}
