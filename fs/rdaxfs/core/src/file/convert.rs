// SPDX-License-Identifier: GPL-2.0

//! Makes unwritten pages readable.

use super::{check_pages, count_blocks, extents_of, Changed, Files, Mapping};
use crate::extents::{edit, find};
use crate::format::{block_offset, Extent};
use crate::inode::{set_attributes, Change, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

impl<P: Platform> Files<'_, P> {
    /// After writeback without DAX: the pages show what is on their blocks, and not zeros. The caller
    /// has seen to it that the data is durable. Pages that are not unwritten stay as they are.
    ///
    /// It does not fail for want of space: when there is no block for another node, the rest of an
    /// unwritten extent is zeroed, and the extent becomes readable as a whole. `written` says of
    /// which other pages the data is on its blocks already, durably, so that it must not be zeroed:
    /// those for which this call is still to come. The caller starts no writeback to blocks that it
    /// had from [`reserve_unwritten`](Self::reserve_unwritten) meanwhile.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// Those of [`map`](Self::map), and [`Error::ReadOnly`].
    #[inline(never)]
    pub fn convert(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (page, count): (u64, u64),
        written: &dyn Fn(u64) -> bool,
    ) -> Result {
        check_pages(page, count)?;
        let pages = page..page.saturating_add(count);
        let keep = |page| pages.contains(&page) || written(page);
        self.complete(workspace, map)?;
        let end = page + count;
        let mut page = page;
        while page < end {
            let cursor = &mut workspace.scratch.cursor;
            find(self.volume, &extents_of(map), page, cursor)?;
            page = match cursor.at_page(page) {
                Some(extent) if extent.unwritten => {
                    let pages = (page, end - page);
                    self.convert_at(workspace, map, pages, &keep, &Change::none())?;
                    extent.end()
                }
                Some(extent) => extent.end(),
                None => cursor.hole_end(),
            };
        }
        Ok(())
    }

    /// Makes pages of one unwritten extent readable, which has the first of them. They are zeroed
    /// before, except those of which `keep` says that their blocks hold them.
    #[inline(never)]
    pub(super) fn convert_at(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (page, count): (u64, u64),
        keep: &dyn Fn(u64) -> bool,
        change: &Change,
    ) -> Result<(Mapping, Changed)> {
        self.volume.check_writable()?;
        let tree = extents_of(map);
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &tree, page, cursor)?;
        let unwritten = cursor.at_page(page).filter(|extent| extent.unwritten);
        let Parts {
            left,
            middle,
            right,
        } = Parts::of(&unwritten.ok_or(Error::Invalid)?, page, count);
        let written = Extent {
            unwritten: false,
            ..middle
        };
        let converted = self
            .volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                zero_unless(tx, &middle, keep)?;
                let Scratch { nodes, cursor, .. } = scratch;
                nodes.blocks.start(tree.ino, false);
                let new = [left, written, right];
                edit(tx, nodes, (&tree, cursor), 1, &new)?;
                let counts = nodes.blocks.settle(tx)?;
                count_blocks(tx, tree.ino, counts)?;
                set_attributes(tx, tree.ino, change)?;
                Changed::of(tx, tree.ino)
            });
        if converted != Err(Error::NoSpace) {
            return Ok((Mapping::of(&written, page, page + count), converted?));
        }
        let whole = Extent {
            page: left.page,
            count: left.count + middle.count + right.count,
            block: left.block,
            unwritten: false,
        };
        let changed = self
            .volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                zero_unless(tx, &whole, keep)?;
                // One takes the place of one: this needs no node.
                let Scratch { nodes, cursor, .. } = scratch;
                nodes.blocks.start(tree.ino, false);
                edit(tx, nodes, (&tree, cursor), 1, &[whole])?;
                set_attributes(tx, tree.ino, change)?;
                Changed::of(tx, tree.ino)
            })?;
        Ok((Mapping::of(&whole, page, page + count), changed))
    }
}

/// An extent, cut at both ends of a range of pages.
pub(super) struct Parts {
    pub(super) left: Extent,
    pub(super) middle: Extent,
    pub(super) right: Extent,
}

impl Parts {
    /// The parts before, in and behind the `count` pages from `page` on; those without pages have
    /// a count of 0.
    pub(super) fn of(extent: &Extent, page: u64, count: u64) -> Self {
        let from = page.clamp(extent.page, extent.end());
        let to = page.saturating_add(count).clamp(from, extent.end());
        let part = |from: u64, to: u64| Extent {
            page: from,
            count: to - from,
            block: extent.block + (from - extent.page),
            unwritten: extent.unwritten,
        };
        Self {
            left: part(extent.page, from),
            middle: part(from, to),
            right: part(to, extent.end()),
        }
    }
}

impl Parts {
    /// What takes an extent's place when its part in a range of pages becomes written or unwritten.
    #[inline]
    pub(super) fn replaced(
        extent: &Extent,
        (page, count): (u64, u64),
        unwritten: bool,
    ) -> [Extent; 3] {
        let mut parts = Self::of(extent, page, count);
        parts.middle.unwritten = unwritten;
        [parts.left, parts.middle, parts.right]
    }
}

/// Zeroes the blocks of an extent, except those of the pages that are to be kept.
fn zero_unless<P: Platform>(
    tx: &mut Transaction<'_, P>,
    extent: &Extent,
    keep: &dyn Fn(u64) -> bool,
) -> Result {
    let mut from = extent.page;
    for page in extent.page..=extent.end() {
        if page < extent.end() && !keep(page) {
            continue;
        }
        zero_blocks(tx, &Parts::of(extent, from, page - from).middle)?;
        from = page + 1;
    }
    Ok(())
}

/// Zeroes the blocks of an extent, which read as zeros already or are to.
pub(super) fn zero_blocks<P: Platform>(tx: &mut Transaction<'_, P>, extent: &Extent) -> Result {
    if extent.count == 0 {
        return Ok(());
    }
    tx.bulk_zero(block_offset(extent.block), block_offset(extent.count))
}
