// SPDX-License-Identifier: GPL-2.0

//! fallocate(2).

use core::ops::Range;

use super::perform::{Job, Record};
use super::{end_of, extents_of, page_of, Changed, Files, Head};
use crate::extents::find;
use crate::format::{Intent, BLOCK_SIZE};
use crate::inode::{Change, MapState};
use crate::platform::Platform;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What fallocate(2) is to do. `FALLOC_FL_KEEP_SIZE` is an argument of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallocate {
    /// Give blocks to what has none.
    Allocate,
    /// `FALLOC_FL_PUNCH_HOLE`: take the blocks away. The size stays.
    PunchHole,
    /// `FALLOC_FL_ZERO_RANGE`: zeros, on blocks.
    ZeroRange,
    /// `FALLOC_FL_COLLAPSE_RANGE`: take the pages out; those behind them move to their place.
    CollapseRange,
    /// `FALLOC_FL_INSERT_RANGE`: put a hole in front of the page at `offset`, which moves.
    InsertRange,
}

/// What to do, and to which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallocateRange {
    /// What.
    pub mode: Fallocate,
    /// Whether the size stays when the range ends behind it.
    pub keep_size: bool,
    /// The first byte.
    pub offset: u64,
    /// The number of bytes.
    pub len: u64,
}

impl<P: Platform> Files<'_, P> {
    /// fallocate(2). Pages of the range must not be mapped meanwhile when they are punched or
    /// zeroed; of a collapse or an insertion no page from `offset` on, whose blocks become those of other
    /// pages: mappings, DAX entries and pages in the page cache are gone before, and dirty ones are written.
    ///
    /// Collapsing and inserting happen at once, also after a crash: either all pages have moved, or none has.
    /// Offset and length are multiples of 4096. A range that reaches the end of file cannot be collapsed, and
    /// nothing is inserted at or behind it.
    ///
    /// Punching and zeroing happen at once, except for bytes at the edges that do not fill a page:
    /// those are zeroed in place. Allocation that fails may leave blocks behind; the size has not
    /// changed then.
    ///
    /// The map lock is held.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `len` is 0, or for a collapse or an insertion that is not as above,
    /// [`Error::FileTooBig`], [`Error::NoSpace`], [`Error::ReadOnly`], [`Error::Corrupt`], and
    /// [`Error::Io`], also when a page at an edge is poisoned.
    #[inline(never)]
    pub fn fallocate(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        range: &FallocateRange,
        change: &Change,
    ) -> Result<Changed> {
        self.volume.check_writable()?;
        let &FallocateRange { mode, offset, .. } = range;
        if range.len == 0 {
            return Err(Error::Invalid);
        }
        let end = end_of(offset, range.len)?;
        self.complete(workspace, map)?;
        match mode {
            Fallocate::Allocate => {}
            Fallocate::PunchHole => {
                return self.zero_pages(workspace, map, (Intent::Free, offset..end), change)
            }
            Fallocate::ZeroRange => {
                self.zero_pages(workspace, map, (Intent::Unwrite, offset..end), change)?;
            }
            Fallocate::CollapseRange | Fallocate::InsertRange => {
                if range.keep_size || offset % BLOCK_SIZE != 0 || range.len % BLOCK_SIZE != 0 {
                    return Err(Error::Invalid);
                }
                let pages = page_of(offset)..page_of(end);
                return if mode == Fallocate::CollapseRange {
                    self.collapse(workspace, map, pages, change)
                } else {
                    self.insert(workspace, map, pages, change)
                };
            }
        }
        self.allocate_pages(workspace, map, page_of(offset)..end.div_ceil(BLOCK_SIZE))?;
        let size = self.size(map)?;
        let size = if range.keep_size { size } else { size.max(end) };
        self.commit_size(workspace, map, (size, size), change)
    }

    /// Zeroes a range by what is done to its whole pages.
    #[inline(never)]
    fn zero_pages(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        (intent, bytes): (Intent, Range<u64>),
        change: &Change,
    ) -> Result<Changed> {
        let first = bytes.start.next_multiple_of(BLOCK_SIZE).min(bytes.end);
        let last = (bytes.end - bytes.end % BLOCK_SIZE).max(first);
        let edges = [bytes.start..first, last..bytes.end];
        for edge in edges.clone() {
            self.check_zeroable(map, edge)?;
        }
        let head = Head {
            size: None,
            change: Some(change),
        };
        let job = Job {
            intent,
            pages: page_of(first)..page_of(last),
            record: Record::IfNeeded,
        };
        let changed = self.perform(workspace, map, &job, head)?;
        for edge in edges {
            self.zero_bytes(map, edge)?;
        }
        self.fence_data();
        Ok(changed)
    }

    /// Gives unwritten blocks to pages that have none.
    #[inline(never)]
    fn allocate_pages(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        pages: Range<u64>,
    ) -> Result {
        let mut page = pages.start;
        while page < pages.end {
            let cursor = &mut workspace.scratch.cursor;
            find(self.volume, &extents_of(map), page, cursor)?;
            page = match cursor.at_page(page) {
                Some(extent) => extent.end(),
                None => {
                    let wanted = (page, pages.end - page);
                    let filled = self.fill_unwritten(workspace, map, wanted)?;
                    filled.page + filled.count
                }
            };
        }
        Ok(())
    }
}
