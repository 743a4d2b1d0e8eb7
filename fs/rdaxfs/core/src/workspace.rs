// SPDX-License-Identifier: GPL-2.0

//! The memory that an operation works in.

use zerocopy::FromZeros as _;
use zerocopy_derive::FromZeros;

use crate::extents::Cursor;
use crate::format::Inode;
use crate::journal::Log;
use crate::name::Last;
use crate::tree::{NodeBlocks, Nodes, Path};

/// Scratch memory for one operation at a time: 13 KiB that the caller has, so that no operation
/// allocates, and none needs a large stack. What it holds between operations means nothing.
#[derive(FromZeros)]
pub struct Workspace {
    /// The transaction's list.
    pub(crate) log: Log,
    /// All else.
    pub(crate) scratch: Scratch,
}

/// What an operation has beside its transaction, and hands on.
#[derive(FromZeros)]
pub(crate) struct Scratch {
    pub(crate) nodes: Nodes,
    /// Where among a file's extents it is.
    pub(crate) cursor: Cursor,
    /// Where the search for a directory's new name has ended.
    pub(crate) way: Path,
    /// The way to another leaf of a directory.
    pub(crate) path: Path,
    /// The blocks that a rename's new name takes and leaves behind.
    pub(crate) made: NodeBlocks,
    /// An inode that is being made.
    pub(crate) inode: Inode,
    /// What is freed with a name.
    pub(crate) last: Last,
}

impl Workspace {
    /// Scratch memory. The kernel allocates it zeroed, in place.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self {
            log: Log::new(),
            scratch: Scratch {
                nodes: Nodes::new(),
                cursor: Cursor::new(),
                way: Path::new(),
                path: Path::new(),
                made: NodeBlocks::new(),
                inode: Inode::new_zeroed(),
                last: Last::new(),
            },
        }
    }
}

impl Default for Workspace {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}
