// SPDX-License-Identifier: GPL-2.0

//! What is done to the contents of files.
//!
//! A DAX write behind the end of file [`claim`](Files::claim)s blocks, copies to them, and
//! [commits](Files::commit_claim) them with the size. Another write, or a fault, asks
//! [`Files::map_for_write`], stores to the blocks that it gets, and then,
//! if the file has become longer, has its new size committed by [`Files::set_size`]. Without DAX,
//! [`Files::reserve_unwritten`] takes blocks for pages that are to be written back,
//! [`Files::convert`] makes them readable once they have been, and the size follows.
//!
//! # What does not fit one transaction
//!
//! Freeing and zeroing a range happen at once for whoever looks at the file, also after a crash: the
//! first transaction changes the size, and leaves in the inode what there is still to do (an
//! [`Intent`](crate::format::Intent)), and the inode on its group's list. Until that is done the file is read as if it
//! were ([`Files::map`]); [`Files::finish`] does it after a crash. Allocation
//! instead ends at a prefix that is as good as the whole, as POSIX allows.
//!
//! # Data and crashes
//!
//! Bytes of files are stored in place. After a crash each word of eight bytes that was being
//! overwritten is old or new; nothing more is promised for data, neither by write(2) nor at the
//! edges of a range that is zeroed or punched.

mod allocate;
mod bytes;
mod claim;
mod convert;
mod fallocate;
mod finish;
mod free;
mod map;
mod perform;
mod realign;
mod shift;
mod size;
mod view;
mod write;

pub(crate) use allocate::add_extent;
pub use allocate::Writable;
pub use claim::Claim;
pub use fallocate::{Fallocate, FallocateRange};
pub use map::{Mapping, State};
pub use view::can_be_finished;

use core::mem::offset_of;

use crate::extents::tree_of;
use crate::format::{Inode, BLOCK_SIZE, MAX_FILE_SIZE, MAX_PAGES};
use crate::handle::handle;
use crate::inode::{inode_word, set_attributes, Change, MapState};
use crate::journal::{Stamp, Transaction};
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::Tree;
use crate::volume::Volume;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

handle! {
    /// The contents of a volume's files.
    ///
    /// The caller has the file's map lock, and passes what it guards.
    Files
}

/// The most pages that one call zeroes and allocates: a huge page.
const MAX_STEP: u64 = 512;

impl<P: Platform> Files<'_, P> {
    /// Waits until data is durable that this CPU has stored past the cache, or stored and flushed.
    pub fn fence_data(self) {
        self.volume.fence_data();
    }

    /// A word of an inode.
    fn field(self, map: &MapState, field: usize) -> Result<u64> {
        self.volume.word(inode_word(map.ino, field))
    }

    /// The size of the file, judged.
    fn size(self, map: &MapState) -> Result<u64> {
        let size = self.field(map, offset_of!(Inode, size))?;
        if size > MAX_FILE_SIZE {
            return Err(Error::Corrupt);
        }
        Ok(size)
    }
}

impl<P: Platform> Volume<P> {
    /// Does what `attempt` prepares, as one transaction under the lock of `stamp`. It is called
    /// again when it needed a group that somebody else held.
    pub(crate) fn transact<R>(
        &self,
        workspace: &mut Workspace,
        stamp: &mut Stamp,
        mut attempt: impl FnMut(&mut Transaction<'_, P>, &mut Scratch) -> Result<R>,
    ) -> Result<R> {
        let Workspace { log, scratch } = workspace;
        let mut held = Transaction::new(self, log);
        let mut tx = held.open();
        tx.join(stamp)?;
        let value = tx.attempt(|tx| attempt(tx, scratch))?;
        tx.commit()?;
        Ok(value)
    }
}

/// The extents of an inode.
const fn extents_of(map: &MapState) -> Tree {
    tree_of(map.ino, map.generation)
}

/// What an operation does to the inode itself, in its first transaction.
#[derive(Clone, Copy, Default)]
struct Head<'c> {
    /// The new size.
    size: Option<u64>,
    /// What else changes, as mtime and ctime.
    change: Option<&'c Change>,
}

impl Head<'_> {
    fn apply<P: Platform>(&self, tx: &mut Transaction<'_, P>, ino: u64) -> Result {
        if let Some(size) = self.size {
            tx.set(inode_word(ino, offset_of!(Inode, size)), size)?;
        }
        match self.change {
            Some(change) => set_attributes(tx, ino, change),
            None => Ok(()),
        }
    }
}

/// What an operation has left in a file's inode, so that the caller need not read it. Of the rest
/// just that has changed what the caller said with [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The size in bytes.
    pub size: u64,
    /// The number of blocks.
    pub blocks: u64,
}

impl Changed {
    /// As the transaction leaves it.
    fn of<P: Platform>(tx: &Transaction<'_, P>, ino: u64) -> Result<Self> {
        Ok(Self {
            size: tx.word(inode_word(ino, offset_of!(Inode, size)))?,
            blocks: tx.word(inode_word(ino, offset_of!(Inode, blocks)))?,
        })
    }
}

/// Changes the inode's number of blocks.
fn count_blocks<P: Platform>(
    tx: &mut Transaction<'_, P>,
    ino: u64,
    (more, fewer): (u64, u64),
) -> Result {
    let at = inode_word(ino, offset_of!(Inode, blocks));
    let before = tx.word(at)?;
    let blocks = before
        .checked_add(more)
        .and_then(|blocks| blocks.checked_sub(fewer))
        .ok_or(Error::Corrupt)?;
    tx.change(at, before, blocks)
}

/// Fails unless the pages are ones that a file can have.
#[inline]
fn check_pages(page: u64, count: u64) -> Result {
    if count == 0 {
        return Err(Error::Invalid);
    }
    match page.checked_add(count) {
        Some(end) if end <= MAX_PAGES => Ok(()),
        _ => Err(Error::FileTooBig),
    }
}

/// The end of a range of bytes, which a file can have.
fn end_of(offset: u64, len: u64) -> Result<u64> {
    offset
        .checked_add(len)
        .filter(|&end| end <= MAX_FILE_SIZE)
        .ok_or(Error::FileTooBig)
}

/// The page that has a byte.
const fn page_of(offset: u64) -> u64 {
    offset / BLOCK_SIZE
}
