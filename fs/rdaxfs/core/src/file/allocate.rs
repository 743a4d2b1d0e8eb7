// SPDX-License-Identifier: GPL-2.0

//! Takes blocks for pages that have none.

use super::claim::MAX_TRIES;
use super::view::View;
use super::{check_pages, count_blocks, extents_of, Changed, Files, Mapping, MAX_STEP};
use crate::alloc::{allocate, settle_claim, Reach, Request, Reservation};
use crate::extents::{edit, find, Cursor};
use crate::format::{block_offset, group_of, inode_block, Extent, BLOCK_SIZE, CHUNK_BLOCKS};
use crate::inode::{set_attributes, Change, FileState, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::tree::Tree;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

/// A file that has so many pages of a huge page's gets a chunk of its own for them: one that is smaller would
/// leave most of a chunk broken behind.
pub(super) const LARGE: u64 = CHUNK_BLOCKS / 2;

/// What [`Files::map_for_write`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writable {
    /// The pages, and the blocks to store to.
    pub mapping: Mapping,
    /// The pages are new, and read as zeros; that is durable already.
    pub new: bool,
    /// What the transaction left, with which `change` has happened as well; [`None`] if there was
    /// none: the pages had their blocks, and the times are still to be changed.
    pub changed: Option<Changed>,
}

impl<P: Platform> Files<'_, P> {
    /// For a DAX write or fault: `page` and as many of the `count` pages from there on as one
    /// transaction makes alike (at most 2 MiB where any is new). They can be stored to when this returns.
    ///
    /// `count` also says how far the caller is going to write, which decides where blocks are taken.
    /// `change` is part of the transaction, if one is needed.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// Those of [`map`](Self::map), [`Error::ReadOnly`], and [`Error::NoSpace`].
    #[inline(never)]
    pub fn map_for_write(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (page, count): (u64, u64),
        change: &Change,
    ) -> Result<Writable> {
        check_pages(page, count)?;
        self.complete(workspace, map)?;
        self.map_new(workspace, map, (page, count), change)
    }

    /// As [`map_for_write`](Self::map_for_write), of a file of which nothing is left to do. Apart, so that its frame is
    /// not below the one that does that.
    #[inline(never)]
    fn map_new(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (page, count): (u64, u64),
        change: &Change,
    ) -> Result<Writable> {
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &extents_of(map), page, cursor)?;
        let (mapping, changed) = match cursor.at_page(page) {
            Some(extent) if !extent.unwritten => {
                return Ok(Writable {
                    mapping: Mapping::of(&extent, page, page + count),
                    new: false,
                    changed: None,
                })
            }
            Some(_) => {
                let pages = (page, count.min(MAX_STEP));
                self.convert_at(workspace, map, pages, &|_| false, change)?
            }
            None => match self.fill_hole(workspace, map, (page, count), change)? {
                Some(filled) => filled,
                None => self.fill(workspace, map, false, (page, count), change)?,
            },
        };
        Ok(Writable {
            mapping,
            new: true,
            changed: Some(changed),
        })
    }

    /// For writeback without DAX: `page` and as many of the `count` pages from there on as are
    /// alike have blocks when this returns; new ones are unwritten.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// As [`map_for_write`](Self::map_for_write).
    #[inline(never)]
    pub fn reserve_unwritten(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        page: u64,
        count: u64,
    ) -> Result<Mapping> {
        check_pages(page, count)?;
        self.complete(workspace, map)?;
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &extents_of(map), page, cursor)?;
        match cursor.at_page(page) {
            Some(extent) => Ok(Mapping::of(&extent, page, page + count)),
            None => self.fill_unwritten(workspace, map, (page, count)),
        }
    }

    /// Gives back what the file has for itself in DRAM: when it is closed, or leaves the cache.
    ///
    /// The map lock is held.
    pub fn close(self, map: &mut MapState) {
        let Ok(file) = map.file_mut() else {
            return;
        };
        if let Some(reservation) = file.reservation.take() {
            self.volume.release(reservation);
        }
    }

    /// Takes blocks for pages of the hole that the workspace's cursor is at, and zeroes them.
    ///
    /// The blocks are zeroed while they are set aside in DRAM and their group is let go, so that other
    /// allocations need not wait for that.
    ///
    /// [`None`] if it cannot be done so: [`fill`](Self::fill) may do.
    #[inline(never)]
    fn fill_hole(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (page, count): (u64, u64),
        change: &Change,
    ) -> Result<Option<(Mapping, Changed)>> {
        self.volume.check_writable()?;
        for _ in 0..MAX_TRIES {
            let request = Request {
                claim: true,
                ..self.request(map, &workspace.scratch.cursor, (page, count))?
            };
            let (block, count) = match self.take_new(workspace, map, request) {
                // There may be no room for claims.
                Err(Error::NoSpace) => break,
                taken => taken?,
            };
            let len = block_offset(count);
            if self.zero_at(map, block_offset(block), len).is_err() {
                self.set_failed(map, block, count);
                continue;
            }
            let extent = Extent {
                page,
                count,
                block,
                unwritten: false,
            };
            let tree = extents_of(map);
            let added = self
                .volume
                .transact(workspace, &mut map.stamp, |tx, scratch| {
                    tx.after_data();
                    settle_claim(tx, block, count, count)?;
                    add_extent(tx, scratch, &tree, &extent, change)
                });
            return match added {
                Ok(changed) => Ok(Some((Mapping::of(&extent, page, u64::MAX), changed))),
                Err(error) => {
                    self.volume.release_claim(block, count, false);
                    Err(error)
                }
            };
        }
        Ok(None)
    }

    /// Takes blocks for pages of the hole that the workspace's cursor is at, which read as zeros until they are converted.
    pub(super) fn fill_unwritten(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        pages: (u64, u64),
    ) -> Result<Mapping> {
        self.volume.check_writable()?;
        let (mapping, _) = self.fill(workspace, map, true, pages, &Change::none())?;
        Ok(mapping)
    }

    /// Takes blocks and makes them the file's, in one transaction.
    #[inline(never)]
    fn fill(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        unwritten: bool,
        (page, count): (u64, u64),
        change: &Change,
    ) -> Result<(Mapping, Changed)> {
        let mut request = self.request(map, &workspace.scratch.cursor, (page, count))?;
        let tree = extents_of(map);
        let mut chunks = Chunks::new(map.file()?.reservation);
        let filled = self
            .volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                request.reservation = chunks.current;
                let (run, own) = allocate(tx, &request)?;
                chunks.keep(own);
                if !unwritten {
                    tx.bulk_zero(block_offset(run.block), block_offset(run.count))?;
                }
                let extent = Extent {
                    page,
                    count: run.count,
                    block: run.block,
                    unwritten,
                };
                let changed = add_extent(tx, scratch, &tree, &extent, change)?;
                Ok((extent, changed))
            });
        self.keep(map, chunks);
        let (extent, changed) = filled?;
        Ok((Mapping::of(&extent, page, u64::MAX), changed))
    }

    /// The file has what its transaction had for it in the end.
    pub(super) fn keep(self, map: &mut MapState, chunks: Chunks) {
        if let Ok(file) = map.file_mut() {
            file.reservation = chunks.current;
        }
        for left in chunks.left.into_iter().flatten() {
            self.volume.release(left);
        }
    }

    /// What to ask for, for pages of a hole.
    pub(super) fn request(
        self,
        map: &MapState,
        cursor: &Cursor,
        (page, count): (u64, u64),
    ) -> Result<Request> {
        let end = page + count;
        let first = page - page % CHUNK_BLOCKS;
        let size = self.size(map)?.div_ceil(BLOCK_SIZE).max(end);
        let reach = match size - first {
            LARGE.. => Reach::Own,
            // What has come to its second huge page will mostly fill that too.
            _ if first > 0 => Reach::Spare,
            _ => Reach::Broken,
        };
        let adjacent = cursor.before().filter(|before| before.end() == page);
        let FileState { reservation } = *map.file()?;
        let group = match (reservation, cursor.before()) {
            (Some(own), _) => own.group(),
            (None, Some(before)) => group_of(before.block),
            (None, None) => group_of(inode_block(map.ino)),
        };
        let want = (cursor.hole_end().min(end) - page).min(MAX_STEP);
        Ok(Request {
            want,
            // One that grows doubles a few times before it has a chunk.
            room: want.max(page - first),
            exact: false,
            group,
            after: adjacent.map(|before| before.block + before.count),
            place: Some(page % CHUNK_BLOCKS),
            reach,
            reservation,
            metadata: false,
            claim: false,
            reserve: false,
        })
    }

    /// Does what an earlier operation has left to do, which failed.
    pub(super) fn complete(self, workspace: &mut Workspace, map: &mut MapState) -> Result {
        match self.view(map)? {
            View::Plain => Ok(()),
            _ => self.resume(workspace, map),
        }
    }
}

/// Adds an extent, whose blocks the transaction has taken, to the hole that the workspace's cursor is at.
pub(crate) fn add_extent<P: Platform>(
    tx: &mut Transaction<'_, P>,
    scratch: &mut Scratch,
    tree: &Tree,
    extent: &Extent,
    change: &Change,
) -> Result<Changed> {
    let Scratch { nodes, cursor, .. } = scratch;
    nodes.blocks.start(tree.ino, false);
    edit(tx, nodes, (tree, cursor), 0, &[*extent])?;
    let (made, retired) = nodes.blocks.settle(tx)?;
    count_blocks(tx, tree.ino, (made + extent.count, retired))?;
    set_attributes(tx, tree.ino, change)?;
    Changed::of(tx, tree.ino)
}

/// The chunk that a file has for itself, and those that attempts of the transaction had for it.
pub(super) struct Chunks {
    pub(super) current: Option<Reservation>,
    /// An attempt starts from the last one's chunk, and finds it as it was; more than one other is
    /// a matter of chance.
    left: [Option<Reservation>; 4],
}

impl Chunks {
    pub(super) const fn new(current: Option<Reservation>) -> Self {
        Self {
            current,
            left: [None; 4],
        }
    }

    pub(super) fn keep(&mut self, new: Option<Reservation>) {
        if new == self.current {
            return;
        }
        let old = core::mem::replace(&mut self.current, new);
        if let Some(free) = self.left.iter_mut().find(|left| left.is_none()) {
            *free = old;
        }
    }
}

const _: () = assert!(MAX_STEP == CHUNK_BLOCKS);
