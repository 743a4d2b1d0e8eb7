// SPDX-License-Identifier: GPL-2.0

//! Inodes for which something is left to do: orphans, which have no name and are freed when nobody
//! uses them, and intents, which did not fit one transaction.
//!
//! Each group has a list of its own; its lock guards the links, which are in the inodes.

use core::mem::offset_of;

use super::open::{inode_word, is_in_use};
use super::Inodes;
use crate::alloc::header_word;
use crate::format::{group_of, inode_block, GroupHeader, Inode, INODE_MAGIC};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// Whether an inode is on its group's list. The inode's map lock is held, by which every change of this
/// happens too.
pub(crate) fn is_listed(source: &impl Source, ino: u64) -> Result<bool> {
    Ok(source.word(inode_word(ino, offset_of!(Inode, orphan_prev)))? != 0)
}

/// Puts an inode on its group's list whose bytes are [`fresh`](Transaction::fresh): returns what its
/// `orphan_next` and `orphan_prev` have to be.
pub(crate) fn add_new_orphan<P: Platform>(
    tx: &mut Transaction<'_, P>,
    ino: u64,
) -> Result<(u64, u64)> {
    let group = group_of(inode_block(ino));
    tx.group(group)?;
    let head = header_word(group, offset_of!(GroupHeader, orphans));
    let first = tx.word(head)?;
    if first != 0 {
        check_listed(tx, group, first)?;
        tx.set(inode_word(first, offset_of!(Inode, orphan_prev)), ino)?;
    }
    tx.set(head, ino)?;
    // The first one points to itself: 0 is for those that are not listed.
    Ok((first, ino))
}

/// Puts an inode, which is not there, on its group's list.
pub(crate) fn add_orphan<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64) -> Result {
    let (next, prev) = add_new_orphan(tx, ino)?;
    tx.set(inode_word(ino, offset_of!(Inode, orphan_next)), next)?;
    tx.set(inode_word(ino, offset_of!(Inode, orphan_prev)), prev)
}

/// Takes an inode off its group's list.
pub(crate) fn remove_orphan<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64) -> Result {
    let group = group_of(inode_block(ino));
    tx.group(group)?;
    let next_at = inode_word(ino, offset_of!(Inode, orphan_next));
    let prev_at = inode_word(ino, offset_of!(Inode, orphan_prev));
    let (next, prev) = (tx.word(next_at)?, tx.word(prev_at)?);
    let before = if prev == ino {
        header_word(group, offset_of!(GroupHeader, orphans))
    } else {
        check_listed(tx, group, prev)?;
        inode_word(prev, offset_of!(Inode, orphan_next))
    };
    if tx.word(before)? != ino {
        return Err(Error::Corrupt);
    }
    tx.set(before, next)?;
    if next != 0 {
        check_listed(tx, group, next)?;
        let prev = if prev == ino { next } else { prev };
        tx.set(inode_word(next, offset_of!(Inode, orphan_prev)), prev)?;
    }
    tx.set(next_at, 0)?;
    tx.set(prev_at, 0)
}

fn check_listed<P: Platform>(tx: &Transaction<'_, P>, group: u32, ino: u64) -> Result {
    if group_of(inode_block(ino)) == group && is_on_list(tx.volume(), tx, ino)? {
        Ok(())
    } else {
        Err(Error::Corrupt)
    }
}

/// Whether a number is that of an inode on its group's list. Any number is safe.
///
/// The group's lock is held, and not the inode's map lock. So only that is judged which the group's lock guards or
/// which never changes: a chmod of the inode may be between two words of its record, with a checksum that is not
/// right yet.
fn is_on_list<P: Platform>(volume: &Volume<P>, source: &impl Source, ino: u64) -> Result<bool> {
    let word = |field| source.word(inode_word(ino, field));
    Ok(is_in_use(volume, source, ino)?
        && word(offset_of!(Inode, magic))? as u32 == INODE_MAGIC
        && word(offset_of!(Inode, ino))? == ino
        && is_listed(source, ino)?)
}

impl<P: Platform> Inodes<'_, P> {
    /// The first inode on a group's list: an orphan, or one with an intent. After a mount the caller
    /// opens each and has it [`finish`](crate::file::Files::finish)ed, in the background, unless somebody uses
    /// it.
    ///
    /// Inodes that get on the list later are in use: their number was announced before that, the
    /// last user of an orphan has it finished, and the next change of a file completes its intent.
    ///
    /// # Errors
    ///
    /// As [`Space::of_group`](crate::totals::Space::of_group).
    pub fn first_unfinished(self, group: u32) -> Result<Option<u64>> {
        if group >= self.volume.groups() {
            return Err(Error::Invalid);
        }
        let _held = self.volume.platform().lock_group(group, 0);
        let ino = self.volume.read_group(group)?.orphans.get();
        if ino == 0 {
            return Ok(None);
        }
        if group_of(inode_block(ino)) != group {
            return Err(Error::Corrupt);
        }
        Ok(Some(ino))
    }

    /// The inode after `ino` on its group's list, to pass over those that are in use.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] if `ino` is not on the list any more: start again with
    /// [`first_unfinished`](Self::first_unfinished). Otherwise as
    /// [`Space::of_group`](crate::totals::Space::of_group).
    pub fn next_unfinished(self, ino: u64) -> Result<Option<u64>> {
        self.volume
            .check_block(inode_block(ino))
            .map_err(|_| Error::Invalid)?;
        let group = group_of(inode_block(ino));
        let _held = self.volume.platform().lock_group(group, 0);
        if !is_on_list(self.volume, self.volume, ino)? {
            return Err(Error::Stale);
        }
        let next = self
            .volume
            .word(inode_word(ino, offset_of!(Inode, orphan_next)))?;
        if next == 0 {
            return Ok(None);
        }
        if next == ino || group_of(inode_block(next)) != group {
            return Err(Error::Corrupt);
        }
        Ok(Some(next))
    }
}
