// SPDX-License-Identifier: GPL-2.0

//! Claims: blocks for pages behind the end of file, which the caller fills before they are the
//! file's.

use core::ops::Range;

use super::allocate::Chunks;
use super::convert::Parts;
use super::{check_pages, count_blocks, end_of, extents_of, page_of, Changed, Files, Head};
use super::{Mapping, State, MAX_STEP};
use crate::alloc::{allocate, settle_claim, Request};
use crate::extents::{edit, find};
use crate::format::{block_offset, Extent, BLOCK_SIZE};
use crate::inode::{Change, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

/// How often other blocks are tried when some cannot be written.
pub(super) const MAX_TRIES: u32 = 16;

/// Blocks that a caller fills before they become a file's: see [`Files::claim`].
///
/// It ends with [`Files::commit_claim`] or [`Files::forget_claim`]. One that is dropped instead
/// keeps its blocks from everybody until the volume is mounted again.
///
/// # Invariants
///
/// The blocks are set aside in their group's state, as this says, until the claim ends.
#[must_use = "the blocks stay set aside until the claim is committed or forgotten"]
#[derive(Debug)]
pub struct Claim {
    ino: u64,
    generation: u32,
    bytes: Range<u64>,
    block: u64,
    pages: u64,
    kind: Kind,
}

/// What the pages of a claim were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// They had no blocks.
    New,
    /// They had unwritten ones (`FALLOC_FL_KEEP_SIZE`).
    Unwritten,
    /// They had written ones: a write was stopped before it committed its size.
    Written,
}

impl Claim {
    /// The pages, and the blocks to copy to. The state is [`State::Mapped`].
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        Mapping {
            page: page_of(self.bytes.start),
            count: self.pages,
            state: State::Mapped(self.block),
        }
    }

    /// The bytes of the file that the claim is for: from the claim's `offset` on, and no more than
    /// its `len`.
    #[must_use]
    pub fn bytes(&self) -> Range<u64> {
        self.bytes.clone()
    }

    /// The blocks that belonged to the file already.
    const fn is_held(&self) -> bool {
        !matches!(self.kind, Kind::New)
    }
}

impl<P: Platform> Files<'_, P> {
    /// For a write behind the end of file: takes blocks for `offset` and as many of the `len` bytes
    /// from there on as one transaction commits (at most 2 MiB).
    ///
    /// The caller copies the bytes to the blocks, past the cache or with flushes, and calls
    /// [`commit_claim`](Self::commit_claim): until then the blocks are taken in DRAM alone, and a
    /// crash leaves nothing of them. What the pages have before and behind the bytes is zeroed here.
    /// So nothing is written twice, and the whole write is one transaction and three fences.
    ///
    /// The pages must lie wholly at or behind the end of file, rounded up to a page: nobody can have
    /// mapped them. [`None`] if they do not, or no claim can be made at the moment: the caller uses
    /// [`map_for_write`](Self::map_for_write) and [`set_size`](Self::set_size).
    ///
    /// The map lock is held here. No lock of the core is held after it; what else keeps the file as it is
    /// (the VFS's `i_rwsem`) is held until the claim ends. When the caller has no such lock nothing is lost:
    /// the blocks are nobody else's until the claim ends, and `commit_claim` says
    /// [`Error::Stale`] if the file is not what it was.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `len` is 0, [`Error::FileTooBig`], [`Error::ReadOnly`],
    /// [`Error::NoSpace`], [`Error::Corrupt`], and [`Error::Io`].
    #[inline(never)]
    pub fn claim(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        offset: u64,
        len: u64,
    ) -> Result<Option<Claim>> {
        self.volume.check_writable()?;
        if len == 0 {
            return Err(Error::Invalid);
        }
        let end = end_of(offset, len)?;
        self.complete(workspace, map)?;
        let page = page_of(offset);
        if block_offset(page) < self.size(map)? {
            return Ok(None);
        }
        let pages = (page, end.div_ceil(BLOCK_SIZE) - page);
        check_pages(page, pages.1)?;
        self.claim_pages(workspace, map, offset..end, pages)
    }

    /// Takes blocks for pages, of a file of which nothing is left to do, and zeroes what they have around the bytes.
    #[inline(never)]
    fn claim_pages(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        bytes: Range<u64>,
        pages: (u64, u64),
    ) -> Result<Option<Claim>> {
        for _ in 0..MAX_TRIES {
            let Some((run, kind)) = self.take(workspace, map, pages)? else {
                return Ok(None);
            };
            let claim = Claim {
                ino: map.ino,
                generation: map.generation,
                bytes: bytes.start..bytes.end.min(block_offset(run.end())),
                block: run.block,
                pages: run.count,
                kind,
            };
            match self.zero_around(map, &claim) {
                Ok(()) => return Ok(Some(claim)),
                Err(Error::Io) if kind == Kind::New => {
                    self.set_failed(map, claim.block, claim.pages)
                }
                Err(error) => {
                    self.forget_claim(claim);
                    return Err(error);
                }
            }
        }
        Err(Error::Io)
    }

    /// Makes the first `copied` bytes of a claim the file's: bitmap, extents, size, times and what else
    /// `change` says are one transaction. The rest of the claim is given back. With `copied` 0 it does what
    /// [`forget_claim`](Self::forget_claim) does, and returns [`None`].
    ///
    /// `from` is where the write began, at most the claim's first byte: the caller has written all from
    /// there to the claim, and what of it is behind the old end (the rest of the last page) counts from now on.
    /// What the file has between its old end and `from` is zeroed.
    ///
    /// The data is fenced here, once, before the record; what another CPU has copied is durable then as
    /// well, because a task that moves between CPUs orders its stores.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] if the pages are not any more what they were: the file has been changed since;
    /// [`Error::Invalid`] if `map` is another file's, or `from` is behind the claim;
    /// [`Error::NoSpace`] if the list of extents needs a block and there is none; [`Error::ReadOnly`],
    /// [`Error::Corrupt`], [`Error::Io`]. The claim is given back then, and the file is as it was.
    #[inline(never)]
    pub fn commit_claim(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        claim: Claim,
        (from, copied): (u64, u64),
        change: &Change,
    ) -> Result<Option<Changed>> {
        let copied = copied.min(claim.bytes.end - claim.bytes.start);
        if copied == 0 {
            self.forget_claim(claim);
            return Ok(None);
        }
        let completed = self
            .volume
            .check_writable()
            .and_then(|()| self.complete(workspace, map));
        let committed = completed
            .and_then(|()| self.commit_bytes(workspace, map, &claim, (from, copied), change));
        match committed {
            Ok(changed) => {
                if claim.is_held() {
                    self.volume.let_go_of_blocks(claim.block, claim.pages);
                }
                Ok(Some(changed))
            }
            Err(error) => {
                self.forget_claim(claim);
                Err(error)
            }
        }
    }

    /// Gives a claim back. It needs no lock of the file, which may be gone by now.
    pub fn forget_claim(self, claim: Claim) {
        self.volume
            .release_claim(claim.block, claim.pages, claim.is_held());
    }

    /// Sets blocks aside for pages.
    fn take(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (page, count): (u64, u64),
    ) -> Result<Option<(Extent, Kind)>> {
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &extents_of(map), page, cursor)?;
        if let Some(extent) = cursor.at_page(page) {
            let run = Parts::of(&extent, page, count.min(MAX_STEP)).middle;
            let kind = if extent.unwritten {
                Kind::Unwritten
            } else {
                Kind::Written
            };
            let held = self.volume.hold_blocks(run.block, run.count)?;
            return Ok(held.then_some((run, kind)));
        }
        let request = Request {
            claim: true,
            ..self.request(map, cursor, (page, count))?
        };
        let taken = self.take_new(workspace, map, request);
        let extent = |block, count| Extent {
            page,
            count,
            block,
            unwritten: false,
        };
        match taken {
            Ok((block, count)) => Ok(Some((extent(block, count), Kind::New))),
            // It may be only the room for claims that there is none of.
            Err(Error::NoSpace) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets a run of free blocks aside.
    pub(super) fn take_new(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        mut request: Request,
    ) -> Result<(u64, u64)> {
        let mut chunks = Chunks::new(map.file()?.reservation);
        let taken = {
            let mut held = Transaction::new(self.volume, &mut workspace.log);
            let mut tx = held.open();
            let taken = tx.attempt(|tx| {
                request.reservation = chunks.current;
                let (run, own) = allocate(tx, &request)?;
                chunks.keep(own);
                Ok((run.block, run.count))
            });
            tx.end();
            taken
        };
        self.keep(map, chunks);
        taken
    }

    /// Zeroes what the claim's pages have before and behind its bytes.
    fn zero_around(self, map: &MapState, claim: &Claim) -> Result {
        let Range { start, end } = claim.bytes;
        let blocks = block_offset(claim.block);
        let lead = start % BLOCK_SIZE;
        // Blocks of the file that have turned bad are its own to repair. Free ones are not taken.
        if claim.is_held() {
            self.repair_own(map, claim.block, claim.pages)?;
        }
        self.zero_at(map, blocks, lead)?;
        let filled = lead + (end - start);
        self.zero_at(map, blocks + filled, block_offset(claim.pages) - filled)
    }

    /// Clears poison from blocks of the file whose contents do not count.
    fn repair_own(self, map: &MapState, block: u64, count: u64) -> Result {
        if self
            .volume
            .check_poison(block_offset(block), block_offset(count))
            .is_ok()
        {
            return Ok(());
        }
        for block in block..block + count {
            if self
                .volume
                .check_poison(block_offset(block), BLOCK_SIZE)
                .is_err()
            {
                self.zero_at(map, block_offset(block), BLOCK_SIZE)?;
            }
        }
        Ok(())
    }

    /// Free blocks that were set aside could not be written: those that are bad stay set aside, as such.
    pub(super) fn set_failed(self, map: &MapState, block: u64, count: u64) {
        for block in block..block + count {
            let offset = block_offset(block);
            let is_bad = count == 1
                || self.volume.check_poison(offset, BLOCK_SIZE).is_err()
                || self.zero_at(map, offset, BLOCK_SIZE).is_err();
            if is_bad {
                // If that fails another attempt will find it bad again.
                let _ = self.volume.set_aside_bad(block, true);
            }
        }
        self.volume.release_claim(block, count, false);
    }

    /// Commits a claim of a file of which nothing is left to do.
    #[inline(never)]
    fn commit_bytes(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        claim: &Claim,
        (from, copied): (u64, u64),
        change: &Change,
    ) -> Result<Changed> {
        let Range { start, .. } = claim.bytes;
        if claim.ino != map.ino || claim.generation != map.generation || from > start {
            return Err(Error::Invalid);
        }
        let old = self.size(map)?;
        let (page, end) = (page_of(start), start + copied);
        if old > block_offset(page) {
            return Err(Error::Stale);
        }
        let count = end.div_ceil(BLOCK_SIZE) - page;
        let tree = extents_of(map);
        let cursor = &mut workspace.scratch.cursor;
        find(self.volume, &tree, page, cursor)?;
        let whole = Extent {
            page,
            count: claim.pages,
            block: claim.block,
            unwritten: claim.kind == Kind::Unwritten,
        };
        let there = match cursor.at_page(page) {
            None => claim.kind == Kind::New && cursor.hole_end() >= page + count,
            Some(extent) => {
                claim.is_held() && Parts::of(&extent, page, claim.pages).middle == whole
            }
        };
        if !there {
            return Err(Error::Stale);
        }

        // What the file has behind its old end, and behind the new one where less was copied.
        self.zero_bytes(map, old..from.min(block_offset(page)).max(old))?;
        if end < claim.bytes.end {
            let behind = block_offset(page + count) - end;
            let at = block_offset(claim.block) + (end - block_offset(page));
            self.zero_at(map, at, behind)?;
        }

        let written = Extent {
            count,
            unwritten: false,
            ..whole
        };
        let head = Head {
            size: Some(end),
            change: Some(change),
        };
        self.volume
            .transact(workspace, &mut map.stamp, |tx, scratch| {
                tx.after_data();
                let Scratch { nodes, cursor, .. } = scratch;
                nodes.blocks.start(tree.ino, false);
                let counts = match claim.kind {
                    Kind::New => {
                        // First: what the claim gives up may be taken for a node.
                        settle_claim(tx, claim.block, claim.pages, count)?;
                        edit(tx, nodes, (&tree, cursor), 0, &[written])?;
                        let (made, retired) = nodes.blocks.settle(tx)?;
                        (made + count, retired)
                    }
                    Kind::Unwritten => {
                        let extent = cursor.at_page(page).ok_or(Error::Stale)?;
                        let Parts { left, right, .. } = Parts::of(&extent, page, count);
                        let new = [left, written, right];
                        edit(tx, nodes, (&tree, cursor), 1, &new)?;
                        nodes.blocks.settle(tx)?
                    }
                    Kind::Written => (0, 0),
                };
                if counts != (0, 0) {
                    count_blocks(tx, tree.ino, counts)?;
                }
                head.apply(tx, tree.ino)?;
                Changed::of(tx, tree.ino)
            })
    }
}
