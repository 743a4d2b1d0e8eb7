// SPDX-License-Identifier: GPL-2.0

//! Where pages are, without changing anything.

use core::mem::offset_of;
use core::ops::Range;

use super::convert::Parts;
use super::view::Segment;
use super::{check_pages, extents_of, page_of, Files, MAX_STEP};
use crate::extents::{find, Cursor};
use crate::format::{
    block_offset, inode_offset, Extent, ExtentRecord, Inode, Root, BLOCK_SIZE, MAX_PAGES,
};
use crate::inode::MapState;
use crate::platform::Platform;
use crate::source::Source;
use crate::{Error, Result};

/// What pages of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They have no blocks, and read as zeros.
    Hole,
    /// They have blocks from this one on, and read as zeros.
    Unwritten(u64),
    /// They are the blocks from this one on.
    Mapped(u64),
}

/// Adjacent pages of a file that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first page.
    pub page: u64,
    /// Their number, at least 1.
    pub count: u64,
    /// What they are.
    pub state: State,
}

/// What [`Files::first_of_few`] finds.
enum Few {
    /// The file is another one.
    Unknown,
    /// No extent has such a page.
    None,
    /// The words of one, judged: to hand them on costs less than an [`Extent`].
    Extent(u64, u64),
}

impl Mapping {
    /// What an extent says of `page`, which it has, and of those behind it before `end`.
    #[inline]
    pub(super) fn of(extent: &Extent, page: u64, end: u64) -> Self {
        let block = extent.block + page.saturating_sub(extent.page);
        Self {
            page,
            count: extent.end().min(end).saturating_sub(page),
            state: if extent.unwritten {
                State::Unwritten(block)
            } else {
                State::Mapped(block)
            },
        }
    }
}

impl<P: Platform> Files<'_, P> {
    /// What `page` of a file is, and how many of the `count` pages from there on are alike. It may
    /// be fewer than there are. What is left to do for the file counts as done: nothing has to be completed
    /// before it is read.
    ///
    /// The map lock is held, shared will do.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `count` is 0 or the inode has no pages, [`Error::FileTooBig`] if no
    /// file has such pages, [`Error::Corrupt`], [`Error::Io`].
    pub fn map(self, map: &MapState, page: u64, count: u64) -> Result<Mapping> {
        check_pages(page, count)?;
        match self.first_of_few(map, page)? {
            Few::None => Ok(Mapping {
                page,
                count,
                state: State::Hole,
            }),
            Few::Extent(pages, block) => {
                let extent = Extent::from_words(pages, block);
                if extent.page > page {
                    return Ok(Mapping {
                        page,
                        count: count.min(extent.page - page),
                        state: State::Hole,
                    });
                }
                Ok(Mapping::of(&extent, page, page + count))
            }
            Few::Unknown => self.map_any(map, page, count),
        }
    }

    #[inline(never)]
    fn map_any(self, map: &MapState, page: u64, count: u64) -> Result<Mapping> {
        let Segment {
            pages,
            at,
            unwritten,
        } = self.view(map)?.segment(page);
        let count = count.min(pages.end - page);
        let Some(at) = at.map(|at| at + (page - pages.start)) else {
            return Ok(Mapping {
                page,
                count,
                state: State::Hole,
            });
        };
        let mut cursor = Cursor::new();
        find(self.volume, &extents_of(map), at, &mut cursor)?;
        let mapping = match cursor.at_page(at) {
            Some(extent) => {
                let unwritten = extent.unwritten || unwritten;
                Mapping::of(
                    &Extent {
                        unwritten,
                        ..extent
                    },
                    at,
                    at + count,
                )
            }
            None => Mapping {
                page,
                count: cursor.hole_end().min(at + count) - at,
                state: State::Hole,
            },
        };
        Ok(Mapping { page, ..mapping })
    }

    /// The first extent that has `page` or a page behind it: fiemap, `SEEK_DATA`, `SEEK_HOLE`.
    ///
    /// The map lock is held, shared will do.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    pub fn next_extent(self, map: &MapState, page: u64) -> Result<Option<Extent>> {
        match self.first_of_few(map, page)? {
            Few::None => Ok(None),
            Few::Extent(pages, block) => Ok(Some(Extent::from_words(pages, block))),
            Few::Unknown => self.next_of_any(map, page),
        }
    }

    #[inline(never)]
    fn next_of_any(self, map: &MapState, page: u64) -> Result<Option<Extent>> {
        let view = self.view(map)?;
        let mut page = page;
        while page < MAX_PAGES {
            let segment = view.segment(page);
            if let Some(extent) = self.first_in(map, &segment, page)? {
                return Ok(Some(extent));
            }
            page = segment.pages.end;
        }
        Ok(None)
    }

    /// The first extent that has `page` or a page behind it, of a file as most are: with its few extents in its
    /// inode, and nothing left to do.
    #[inline(always)]
    fn first_of_few(self, map: &MapState, page: u64) -> Result<Few> {
        let inode = inode_offset(map.ino);
        // The first half of an intent's first word is its kind.
        let intent = self.volume.word(inode + offset_of!(Inode, intent) as u64)?;
        let root = self.volume.word(inode + offset_of!(Inode, root) as u64)?;
        let Some(Root::Extents(count)) = Root::from_word(root) else {
            return Ok(Few::Unknown);
        };
        if intent as u32 != 0 {
            return Ok(Few::Unknown);
        }
        let first = inode + offset_of!(Inode, inline) as u64;
        let mut before = 0;
        for position in 0..u64::from(count) {
            let at = first + position * size_of::<ExtentRecord>() as u64;
            let (pages, block) = (self.volume.word(at)?, self.volume.word(at + 8)?);
            let extent = Extent::from_words(pages, block);
            let end = extent.end();
            if extent.count == 0 || extent.page < before || end > MAX_PAGES {
                return Err(Error::Corrupt);
            }
            if end > page {
                self.volume.check_run(extent.block, extent.count)?;
                return Ok(Few::Extent(pages, block));
            }
            before = end;
        }
        Ok(Few::None)
    }

    /// The first extent of a segment that has `page` or a page behind it.
    fn first_in(self, map: &MapState, segment: &Segment, page: u64) -> Result<Option<Extent>> {
        let Range { start, end } = segment.pages;
        let Some(first) = segment.at else {
            return Ok(None);
        };
        let last = first + (end - start);
        let mut at = first + (page - start);
        while at < last {
            let mut cursor = Cursor::new();
            find(self.volume, &extents_of(map), at, &mut cursor)?;
            if let Some(extent) = cursor.here() {
                let part = Parts::of(&extent, first, last - first).middle;
                return Ok((part.count > 0).then_some(Extent {
                    page: start + part.page.saturating_sub(first),
                    unwritten: part.unwritten || segment.unwritten,
                    ..part
                }));
            }
            at = cursor.end;
        }
        Ok(None)
    }

    /// Copies bytes of a file, up to its end. Returns how many.
    ///
    /// The map lock is held, shared will do.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map); [`Error::Io`] where the medium is poisoned.
    pub fn read(self, map: &MapState, offset: u64, into: &mut [u8]) -> Result<usize> {
        let left = self.size(map)?.saturating_sub(offset);
        let len = left.min(into.len() as u64) as usize;
        let mut rest = into.get_mut(..len).ok_or(Error::Invalid)?;
        let mut at = offset;
        while !rest.is_empty() {
            let mapping = self.map(map, page_of(at), MAX_STEP.min(MAX_PAGES - page_of(at)))?;
            let end = block_offset(mapping.page + mapping.count);
            let now = (end - at).min(rest.len() as u64);
            let (here, behind) = rest.split_at_mut(now as usize);
            match mapping.state {
                State::Mapped(block) => {
                    let start = block_offset(block) + at % BLOCK_SIZE;
                    self.volume.check_range(start, now)?;
                    self.volume.platform().read(start, here)?;
                }
                State::Hole | State::Unwritten(_) => here.fill(0),
            }
            rest = behind;
            at += now;
        }
        Ok(len)
    }
}
