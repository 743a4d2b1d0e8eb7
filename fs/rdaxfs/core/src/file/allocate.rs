// SPDX-License-Identifier: GPL-2.0

//! Takes blocks for pages that have none.

use core::mem::offset_of;

use super::{check_pages, count_blocks, extents_of, Mapping, MAX_STEP};
use crate::alloc::{allocate, Reach, Request, Reservation};
use crate::extents::{edit, find, Cursor};
use crate::format::{block_offset, group_of, inode_block, Extent, Inode, BLOCK_SIZE, CHUNK_BLOCKS};
use crate::inode::MapState;
use crate::platform::Platform;
use crate::tree::NodeBlocks;
use crate::volume::Volume;
use crate::workspace::Workspace;
use crate::Result;

/// A file that has so many pages of a huge page's gets a chunk of its own for them: one that is smaller would
/// leave most of a chunk broken behind.
pub(super) const LARGE: u64 = CHUNK_BLOCKS / 2;

impl<P: Platform> Volume<P> {
    /// For a DAX write or fault: `page` and as many of the `count` pages from there on as one
    /// transaction makes alike (at most 2 MiB where any is new). They can be stored to when this returns.
    /// The second value: they are new, and read as zeros; that is durable already.
    ///
    /// `count` also says how far the caller is going to write, which decides where blocks are taken.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// Those of [`map`](Self::map), [`Error::ReadOnly`](crate::Error::ReadOnly), and [`Error::NoSpace`](crate::Error::NoSpace).
    pub fn map_for_write(
        &self,
        workspace: &mut Workspace,
        map: &mut MapState,
        page: u64,
        count: u64,
    ) -> Result<(Mapping, bool)> {
        check_pages(page, count)?;
        self.complete(workspace, map)?;
        let cursor = find(self, &extents_of(map), page)?;
        match cursor.at_page(page) {
            Some(extent) if !extent.unwritten => {
                Ok((Mapping::of(&extent, page, page + count), false))
            }
            Some(_) => {
                let count = count.min(MAX_STEP);
                let mapping = self.convert_at(workspace, map, (page, count), &|_| false)?;
                Ok((mapping, true))
            }
            None => {
                let mapping = self.fill_hole(workspace, map, &cursor, (page, count), false)?;
                Ok((mapping, true))
            }
        }
    }

    /// For writeback without DAX: `page` and as many of the `count` pages from there on as are
    /// alike have blocks when this returns; new ones are unwritten.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// As [`map_for_write`](Self::map_for_write).
    pub fn reserve_unwritten(
        &self,
        workspace: &mut Workspace,
        map: &mut MapState,
        page: u64,
        count: u64,
    ) -> Result<Mapping> {
        check_pages(page, count)?;
        self.complete(workspace, map)?;
        let cursor = find(self, &extents_of(map), page)?;
        match cursor.at_page(page) {
            Some(extent) => Ok(Mapping::of(&extent, page, page + count)),
            None => self.fill_hole(workspace, map, &cursor, (page, count), true),
        }
    }

    /// Gives back what the file has for itself in DRAM: when it is closed, or leaves the cache.
    ///
    /// The map lock is held.
    pub fn close(&self, map: &mut MapState) {
        if let Some(reservation) = map.reservation.take() {
            self.release(reservation);
        }
    }

    /// Takes blocks for pages of the hole that the cursor is at.
    pub(super) fn fill_hole(
        &self,
        workspace: &mut Workspace,
        map: &mut MapState,
        cursor: &Cursor,
        (page, count): (u64, u64),
        unwritten: bool,
    ) -> Result<Mapping> {
        self.check_writable()?;
        let mut request = self.request(map, cursor, (page, count))?;
        let tree = extents_of(map);
        let mut chunks = Chunks::new(map.reservation);
        let filled = self.transact(workspace, &mut map.stamp, |tx, scratch| {
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
            let mut blocks = NodeBlocks::new(tree.ino, false);
            edit(tx, scratch, &mut blocks, (&tree, cursor), 0, &[extent])?;
            let (made, retired) = blocks.settle(tx)?;
            count_blocks(tx, tree.ino, (made + run.count, retired))?;
            Ok(extent)
        });
        self.keep(map, chunks);
        Ok(Mapping::of(&filled?, page, u64::MAX))
    }

    /// The file has what its transaction had for it in the end.
    pub(super) fn keep(&self, map: &mut MapState, chunks: Chunks) {
        map.reservation = chunks.current;
        for left in chunks.left.into_iter().flatten() {
            self.release(left);
        }
    }

    /// What to ask for, for pages of a hole.
    fn request(
        &self,
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
        let adjacent = cursor.before.filter(|before| before.end() == page);
        let group = match (map.reservation, cursor.before) {
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
            reservation: map.reservation,
            metadata: false,
            reserve: false,
        })
    }

    /// Does what an earlier operation has left to do, which failed.
    pub(super) fn complete(&self, workspace: &mut Workspace, map: &mut MapState) -> Result {
        if self.field(map, offset_of!(Inode, intent))? == 0 {
            return Ok(());
        }
        self.resume(workspace, map)
    }
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
