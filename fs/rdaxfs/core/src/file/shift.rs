// SPDX-License-Identifier: GPL-2.0

//! Collapsing and inserting ranges: the pages behind them move.
//!
//! The first transaction changes the size and leaves an intent, so that from then on the file is read as it
//! is going to be ([`View`]). Then the extents move, those of a leaf in one transaction, in the order
//! in which they find room: for a collapse from the front, for an insertion from the back. The intent says how
//! far that has come.

use core::ops::Range;

use super::free::{free_step, Effort};
use super::perform::{clear_intent, list_intent};
use super::view::View;
use super::{count_blocks, extents_of, Changed, Files, Head};
use crate::extents::{cut, edit, find, goes_on, last_before, last_end, shift, Cursor, Shift};
use crate::format::{block_offset, Intent, IntentWords, BLOCK_SIZE, MAX_FILE_SIZE, MAX_PAGES};
use crate::inode::{store_intent, Change, MapState};
use crate::platform::Platform;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

/// Where the extents are to move next.
struct Step {
    /// [`None`]: there are none.
    by: Option<Shift>,
    /// What is left to do then; [`None`]: nothing.
    left: Option<IntentWords>,
    /// Where the home begins that is to say where it begins now.
    behind: Option<u64>,
}

impl<P: Platform> Files<'_, P> {
    /// Takes pages out of the file; those behind them move to their place.
    pub(super) fn collapse(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        pages: Range<u64>,
        change: &Change,
    ) -> Result<Changed> {
        let size = self.size(map)?;
        let by = pages.end - pages.start;
        if block_offset(pages.end) >= size {
            return Err(Error::Invalid);
        }
        self.cut_at(workspace, map, pages.start)?;
        self.cut_at(workspace, map, pages.end)?;
        let head = Head {
            size: Some(size - block_offset(by)),
            change: Some(change),
        };
        let intent = collapse_words(pages.end, by);
        self.begin_shift(workspace, map, intent, head)?;
        let changed = self.go_on(workspace, map, View::of(intent)?)?;
        match self.join_at(workspace, map, pages.start) {
            // They are as good apart.
            Err(Error::Busy | Error::NoSpace) | Ok(()) => Ok(changed),
            Err(error) => Err(error),
        }
    }

    /// Makes one extent of two that have come together at a page.
    #[inline(never)]
    fn join_at(self, workspace: &mut Workspace, map: &mut MapState, page: u64) -> Result {
        let Some(before) = page.checked_sub(1) else {
            return Ok(());
        };
        let tree = extents_of(map);
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &tree, before, cursor)?;
        let Some(extent) = cursor.at_page(before).filter(|extent| extent.end() == page) else {
            return Ok(());
        };
        if !goes_on(self.volume, &tree, cursor)? {
            return Ok(());
        }
        self.volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                let Scratch { nodes, cursor, .. } = scratch;
                nodes.blocks.start(tree.ino, false);
                // Put in anew, it takes the next one in.
                edit(tx, nodes, (&tree, cursor), 1, &[extent])?;
                let counts = nodes.blocks.settle(tx)?;
                count_blocks(tx, tree.ino, counts)
            })
    }

    /// Puts a hole in front of a page, which moves.
    pub(super) fn insert(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        pages: Range<u64>,
        change: &Change,
    ) -> Result<Changed> {
        let size = self.size(map)?;
        let by = pages.end - pages.start;
        if block_offset(pages.start) >= size {
            return Err(Error::Invalid);
        }
        let end = self.end_of_extents(map, &mut workspace.scratch.cursor)?;
        let size = size
            .checked_add(block_offset(by))
            .filter(|&size| size <= MAX_FILE_SIZE)
            .filter(|_| end + by <= MAX_PAGES)
            .ok_or(Error::FileTooBig)?;
        self.cut_at(workspace, map, pages.start)?;
        let head = Head {
            size: Some(size),
            change: Some(change),
        };
        let intent = insert_words(pages.start, by, MAX_PAGES);
        self.begin_shift(workspace, map, intent, head)?;
        self.go_on(workspace, map, View::of(intent)?)
    }

    /// The page behind the last extent.
    #[inline(never)]
    fn end_of_extents(self, map: &MapState, cursor: &mut Cursor) -> Result<u64> {
        let tree = extents_of(map);
        if last_before(self.volume, &tree, MAX_PAGES, cursor)? {
            last_end(self.volume, &tree, cursor)
        } else {
            Ok(0)
        }
    }

    /// Goes on with what is left to do of a collapse or an insertion.
    pub(super) fn go_on(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        view: View,
    ) -> Result<Changed> {
        if let View::Collapse { from, by } = view {
            self.free_gap(workspace, map, from - by..from)?;
        }
        self.shift_all(workspace, map, view)
    }

    /// Moves the extents that are still to move.
    #[inline(never)]
    fn shift_all(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        view: View,
    ) -> Result<Changed> {
        let mut view = view;
        let mut behind = None;
        loop {
            let mut step = Step {
                by: None,
                left: None,
                behind: None,
            };
            let cursor = &mut workspace.scratch.cursor;
            match view {
                View::Collapse { from, by } => {
                    self.next_down(map, (from, by), cursor, &mut step)?
                }
                View::Insert { at, by, end } => {
                    self.next_up(map, (at, by, end), cursor, &mut step)?
                }
                _ => return Err(Error::Invalid),
            }
            // It has said so, and the tree did not: one that is damaged.
            if step.behind.is_some() && step.behind <= behind {
                return Err(Error::Corrupt);
            }
            behind = step.behind;
            let changed = self.shift_step(workspace, map, &step)?;
            match step.left {
                Some(left) => view = View::of(left)?,
                None => return Ok(changed),
            }
        }
    }

    /// Makes extents begin at a page, if one has it.
    #[inline(never)]
    fn cut_at(self, workspace: &mut Workspace, map: &mut MapState, page: u64) -> Result {
        let tree = extents_of(map);
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &tree, page, cursor)?;
        if cursor
            .at_page(page)
            .is_none_or(|extent| extent.page == page)
        {
            return Ok(());
        }
        self.volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                let Scratch { nodes, cursor, .. } = scratch;
                nodes.blocks.start(tree.ino, false);
                cut(tx, nodes, (&tree, cursor), page)?;
                let counts = nodes.blocks.settle(tx)?;
                count_blocks(tx, tree.ino, counts)
            })
    }

    #[inline(never)]
    fn begin_shift(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        intent: IntentWords,
        head: Head<'_>,
    ) -> Result {
        let ino = map.ino;
        self.volume.transact(workspace, &mut map.stamp, |tx, _| {
            store_intent(tx, ino, intent)?;
            list_intent(tx, ino)?;
            head.apply(tx, ino)
        })
    }

    /// Frees what a collapse takes out. No extent has a part of it only.
    #[inline(never)]
    fn free_gap(self, workspace: &mut Workspace, map: &mut MapState, gap: Range<u64>) -> Result {
        let tree = extents_of(map);
        let mut pages = gap;
        loop {
            let mut free = |effort| {
                self.volume
                    .transact(workspace, &mut map.stamp, |tx, scratch| {
                        free_step(tx, scratch, &tree, &pages, effort)
                    })
            };
            let next = match free(Effort::Usual) {
                Err(Error::Busy | Error::NoSpace) => free(Effort::Least),
                done => done,
            }?;
            match next {
                None => return Ok(()),
                Some(next) if next < pages.start || next >= pages.end => {
                    return Err(Error::Corrupt);
                }
                Some(next) => pages.start = next,
            }
        }
    }

    /// The next extents of a collapse: those of the first home that has any from `from` on.
    #[inline(never)]
    fn next_down(
        self,
        map: &MapState,
        (from, by): (u64, u64),
        cursor: &mut Cursor,
        step: &mut Step,
    ) -> Result {
        let tree = extents_of(map);
        let mut page = from;
        while page < MAX_PAGES {
            find(self.volume, &tree, page, cursor)?;
            if let Some(first) = cursor.here() {
                if first.page < from {
                    return Err(Error::Corrupt);
                }
                let end = last_end(self.volume, &tree, cursor)?;
                let more = cursor.end < MAX_PAGES;
                step.by = Some(Shift::Down(by));
                step.left = more.then_some(collapse_words(end, by));
                return Ok(());
            }
            page = cursor.end;
        }
        Ok(())
    }

    /// The next extents of an insertion: those of the last home that has any from `at` to before `end`.
    #[inline(never)]
    fn next_up(
        self,
        map: &MapState,
        (at, by, end): (u64, u64, u64),
        cursor: &mut Cursor,
        step: &mut Step,
    ) -> Result {
        let tree = extents_of(map);
        if !last_before(self.volume, &tree, end, cursor)? || at >= cursor.end {
            return Ok(());
        }
        let first = at.max(cursor.low);
        find(self.volume, &tree, first, cursor)?;
        let Some(first) = cursor.here() else {
            return Ok(());
        };
        let last = last_end(self.volume, &tree, cursor)?;
        if first.page < at || first.page >= end || last > end {
            return Err(Error::Corrupt);
        }
        let behind = cursor.end;
        if last.saturating_add(by) > behind && behind < MAX_PAGES {
            // What is behind has moved, or the home's end would not be where it is: let that say so.
            find(self.volume, &tree, behind, cursor)?;
            let room = cursor.here().is_some_and(|next| next.page >= last + by);
            if cursor.at > 0 || !room {
                return Err(Error::Corrupt);
            }
            step.behind = Some(behind);
            step.by = Some(Shift::Up(0));
            step.left = Some(insert_words(at, by, end));
            return Ok(());
        }
        // Others are before this home's first extent, if it has all from there on.
        let more = cursor.at == 0 && cursor.low > at;
        step.by = Some(Shift::Up(by));
        step.left = more.then_some(insert_words(at, by, first.page));
        Ok(())
    }

    #[inline(never)]
    fn shift_step(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        step: &Step,
    ) -> Result<Changed> {
        let tree = extents_of(map);
        let Step { by, left, .. } = step;
        self.volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                if let Some(by) = by {
                    // It gives back as many blocks as it takes, so that it may take the last ones.
                    let Scratch { nodes, cursor, .. } = scratch;
                    nodes.blocks.start(tree.ino, true);
                    shift(tx, nodes, (&tree, cursor), *by)?;
                    let counts = nodes.blocks.settle(tx)?;
                    count_blocks(tx, tree.ino, counts)?;
                }
                match *left {
                    Some(left) => store_intent(tx, tree.ino, left)?,
                    None => clear_intent(tx, tree.ino)?,
                }
                Changed::of(tx, tree.ino)
            })
    }
}

fn collapse_words(from: u64, by: u64) -> IntentWords {
    IntentWords {
        kind: Intent::Collapse as u32,
        pages: [from as u32, by as u32, 0],
    }
}

fn insert_words(at: u64, by: u64, end: u64) -> IntentWords {
    IntentWords {
        kind: Intent::Insert as u32,
        pages: [at as u32, by as u32, end.saturating_sub(1) as u32],
    }
}

const _: () = assert!(MAX_PAGES - 1 == u32::MAX as u64 && BLOCK_SIZE << 32 == MAX_FILE_SIZE);
