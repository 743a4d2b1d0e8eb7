// SPDX-License-Identifier: GPL-2.0

//! Changes extents.

use core::mem::offset_of;

use super::find::{extent_at, inline_offset, last_end};
use super::{leaf, Cursor, NONE};
use crate::format::{
    group_of, Extent, ExtentRecord, Inode, Root, INLINE_EXTENTS, MAX_EXTENTS, MAX_PAGES,
};
use crate::inode::{inode_word, xattr_root};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::tree::{self, Nodes, Tree};
use crate::volume::Volume;
use crate::{Error, Result};

/// The most extents that an edit puts in: what is left of one on both sides, and what is between.
const MAX_NEW: usize = 3;

/// What an edit comes to: the `removed` extents from `at` on are replaced by others.
pub(super) struct Edit {
    pub(super) at: usize,
    pub(super) removed: usize,
    new: [Extent; MAX_NEW],
    len: usize,
}

impl Edit {
    /// The extents that come in.
    pub(super) fn incoming(&self) -> &[Extent] {
        self.new.get(..self.len).unwrap_or(&[])
    }

    /// How many extents a home of `count` has afterwards.
    pub(super) fn total(&self, count: usize) -> usize {
        (count + self.len).saturating_sub(self.removed)
    }

    fn push(&mut self, extent: Extent) -> Result {
        if extent.count == 0 {
            return Ok(());
        }
        let last = self.len.checked_sub(1).and_then(|at| self.new.get_mut(at));
        match last {
            Some(last) if follows(last, &extent) => last.count += extent.count,
            _ => {
                *self.new.get_mut(self.len).ok_or(Error::Invalid)? = extent;
                self.len += 1;
            }
        }
        Ok(())
    }

    /// Takes the neighbours in that continue, or are continued by, what is new.
    #[inline(never)]
    fn merge<P: Platform>(
        &mut self,
        tx: &Transaction<'_, P>,
        tree: &Tree,
        cursor: &Cursor,
    ) -> Result {
        let Some(first) = self.new.first_mut().filter(|_| self.len > 0) else {
            return Ok(());
        };
        if let Some(before) = self.at.checked_sub(1) {
            let extent = extent_at(tx.volume(), tree, cursor, before)?;
            if follows(&extent, first) {
                let count = extent.count + first.count;
                *first = Extent { count, ..extent };
                self.at = before;
                self.removed += 1;
            }
        }
        let behind = self.at + self.removed;
        let last = self.len.checked_sub(1).and_then(|at| self.new.get_mut(at));
        if let Some(last) = last.filter(|_| behind < cursor.count) {
            let extent = extent_at(tx.volume(), tree, cursor, behind)?;
            if follows(last, &extent) {
                last.count += extent.count;
                self.removed += 1;
            }
        }
        Ok(())
    }
}

/// Whether two extents can be one.
fn follows(first: &Extent, second: &Extent) -> bool {
    first.end() == second.page
        && first.block + first.count == second.block
        && first.unwritten == second.unwritten
        && group_of(first.block) == group_of(second.block)
}

/// Puts `new` in place of the `removed` extents at the cursor: at most three, in ascending order,
/// within the home's pages and what its neighbours leave; those of no pages are passed over.
///
/// The transaction has joined the map lock, and has no other edit of this file. Blocks of dropped
/// runs are the caller's to free, after this.
///
/// # Errors
///
/// [`Error::NoSpace`] if a node is needed and there is no block for it, and those of [`Transaction`].
pub(crate) fn edit<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, cursor): (&Tree, &Cursor),
    removed: usize,
    new: &[Extent],
) -> Result {
    if removed > cursor.rest() {
        return Err(Error::Invalid);
    }
    let mut edit = Edit {
        at: cursor.at,
        removed,
        new: [NONE; MAX_NEW],
        len: 0,
    };
    for &extent in new {
        edit.push(extent)?;
    }
    edit.merge(tx, tree, cursor)?;
    apply(tx, nodes, (tree, cursor), &edit)
}

/// Makes two extents of the one that has `page`, which begins the second one.
///
/// # Errors
///
/// As [`edit`]; [`Error::Invalid`] if no extent has the page and the one before it.
pub(crate) fn cut<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, cursor): (&Tree, &Cursor),
    page: u64,
) -> Result {
    let extent = cursor.at_page(page).filter(|extent| extent.page < page);
    let extent = extent.ok_or(Error::Invalid)?;
    let count = page - extent.page;
    let left = Extent { count, ..extent };
    let right = Extent {
        page,
        count: extent.count - count,
        block: extent.block + count,
        ..extent
    };
    let edit = Edit {
        at: cursor.at,
        removed: 1,
        new: [left, right, NONE],
        len: 2,
    };
    apply(tx, nodes, (tree, cursor), &edit)
}

/// Whether what the cursor is at goes on in the next extent of its home, so that they can be one.
#[inline(never)]
pub(crate) fn goes_on<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    cursor: &Cursor,
) -> Result<bool> {
    let Some(extent) = cursor.here().filter(|_| cursor.rest() > 1) else {
        return Ok(false);
    };
    let next = extent_at(volume, tree, cursor, cursor.at + 1)?;
    Ok(follows(&extent, &next))
}

/// Where extents move to: so many pages towards the end or the start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shift {
    Up(u64),
    Down(u64),
}

impl Shift {
    /// Where a page comes to.
    pub(crate) fn page(self, page: u64) -> Result<u64> {
        let moved = match self {
            Self::Up(by) => page.checked_add(by),
            Self::Down(by) => page.checked_sub(by),
        };
        moved.filter(|&page| page < MAX_PAGES).ok_or(Error::Corrupt)
    }
}

/// Moves the extents of the cursor's home from the cursor on. Where they come to nothing is in between.
///
/// It takes as many blocks as it gives back. The transaction has no other edit of this file.
///
/// # Errors
///
/// As [`edit`].
pub(crate) fn shift<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, cursor): (&Tree, &Cursor),
    by: Shift,
) -> Result {
    if by.page(last_end(tx.volume(), tree, cursor)? - 1)? >= cursor.end {
        return Err(Error::Corrupt);
    }
    let Some(path) = cursor.leaf() else {
        for position in cursor.at..cursor.count {
            let extent = extent_at(tx.volume(), tree, cursor, position)?;
            let page = by.page(extent.page)?;
            let moved = Extent { page, ..extent };
            tx.set(inline_offset(tree, position), moved.pages_word())?;
        }
        return Ok(());
    };
    let first = leaf::gather_shifted(tx, nodes, (tree, cursor), by)?;
    let key = match by {
        // What is before the leaf ends where the leaf begins.
        Shift::Up(_) if cursor.at == 0 && path.low > 0 => first,
        Shift::Down(_) if first < path.low => first,
        _ => path.low,
    };
    let block = leaf::write(tx, nodes, tree, (key, 0..cursor.count))?;
    if key == path.low {
        tree::replace(tx, nodes, (tree, path), block, None)
    } else {
        tree::rekey(tx, nodes, (tree, path), (block, key))
    }
}

fn apply<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, cursor): (&Tree, &Cursor),
    edit: &Edit,
) -> Result {
    let total = edit.total(cursor.count);
    match cursor.leaf() {
        None if fits_inline(tx, tree, total)? => edit_inline(tx, tree, cursor, edit),
        None => {
            leaf::gather(tx, nodes, (tree, cursor), edit)?;
            let block = leaf::write(tx, nodes, tree, (0, 0..total))?;
            set_root(tx, tree, tree.root(block, 0))
        }
        Some(path) if total == 0 => tree::remove(tx, nodes, (tree, path)),
        Some(path) if total <= MAX_EXTENTS => leaf::change(tx, path.leaf, cursor, edit),
        Some(path) => {
            leaf::gather(tx, nodes, (tree, cursor), edit)?;
            leaf::split(tx, nodes, (tree, path), (edit, total))
        }
    }
}

/// Whether so many extents can be in the inode. One always can.
#[inline]
fn fits_inline<P: Platform>(tx: &Transaction<'_, P>, tree: &Tree, total: usize) -> Result<bool> {
    if total <= 1 || total > INLINE_EXTENTS {
        return Ok(total <= 1);
    }
    Ok(total * size_of::<ExtentRecord>() <= xattr_root(tx, tree.ino)?.room())
}

#[inline(never)]
fn edit_inline<P: Platform>(
    tx: &mut Transaction<'_, P>,
    tree: &Tree,
    cursor: &Cursor,
    edit: &Edit,
) -> Result {
    let volume = tx.volume();
    let total = edit.total(cursor.count);
    for position in edit.at..total {
        let extent = match edit.incoming().get(position - edit.at) {
            Some(&new) => new,
            None => {
                let old = position - edit.incoming().len() + edit.removed;
                extent_at(volume, tree, cursor, old)?
            }
        };
        let offset = inline_offset(tree, position);
        tx.set(offset, extent.pages_word())?;
        tx.set(offset + 8, extent.block_word())?;
    }
    let root = if total == 0 {
        Root::Empty
    } else {
        Root::Extents(total as u8)
    };
    set_root(tx, tree, root)
}

fn set_root<P: Platform>(tx: &mut Transaction<'_, P>, tree: &Tree, root: Root) -> Result {
    let offset = inode_word(tree.ino, offset_of!(Inode, root));
    tx.set(offset, root.to_word())
}
