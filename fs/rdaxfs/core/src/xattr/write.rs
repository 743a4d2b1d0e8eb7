// SPDX-License-Identifier: GPL-2.0

//! Writing a run of attributes where nothing points to it yet.

use core::mem::offset_of;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromZeros, IntoBytes};

use super::entry::{each_part, entry_len, NewXattr};
use super::inline::Inline;
use crate::alloc::{allocate, Request};
use crate::format::{
    block_offset, group_of, inode_block, Inode, XattrHeader, XattrRoot, XattrRun, BLOCK_SIZE,
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
    run: XattrRun,
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
            run: XattrRun { block: 0, count: 0 },
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
        self.run = XattrRun {
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
        each_part(xattr, |bytes| self.bytes(tx, bytes))
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
    pub(super) fn finish<P: Platform>(&mut self, tx: &mut Transaction<'_, P>) -> Result<XattrRun> {
        let start = block_offset(self.run.block);
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
            return Ok(self.run);
        }
        if self.filled != 0 {
            self.write_piece(tx)?;
        }
        self.header.crc = U32::new(self.crc);
        tx.fresh(start, self.header.as_bytes())?;
        Ok(self.run)
    }
}

/// Gives a new inode, whose contents are still to come, its attributes. Without any, it says so.
///
/// # Errors
///
/// As for setting them one by one.
pub(crate) fn write_new<P: Platform>(
    tx: &mut Transaction<'_, P>,
    inode: &mut Inode,
    xattrs: &[NewXattr<'_>],
) -> Result {
    inode.xattrs.set(0);
    inode.blocks.set(0);
    if xattrs.is_empty() {
        return Ok(());
    }
    let mut bytes = 0;
    for xattr in xattrs {
        bytes += entry_len(xattr.name.rest().len(), xattr.value.len())?;
    }
    if Inline::fits(bytes, 0) {
        let mut inline = Inline::new();
        for xattr in xattrs {
            inline.add(xattr)?;
        }
        return inline.put(tx.volume().platform(), inode);
    }
    write_run(tx, inode, bytes, xattrs)
}

/// As [`write_new`], of entries that do not fit into the inode.
#[inline(never)]
fn write_run<P: Platform>(
    tx: &mut Transaction<'_, P>,
    inode: &mut Inode,
    bytes: u64,
    xattrs: &[NewXattr<'_>],
) -> Result {
    let mut writer = Writer::new();
    let owner = (inode.ino.get(), inode.generation.get());
    writer.start(tx, owner, bytes, false)?;
    for xattr in xattrs {
        writer.add(tx, xattr)?;
    }
    let run = writer.finish(tx)?;
    inode.xattrs.set(XattrRoot::Run(run).to_word());
    inode.blocks.set(run.count);
    Ok(())
}
