// SPDX-License-Identifier: GPL-2.0

//! Looks extents up.

use core::mem::offset_of;

use super::{Cursor, NONE};
use crate::format::{
    block_offset, Extent, ExtentRecord, Inode, Root, EXTENT_ORDER, EXTENT_PLACES, MAX_EXTENTS,
    MAX_PAGES,
};
use crate::inode::inode_word;
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::{descend, read_words, Tree};
use crate::volume::Volume;
use crate::{Error, Result};

/// Finds the extent that has a page, or the hole that it is in.
///
/// # Errors
///
/// [`Error::Invalid`] if the inode holds something else than extents, [`Error::Corrupt`] and
/// [`Error::Io`].
pub(crate) fn find<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    page: u64,
    cursor: &mut Cursor,
) -> Result {
    find_home(volume, tree, page, cursor)?;
    // Those before `low` begin at the page or before it, those from `high` on behind it.
    let (mut low, mut high) = (0, cursor.count);
    let (mut last, mut next) = (NONE, NONE);
    while low < high {
        let middle = low + (high - low) / 2;
        let extent = extent_at(volume, tree, cursor, middle)?;
        if extent.page <= page {
            low = middle + 1;
            last = extent;
        } else {
            high = middle;
            next = extent;
        }
    }
    // That of none is 0, which no page is before.
    if last.end() > page {
        cursor.at = low - 1;
        cursor.here = last;
    } else {
        cursor.at = low;
        cursor.here = next;
        cursor.before = last;
    }
    if next.count > 0 && last.end() > next.page {
        return Err(Error::Corrupt);
    }
    Ok(())
}

/// Puts the cursor into the home of the last extent that begins before a page, which is not 0. Returns whether
/// there is such an extent.
///
/// # Errors
///
/// As [`find`].
pub(crate) fn last_before<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    page: u64,
    cursor: &mut Cursor,
) -> Result<bool> {
    let Some(last) = page.checked_sub(1) else {
        return Ok(false);
    };
    find(volume, tree, last, cursor)?;
    Ok(cursor.at_page(last).is_some() || cursor.before().is_some())
}

/// The page behind the last extent of the cursor's home.
///
/// # Errors
///
/// As [`extent_at`]; [`Error::Invalid`] if it has no extent.
pub(crate) fn last_end<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    cursor: &Cursor,
) -> Result<u64> {
    let last = cursor.count.checked_sub(1).ok_or(Error::Invalid)?;
    Ok(extent_at(volume, tree, cursor, last)?.end())
}

/// Puts a cursor at the start of the home of a page.
fn find_home<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    page: u64,
    cursor: &mut Cursor,
) -> Result {
    let root = volume.word(inode_word(tree.ino, offset_of!(Inode, root)))?;
    cursor.in_leaf = false;
    (cursor.count, cursor.at, cursor.low, cursor.end) = (0, 0, 0, MAX_PAGES);
    (cursor.here, cursor.before) = (NONE, NONE);
    match Root::from_word(root).ok_or(Error::Corrupt)? {
        Root::Empty => Ok(()),
        Root::Extents(count) => {
            cursor.count = usize::from(count);
            Ok(())
        }
        Root::ExtentTree { block, level } => {
            let path = &mut cursor.path;
            descend(volume, volume, tree, (block, level), page, path)?;
            read_words(volume, volume, tree, &path.place())?;
            let order = block_offset(path.leaf) + EXTENT_ORDER as u64;
            let count = (volume.word(order)? & 0xff) as usize;
            if count == 0 || count > MAX_EXTENTS {
                return Err(Error::Corrupt);
            }
            cursor.in_leaf = true;
            cursor.count = count;
            (cursor.low, cursor.end) = (path.low, path.end.min(MAX_PAGES));
            Ok(())
        }
        Root::Target(_) | Root::Entries(_) | Root::DirectoryTree { .. } | Root::Device => {
            Err(Error::Invalid)
        }
    }
}

/// An extent of the cursor's home, judged.
///
/// # Errors
///
/// [`Error::Corrupt`], [`Error::Io`].
pub(crate) fn extent_at<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    cursor: &Cursor,
    position: usize,
) -> Result<Extent> {
    let offset = match cursor.leaf() {
        None => inline_offset(tree, position),
        Some(path) => {
            let mut place = [0];
            let order = block_offset(path.leaf) + (EXTENT_ORDER + 1 + position) as u64;
            volume.read(order, &mut place)?;
            let [place] = place;
            place_offset(path.leaf, place)?
        }
    };
    let record: ExtentRecord = volume.get(offset)?;
    let extent = Extent {
        page: u64::from(record.page.get()),
        count: u64::from(record.count.get()),
        ..Extent::from_words(0, record.block.get())
    };
    if extent.count == 0 || extent.page < cursor.low || extent.end() > cursor.end {
        return Err(Error::Corrupt);
    }
    volume.check_run(extent.block, extent.count)?;
    Ok(extent)
}

/// The byte offset of an extent in the inode.
pub(super) fn inline_offset(tree: &Tree, position: usize) -> u64 {
    let first = inode_word(tree.ino, offset_of!(Inode, inline));
    first + (position * size_of::<ExtentRecord>()) as u64
}

/// The byte offset of a place in a leaf.
pub(super) fn place_offset(leaf: u64, place: u8) -> Result<u64> {
    let place = usize::from(place);
    if place >= MAX_EXTENTS {
        return Err(Error::Corrupt);
    }
    Ok(block_offset(leaf) + (EXTENT_PLACES + place * size_of::<ExtentRecord>()) as u64)
}
