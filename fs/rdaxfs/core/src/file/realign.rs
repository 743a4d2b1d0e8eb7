// SPDX-License-Identifier: GPL-2.0

//! Moves the first pages of a growing file to where a huge page can map them with those that follow.

use super::allocate::{Chunks, LARGE};
use super::convert::Parts;
use super::{check_pages, count_blocks, extents_of, Files};
use crate::alloc::{allocate, free_run, rest_is_free, Reach, Request};
use crate::extents::{edit, extent_at, find, Cursor};
use crate::format::{block_offset, group_of, Extent, BLOCK_SIZE, CHUNK_BLOCKS};
use crate::inode::MapState;
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::Tree;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

/// The most extents that are moved.
const MAX_MOVED: usize = 128;
/// The most groups that they are in.
const MAX_GROUPS: usize = 4;

/// Pages, and the extents that have them, from the workspace's cursor on.
struct Moved {
    first: u64,
    count: u64,
    extents: usize,
    /// What the extents have before the pages.
    left: Extent,
    /// Whether they are in one extent, at a chunk's start.
    in_place: bool,
    /// The block behind the last one.
    end: u64,
}

impl<P: Platform> Files<'_, P> {
    /// For a write that makes a file longer, of the `count` pages from `page` on: when there is going to be
    /// half a huge page of the file, what it has of that before `page` moves to a chunk of its own,
    /// where the rest of the huge page will be as well. The file shows the same bytes.
    ///
    /// Small files lie in chunks that are broken already, and one that is being made does not say how large
    /// it will be; so those that turn out to be large move once, half a huge page at most.
    ///
    /// The pages' blocks change. So, from before the call to after it, nobody has the pages of the huge page
    /// mapped, transfers to or from them, or keeps an entry with their old blocks: the kernel's caller holds
    /// `invalidate_lock` for writing, has waited with `dax_break_layout`, and has removed mappings and DAX
    /// entries as for a truncation. A caller that does not do all that does not call this: it is for speed
    /// only. It does nothing when there is no such chunk, or it would take more than a transaction.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// Those of [`map`](Self::map), and [`Error::ReadOnly`].
    #[inline(never)]
    pub fn realign(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        page: u64,
        count: u64,
    ) -> Result {
        check_pages(page, count)?;
        let before = page % CHUNK_BLOCKS;
        if before == 0 || before > LARGE || before.saturating_add(count) < LARGE {
            return Ok(());
        }
        self.volume.check_writable()?;
        self.complete(workspace, map)?;
        self.realign_now(workspace, map, page)
    }

    /// Moves the pages before `page`, of a file of which nothing is left to do.
    #[inline(never)]
    fn realign_now(self, workspace: &mut Workspace, map: &mut MapState, page: u64) -> Result {
        let tree = extents_of(map);
        let Some(moved) = self.to_move(&tree, page, &mut workspace.scratch.cursor)? else {
            return Ok(());
        };
        let request = Request {
            want: moved.count,
            room: moved.count,
            exact: false,
            group: group_of(moved.left.block),
            after: None,
            place: Some(0),
            reach: Reach::Whole,
            reservation: None,
            metadata: false,
            claim: false,
            reserve: false,
        };
        let mut chunks = Chunks::new(map.file()?.reservation);
        let done = self
            .volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                if moved.in_place && rest_is_free(tx, moved.end)? {
                    return Ok(());
                }
                let (run, own) = allocate(tx, &request)?;
                chunks.keep(own);
                if run.count < moved.count {
                    return Err(Error::NoSpace);
                }
                let extent = Extent {
                    page: moved.first,
                    count: moved.count,
                    block: run.block,
                    unwritten: false,
                };
                move_to(tx, scratch, (&tree, &moved), extent)
            });
        self.keep(map, chunks);
        match done {
            // Poison stays where it is.
            Err(Error::NoSpace | Error::Busy | Error::TooBig | Error::Io) => Ok(()),
            done => done,
        }
    }

    /// What there is before a page: nothing if pages are missing.
    fn to_move(self, tree: &Tree, page: u64, cursor: &mut Cursor) -> Result<Option<Moved>> {
        let first = page - page % CHUNK_BLOCKS;
        find(self.volume, tree, first, cursor)?;
        let mut groups = [None; MAX_GROUPS];
        let mut moved: Option<Moved> = None;
        let mut end = first;
        for extents in 1..=cursor.rest().min(MAX_MOVED) {
            let extent = extent_at(self.volume, tree, cursor, cursor.at + extents - 1)?;
            let Parts { left, middle, .. } = Parts::of(&extent, first, CHUNK_BLOCKS);
            if middle.page != end || middle.count == 0 {
                break;
            }
            end = middle.end();
            let known = Some(group_of(extent.block));
            let place = groups
                .iter_mut()
                .find(|place| place.is_none() || **place == known);
            match place {
                Some(place) if !extent.unwritten => *place = known,
                _ => return Ok(None),
            }
            moved = Some(Moved {
                first,
                count: end - first,
                extents,
                left: moved.map_or(left, |moved| moved.left),
                in_place: extents == 1
                    && (middle.block + CHUNK_BLOCKS - self.volume.align()) % CHUNK_BLOCKS == 0,
                end: middle.block + middle.count,
            });
        }
        Ok(moved.filter(|_| end >= page && end < first + CHUNK_BLOCKS))
    }
}

/// Copies the pages to where they are to be, and puts that extent in place of theirs.
fn move_to<P: Platform>(
    tx: &mut Transaction<'_, P>,
    scratch: &mut Scratch,
    (tree, moved): (&Tree, &Moved),
    extent: Extent,
) -> Result {
    let volume = tx.volume();
    let Scratch { nodes, cursor, .. } = scratch;
    let old = |at: usize| {
        let old = extent_at(volume, tree, cursor, cursor.at + at)?;
        Ok(Parts::of(&old, extent.page, extent.count))
    };
    for at in 0..moved.extents {
        let Parts { middle, .. } = old(at)?;
        let to = extent.block + (middle.page - extent.page);
        for block in 0..middle.count {
            volume.read(block_offset(middle.block + block), &mut nodes.node)?;
            tx.bulk(block_offset(to + block), &nodes.node)?;
        }
    }
    nodes.blocks.start(tree.ino, false);
    let new = [moved.left, extent, old(moved.extents - 1)?.right];
    edit(tx, nodes, (tree, cursor), moved.extents, &new)?;
    let counts = nodes.blocks.settle(tx)?;
    for at in 0..moved.extents {
        let Parts { middle, .. } = old(at)?;
        free_run(tx, middle.block, middle.count, false)?;
    }
    count_blocks(tx, tree.ino, counts)
}

const _: () = assert!(LARGE < CHUNK_BLOCKS && BLOCK_SIZE as usize == crate::format::BLOCK_BYTES);
