// SPDX-License-Identifier: GPL-2.0

//! The steps of what intents are for: as much as one transaction does.

use core::ops::Range;

use super::convert::{zero_blocks, Parts};
use super::count_blocks;
use crate::alloc::free_run;
use crate::extents::{edit, extent_at, find, Cursor, NONE};
use crate::format::{group_of, Extent};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::tree::Tree;
use crate::volume::Volume;
use crate::workspace::Scratch;
use crate::Result;

/// How much a step does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// As much as fits.
    Usual,
    /// One extent, without a node: when locks or blocks do not suffice for more.
    Least,
}

/// The words of bitmaps that a step changes at most; the record has room for twice as many, of
/// which nodes, a leaf's order and the inode take less than the rest.
const MAX_WORDS: u64 = 128;
/// The groups of which a step frees data. Nodes and the inode may be in others.
const MAX_FREED_GROUPS: usize = 4;

/// What a step may still free.
struct Budget {
    words: u64,
    groups: [Option<u32>; MAX_FREED_GROUPS],
    extents: usize,
}

impl Budget {
    const fn new(effort: Effort) -> Self {
        Self {
            words: MAX_WORDS,
            groups: [None; MAX_FREED_GROUPS],
            extents: match effort {
                Effort::Usual => usize::MAX,
                Effort::Least => 1,
            },
        }
    }

    /// How many of so many adjacent blocks may be freed.
    fn take(&mut self, block: u64, count: u64) -> u64 {
        let group = group_of(block);
        let known = self.groups.contains(&Some(group));
        let place = self.groups.iter_mut().find(|place| place.is_none());
        if self.extents == 0 || (!known && place.is_none()) {
            return 0;
        }
        // The run may begin and end within a word; the group's counters are one more.
        let count = count.min(self.words.saturating_sub(3) * 64);
        if count == 0 {
            return 0;
        }
        if let Some(place) = place.filter(|_| !known) {
            *place = Some(group);
        }
        self.extents -= 1;
        self.words = self.words.saturating_sub(count / 64 + 3);
        count
    }
}

/// What a step frees: `pages` of the `removed` extents at the cursor.
struct Piece {
    removed: usize,
    pages: Range<u64>,
    /// What stays of the first extent, and of the last.
    left: Extent,
    right: Extent,
    /// Where there may be more.
    next: Option<u64>,
}

/// Frees blocks of the pages of a range. Returns the page from which on there may be more.
pub(super) fn free_step<P: Platform>(
    tx: &mut Transaction<'_, P>,
    scratch: &mut Scratch,
    tree: &Tree,
    pages: &Range<u64>,
    effort: Effort,
) -> Result<Option<u64>> {
    let volume = tx.volume();
    let Scratch { nodes, cursor, .. } = scratch;
    find(volume, tree, pages.start, cursor)?;
    let piece = choose(volume, tree, cursor, pages, effort)?;
    if piece.removed == 0 {
        return Ok(piece.next);
    }
    if effort == Effort::Least && piece.left.count > 0 && piece.right.count > 0 {
        // What is left would need another place among the extents. Zeros will do.
        zero_first(tx, tree, cursor, &piece)?;
        return Ok(piece.next);
    }

    nodes.blocks.start(tree.ino, true);
    let kept = [piece.left, piece.right];
    edit(tx, nodes, (tree, cursor), piece.removed, &kept)?;
    let (made, retired) = nodes.blocks.settle(tx)?;
    let freed = free_blocks(tx, tree, cursor, &piece)?;
    count_blocks(tx, tree.ino, (made, retired + freed))?;
    Ok(piece.next)
}

impl Piece {
    /// What of an extent is in it.
    fn part_of(&self, extent: &Extent) -> Extent {
        let count = self.pages.end - self.pages.start;
        Parts::of(extent, self.pages.start, count).middle
    }
}

/// Zeroes the part of a piece of one extent.
#[inline(never)]
fn zero_first<P: Platform>(
    tx: &mut Transaction<'_, P>,
    tree: &Tree,
    cursor: &Cursor,
    piece: &Piece,
) -> Result {
    let extent = extent_at(tx.volume(), tree, cursor, cursor.at)?;
    if extent.unwritten {
        return Ok(());
    }
    zero_blocks(tx, &piece.part_of(&extent))
}

/// Frees the blocks of a piece, as the volume says; returns how many.
#[inline(never)]
fn free_blocks<P: Platform>(
    tx: &mut Transaction<'_, P>,
    tree: &Tree,
    cursor: &Cursor,
    piece: &Piece,
) -> Result<u64> {
    let mut freed = 0;
    for position in cursor.at..cursor.at + piece.removed {
        let extent = extent_at(tx.volume(), tree, cursor, position)?;
        let middle = piece.part_of(&extent);
        free_run(tx, middle.block, middle.count, false)?;
        freed += middle.count;
    }
    Ok(freed)
}

#[inline(never)]
fn choose<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    cursor: &Cursor,
    pages: &Range<u64>,
    effort: Effort,
) -> Result<Piece> {
    let mut budget = Budget::new(effort);
    let mut piece = Piece {
        removed: 0,
        pages: pages.start..pages.start,
        left: NONE,
        right: NONE,
        next: (cursor.end < pages.end).then_some(cursor.end),
    };
    for position in cursor.at..cursor.at + cursor.rest() {
        let extent = extent_at(volume, tree, cursor, position)?;
        if extent.page >= pages.end {
            piece.next = None;
            break;
        }
        let Parts { left, middle, .. } =
            Parts::of(&extent, pages.start, pages.end.saturating_sub(pages.start));
        let taken = budget.take(middle.block, middle.count);
        if taken == 0 {
            piece.next = Some(middle.page);
            break;
        }
        piece.removed += 1;
        let mut from = middle.page;
        if left.count > 0 && taken < middle.count && middle.end() == extent.end() {
            // The extent's end goes: from the back, it stays one extent.
            from = middle.end() - taken;
            piece.pages.start = from;
        }
        let kept = Parts::of(&extent, from, taken);
        piece.pages.end = from + taken;
        if left.count > 0 {
            piece.left = kept.left;
        }
        if from > middle.page {
            piece.next = Some(middle.page);
            break;
        }
        if kept.right.count > 0 {
            piece.right = kept.right;
            piece.next = (piece.pages.end < pages.end).then_some(piece.pages.end);
            break;
        }
    }
    Ok(piece)
}

/// Makes an extent of the pages of a range unwritten. Returns the page from which on there may be more.
#[inline(never)]
pub(super) fn unwrite_step<P: Platform>(
    tx: &mut Transaction<'_, P>,
    scratch: &mut Scratch,
    tree: &Tree,
    pages: &Range<u64>,
    effort: Effort,
) -> Result<Option<u64>> {
    let Scratch { nodes, cursor, .. } = scratch;
    find(tx.volume(), tree, pages.start, cursor)?;
    let more = |page: u64| (page < pages.end).then_some(page);
    while let Some(extent) = cursor.here().filter(|extent| extent.page < pages.end) {
        if extent.unwritten {
            find(tx.volume(), tree, extent.end(), cursor)?;
            continue;
        }
        let count = pages.end.saturating_sub(pages.start);
        let new = Parts::replaced(&extent, (pages.start, count), true);
        let [_, middle, _] = &new;
        let end = middle.end();
        if effort == Effort::Least {
            zero_blocks(tx, middle)?;
            return Ok(more(end));
        }
        // Nothing is given back: the reserve is for what does, and zeros in place do as well.
        nodes.blocks.start(tree.ino, false);
        edit(tx, nodes, (tree, cursor), 1, &new)?;
        let counts = nodes.blocks.settle(tx)?;
        count_blocks(tx, tree.ino, counts)?;
        return Ok(more(end));
    }
    Ok(match cursor.here() {
        Some(_) => None,
        None => more(cursor.end),
    })
}
