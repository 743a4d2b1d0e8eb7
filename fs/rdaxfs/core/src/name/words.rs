// SPDX-License-Identifier: GPL-2.0

//! Words of inodes as the operations on names change them.

use core::mem::offset_of;

use crate::format::{links_of, with_links, Inode, Time, MAX_LINKS};
use crate::inode::{add_orphan, inode_word, is_listed, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::{Error, Result};

/// The number of links of an inode.
pub(super) fn links(source: &impl Source, ino: u64) -> Result<u64> {
    let word = source.word(inode_word(ino, offset_of!(Inode, links)))?;
    Ok(u64::from(links_of(word)))
}

/// Changes the number of links of an inode to what `changed` makes of it, which is returned.
pub(super) fn change_links<P: Platform>(
    tx: &mut Transaction<'_, P>,
    ino: u64,
    changed: impl FnOnce(u64) -> Result<u64>,
) -> Result<u64> {
    let at = inode_word(ino, offset_of!(Inode, links));
    let old = tx.word(at)?;
    let links = changed(u64::from(links_of(old)))?;
    let now = u32::try_from(links).map_err(|_| Error::Corrupt)?;
    tx.change(at, old, with_links(old, now))?;
    Ok(links)
}

/// An inode's type and permissions.
pub(super) fn mode(source: &impl Source, map: &MapState) -> Result<u16> {
    let word = source.word(inode_word(map.ino, offset_of!(Inode, generation)))?;
    let shift = 8 * (offset_of!(Inode, mode) - offset_of!(Inode, generation));
    Ok((word >> shift) as u16)
}

/// Whether names can be added to a directory.
///
/// # Errors
///
/// [`Error::NotDirectory`] if it is none, [`Error::NoEntry`] if it has been removed.
pub(super) fn check_directory(source: &impl Source, map: &MapState) -> Result {
    if !map.is_directory() {
        return Err(Error::NotDirectory);
    }
    if links(source, map.ino)? == 0 {
        return Err(Error::NoEntry);
    }
    Ok(())
}

/// Adds to an inode's links. Returns how many it has then.
///
/// # Errors
///
/// [`Error::TooManyLinks`] if it would have more than [`MAX_LINKS`], [`Error::Corrupt`] if it has not as many
/// as it loses.
pub(super) fn add_links<P: Platform>(
    tx: &mut Transaction<'_, P>,
    ino: u64,
    more: i64,
) -> Result<u64> {
    change_links(tx, ino, |links| {
        let now = links.checked_add_signed(more).ok_or(Error::Corrupt)?;
        if now > MAX_LINKS && more > 0 {
            return Err(Error::TooManyLinks);
        }
        Ok(now)
    })
}

/// An inode loses a name; a directory has only the one. Without any it is an orphan. Returns the links that
/// are left.
pub(super) fn drop_name<P: Platform>(
    tx: &mut Transaction<'_, P>,
    ino: u64,
    directory: bool,
    now: Time,
) -> Result<u64> {
    let left = change_links(tx, ino, |links| {
        let lost = if directory { links } else { 1 };
        links.checked_sub(lost).ok_or(Error::Corrupt)
    })?;
    // It may be there for what else is left to do.
    if left == 0 && !is_listed(tx, ino)? {
        add_orphan(tx, ino)?;
    }
    changed(tx, ino, now)?;
    Ok(left)
}

/// The inode has changed.
pub(super) fn changed<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64, now: Time) -> Result {
    tx.set(inode_word(ino, offset_of!(Inode, ctime)), now.0)
}

/// The directory's entries have changed.
pub(super) fn modified<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64, now: Time) -> Result {
    tx.set(inode_word(ino, offset_of!(Inode, mtime)), now.0)?;
    changed(tx, ino, now)
}
