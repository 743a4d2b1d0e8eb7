// SPDX-License-Identifier: GPL-2.0

//! The operations on names. Each is one transaction: it has happened when it returns, and a crash
//! shows the volume before or after it.
//!
//! # Locks
//!
//! The caller has the map locks of all inodes concerned, taken in ascending order of the inodes'
//! numbers, and passes what they guard. Above them it keeps whatever order its own locks of
//! directories have (in Linux, `i_rwsem`); these operations trust it that a directory is not moved
//! into one below itself. A new inode has no lock that anybody else could want.
//!
//! What is passed must be what the names stand for: if they stand for something else, the operation
//! fails with [`Error::Stale`](crate::Error::Stale).
//!
//! # What they leave to the caller
//!
//! Permissions; what a new inode inherits; the time. An inode that loses its last name becomes an
//! orphan: once nobody uses it, the caller has it [`finish`](crate::file::Files::finish)ed. A
//! caller who knows that nobody uses it, nor can come to, says so
//! ([`unlink_last`](crate::name::Names::unlink_last), [`Renamed::other_is_unused`]), and it is
//! freed in the same transaction, if it has not too many blocks for that.
//!
//! # New inodes
//!
//! As soon as an inode is reachable, by its name or its number, somebody may open it. So that there
//! are not two states of one inode, what makes one calls `announce` with its number and generation
//! before: once, after all has been prepared and can only fail in the commit. The caller then puts
//! its inode, locked, into its cache, which is keyed by both. If `announce` fails nothing is made.
//! If the commit fails after it, the operation returns the error, and the caller takes the inode out
//! of the cache again.
//!
//! `announce` is called below the locks of groups, so it must not ask for a lock of the core, nor
//! wait for anybody who may. [`unannounced`] is for callers without such a cache.

mod changes;
mod create;
mod entry;
mod last;
mod link;
mod new;
mod rename;
mod symlink;
mod words;

pub(crate) use last::Last;

pub use changes::{Changes, Made, RenameChanges};
pub use new::{unannounced, NewInode};
pub use rename::{Directories, RenameMode, Renamed};

use crate::handle::handle;

handle! {
    /// The names of a volume: its directories, and what they lead to.
    Names
}
