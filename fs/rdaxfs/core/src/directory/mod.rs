// SPDX-License-Identifier: GPL-2.0

//! Directories: which names they have.
//!
//! Up to [`INLINE_BYTES`](crate::format::INLINE_BYTES) of entries are in the inode (`inline`), fewer if it also
//! holds attributes, in no order. More are in a tree whose leaves are not ordered either: an insertion (`insert`)
//! writes the entry to free lines of the leaf and sets the bit that says so. A leaf without room is written
//! anew, as one or as two leaves (`rewrite`).
//!
//! All of this works on a directory whose map lock is held. "." and ".." are not among the entries.

mod entry;
mod image;
mod inline;
mod insert;
mod leaf;
mod lookup;
mod readdir;
mod remove;
mod rewrite;

use core::mem::offset_of;

pub use entry::check_name;
pub(crate) use entry::{Found, Name};
pub(crate) use insert::{insert, settle, Inserted};
pub use lookup::Target;
pub(crate) use lookup::{search, Search};
pub use readdir::{DirectoryEntry, Entries};
pub(crate) use remove::{drop_empty_leaf, remove, set_target};

use crate::format::{Inode, Root};
use crate::inode::{inode_word, MapState};
use crate::source::Source;
use crate::tree::{Kind, Tree};
use crate::{Error, Result};

/// The directory of a map lock.
pub(crate) const fn directory_of(map: &MapState) -> Tree {
    Tree {
        ino: map.ino,
        generation: map.generation,
        kind: Kind::Directory,
    }
}

/// What a directory's inode says of its entries.
pub(crate) enum Contents {
    Empty,
    /// So many bytes in the inode.
    Inline(usize),
    /// A tree: the root's block and level.
    Tree(u64, u8),
}

/// Where a directory's entries are.
///
/// # Errors
///
/// [`Error::NotDirectory`] if the inode has contents of another kind; [`Error::Corrupt`].
pub(crate) fn contents(source: &impl Source, directory: &Tree) -> Result<Contents> {
    let word = source.word(inode_word(directory.ino, offset_of!(Inode, root)))?;
    match Root::from_word(word) {
        Some(Root::Empty) => Ok(Contents::Empty),
        Some(Root::Entries(len)) => Ok(Contents::Inline(usize::from(len))),
        Some(Root::DirectoryTree { block, level }) => Ok(Contents::Tree(block, level)),
        Some(_) => Err(Error::NotDirectory),
        None => Err(Error::Corrupt),
    }
}
