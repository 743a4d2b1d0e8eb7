// SPDX-License-Identifier: GPL-2.0

//! Whether a volume of rdaxfs holds what it must, and how to repair it.
//!
//! [`survey`] reads the whole of a volume's metadata and returns what is wrong with it, as
//! [`Finding`]s, each with the words that repair it. It shares the format with the core, but none of its
//! ways through it, so that a mistake there is seen here.
//!
//! The modules stand on each other: what is found ([`Finding`], [`Survey`]) below, then one for each structure, then
//! the walk through all of them, and on top of it the choice of the superblock, repairs and new names.
//!
//! A survey expects that the journal has been replayed ([`rdaxfs_core::mount::mount`] does, and
//! [`discard_records`] where it cannot). Rounds of survey and [`Finding::apply`] repair it ([`Repairs`]) until
//! nothing is found; what then has no name is given one in lost+found by the core's own operations
//! ([`reconnect`]).

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bad_blocks;
mod choose;
mod claims;
mod directory;
mod entry;
mod extents;
mod finding;
mod groups;
mod heads;
mod image;
mod inodes;
mod links;
mod list;
mod names;
mod node;
mod progress;
mod records;
mod repair;
mod superblock;
mod survey;
mod walk;
mod xattrs;

pub use choose::{by_copy as superblock_by_copy, choose as choose_superblock, has_magic};
pub use finding::{Finding, Fix, Problem, Word};
pub use heads::heads_agree;
pub use image::{Block, Image};
pub use names::{finish_all, reconnect, Reconnected};
pub use progress::Progress;
pub use records::discard_records;
pub use repair::{Operator, Repaired, Repairs, Stuck};
pub use survey::{InodeInfo, Survey};
pub use walk::survey;
