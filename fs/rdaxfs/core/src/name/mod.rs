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
//! orphan: once nobody uses it, the caller has it [`finish`](crate::volume::Volume::finish)ed.

mod create;
mod entry;
mod link;
mod new;
mod rename;
mod symlink;
mod words;

pub use new::NewInode;
pub use rename::{Directories, RenameMode, Renamed};
