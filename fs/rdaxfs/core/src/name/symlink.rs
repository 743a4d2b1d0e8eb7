// SPDX-License-Identifier: GPL-2.0

//! Symbolic links. A short target is in the inode; a longer one fills a block, as the only page of a
//! file would.

use core::mem::offset_of;

use super::changes::Made;
use super::new::NewInode;
use super::Names;
use crate::alloc::{allocate, Request};
use crate::format::{
    block_offset, group_of, inode_block, Extent, ExtentRecord, Inode, Root, Time, XattrRoot,
    BLOCK_BYTES, BLOCK_SIZE, INLINE_BYTES, S_IFLNK,
};
use crate::inode::{inode_word, Changed, MapState};
use crate::journal::Transaction;
use crate::platform::{Platform, CACHE_LINE};
use crate::source::Source;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// The longest target, in bytes: with a NUL it fills a block, and `PATH_MAX`.
pub(crate) const MAX_TARGET: usize = BLOCK_BYTES - 1;

impl<P: Platform> Names<'_, P> {
    /// Makes a symbolic link with a name to a target, which has 1 to 4095 bytes, none of them NUL.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Error::NameTooLong`] and [`Error::Invalid`] also for the target.
    #[inline(never)]
    pub fn symlink(
        self,
        workspace: &mut Workspace,
        directory: &mut MapState,
        (name, target): (&[u8], &[u8]),
        new: &NewInode<'_>,
        now: Time,
        announce: &mut dyn FnMut(u64, u32) -> Result,
    ) -> Result<Made> {
        if target.len() > MAX_TARGET {
            return Err(Error::NameTooLong);
        }
        if new.kind() != S_IFLNK || target.is_empty() || target.contains(&0) {
            return Err(Error::Invalid);
        }
        let contents = |tx: &mut Transaction<'_, P>, inode: &mut Inode| {
            inode.size.set(target.len() as u64);
            match room(inode)?.get_mut(..target.len()) {
                Some(place) => {
                    place.copy_from_slice(target);
                    inode.root.set(Root::Target(target.len() as u8).to_word());
                }
                None => write_target(tx, inode, target)?,
            }
            Ok(Changed::default())
        };
        self.add_new(workspace, directory, name, (new, now), announce, contents)
    }

    /// Reads a symbolic link's target; returns its length.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if this is no symbolic link, [`Error::Range`] if the target is longer than `into`,
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn readlink(self, map: &MapState, into: &mut [u8]) -> Result<usize> {
        let size = self
            .volume
            .word(inode_word(map.ino, offset_of!(Inode, size)))?;
        let inline = inode_word(map.ino, offset_of!(Inode, inline));
        let mode = self.volume.inodes().attributes(map)?.mode;
        if mode & crate::format::S_IFMT != S_IFLNK {
            return Err(Error::Invalid);
        }
        let root = self
            .volume
            .word(inode_word(map.ino, offset_of!(Inode, root)))?;
        let (offset, longest) = match Root::from_word(root) {
            Some(Root::Target(len)) if u64::from(len) == size => (inline, INLINE_BYTES),
            Some(Root::Extents(1)) => {
                let record: ExtentRecord = self.volume.get(inline)?;
                let block = record.block.get();
                if (record.page.get(), record.count.get()) != (0, 1) {
                    return Err(Error::Corrupt);
                }
                (block_offset(self.volume.check_block(block)?), MAX_TARGET)
            }
            _ => return Err(Error::Corrupt),
        };
        let size = usize::try_from(size).map_err(|_| Error::Corrupt)?;
        if size == 0 || size > longest {
            return Err(Error::Corrupt);
        }
        let into = into.get_mut(..size).ok_or(Error::Range)?;
        for (piece, at) in into
            .chunks_mut(CACHE_LINE)
            .zip((offset..).step_by(CACHE_LINE))
        {
            self.volume.read(at, piece)?;
        }
        if into.contains(&0) {
            return Err(Error::Corrupt);
        }
        Ok(size)
    }
}

/// What a new inode's attributes leave of its bytes.
fn room(inode: &mut Inode) -> Result<&mut [u8]> {
    let xattrs = XattrRoot::from_word(inode.xattrs.get()).ok_or(Error::Invalid)?;
    inode.inline.get_mut(..xattrs.room()).ok_or(Error::Invalid)
}

/// Writes a target to a block, which holds data and no metadata: anybody may choose what is in it.
fn write_target<P: Platform>(
    tx: &mut Transaction<'_, P>,
    inode: &mut Inode,
    target: &[u8],
) -> Result {
    let request = Request::structure(group_of(inode_block(inode.ino.get())), 1, false);
    let (run, _) = allocate(tx, &request)?;
    let mut at = block_offset(run.block);
    let end = at + BLOCK_SIZE;
    for piece in target.chunks(CACHE_LINE) {
        let mut bytes = [0; CACHE_LINE];
        bytes
            .get_mut(..piece.len())
            .ok_or(Error::Invalid)?
            .copy_from_slice(piece);
        tx.fresh(at, &bytes)?;
        at += CACHE_LINE as u64;
    }
    while at < end {
        tx.fresh(at, &[0; CACHE_LINE])?;
        at += CACHE_LINE as u64;
    }
    let extent = Extent {
        page: 0,
        count: 1,
        block: run.block,
        unwritten: false,
    };
    let words = [extent.pages_word(), extent.block_word()];
    for (place, word) in inode.inline.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    inode.root.set(Root::Extents(1).to_word());
    inode.blocks += 1;
    Ok(())
}
