// SPDX-License-Identifier: GPL-2.0

//! Which blocks have which pages of a file.
//!
//! Up to [`INLINE_EXTENTS`](crate::format::INLINE_EXTENTS) extents are in the inode, fewer if it also holds
//! attributes; more are in the leaves of a [`tree`](crate::tree), where they lie in any order and an array of
//! bytes says in which one they follow each other: so a change of one moves none. Where an inode or a leaf holds
//! extents is called their home here.
//!
//! Every change is an [`edit`]: it puts a few extents in place of a few adjacent ones of one home,
//! and a transaction has one edit of a file at most. What was read before it, and what the runs that it
//! drops were, is therefore what the volume says, not what the transaction would leave.
//!
//! Extents with adjacent pages on adjacent blocks of one group, of the same state, become one. Not
//! across homes: nothing depends on it.

mod edit;
mod find;
mod leaf;

pub(crate) use edit::{cut, edit, goes_on, shift, Shift};
pub(crate) use find::{extent_at, find, last_before, last_end};

use zerocopy_derive::FromZeros;

use crate::format::{Extent, MAX_PAGES};
use crate::tree::{Kind, Path, Tree};

/// The tree of an inode's extents.
pub(crate) const fn tree_of(ino: u64, generation: u32) -> Tree {
    Tree {
        ino,
        generation,
        kind: Kind::Extents,
    }
}

/// No extent: [`edit`] passes over it.
pub(crate) const NONE: Extent = Extent {
    page: 0,
    count: 0,
    block: 0,
    unwritten: false,
};

/// A place among a file's extents. It holds while the map lock does, until the next edit. It is large: operations that
/// change something have it in their workspace.
#[derive(Debug, FromZeros)]
pub(crate) struct Cursor {
    /// Whether the home is a leaf.
    in_leaf: bool,
    /// The way to that leaf.
    path: Path,
    /// The extents of the home.
    count: usize,
    /// The position of `here` among them; `count` if there is none.
    pub(crate) at: usize,
    /// The first page that may be in this home.
    pub(crate) low: u64,
    /// The first page that may not.
    pub(crate) end: u64,
    /// The extent that has the page, or the next one of this home, or [`NONE`].
    here: Extent,
    /// If the page is in a hole: the extent of this home before it, or [`NONE`].
    before: Extent,
}

impl Cursor {
    /// For [`find`], which says where it is.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            in_leaf: false,
            path: Path::new(),
            count: 0,
            at: 0,
            low: 0,
            end: MAX_PAGES,
            here: NONE,
            before: NONE,
        }
    }

    /// The way to the home, if it is a leaf.
    fn leaf(&self) -> Option<&Path> {
        self.in_leaf.then_some(&self.path)
    }

    /// The extent that has the page, or the next one of this home.
    pub(crate) fn here(&self) -> Option<Extent> {
        (self.here.count > 0).then_some(self.here)
    }

    /// If the page is in a hole: the extent of this home before it.
    pub(crate) fn before(&self) -> Option<Extent> {
        (self.before.count > 0).then_some(self.before)
    }

    /// The extent that has the page.
    pub(crate) fn at_page(&self, page: u64) -> Option<Extent> {
        self.here().filter(|extent| extent.page <= page)
    }

    /// If the page is in a hole: where that ends, as far as this home says.
    pub(crate) fn hole_end(&self) -> u64 {
        self.here().map_or(self.end, |next| next.page)
    }

    /// How many extents of this home are behind `here`, with it.
    pub(crate) const fn rest(&self) -> usize {
        self.count.saturating_sub(self.at)
    }
}
