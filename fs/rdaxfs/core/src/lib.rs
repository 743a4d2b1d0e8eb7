// SPDX-License-Identifier: GPL-2.0

//! rdaxfs: the format of its volumes, and every operation on them.
//!
//! The same files are compiled into the kernel's module and into the tools. What they need of the
//! place where they run is behind [`platform`]'s traits: the medium, digests, and locks.
//!
//! - [`format`] says what is where on the medium;
//! - [`journal`] changes it, atomically and durably;
//! - `alloc` knows which blocks are free;
//! - [`volume`] is a mounted volume, which hands out what its operations are methods of: [`mod@file`], [`name`],
//!   [`inode`], [`xattr`], [`bad_blocks`], and for statistics and diagnosis [`totals`], [`owner`], [`errors`];
//! - [`mount`] makes one of a medium, and ends it.
//!
//! # Rules
//!
//! Nothing here allocates memory, panics, or holds a reference into the medium: what is judged is a
//! copy. Errors are those of [`Error`], each an errno. Unless said otherwise an operation that has
//! returned is durable, and one that failed has changed nothing.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod alloc;
pub mod bad_blocks;
pub mod directory;
mod error;
pub mod errors;
mod extents;
pub mod file;
pub mod format;
mod handle;
pub mod inode;
pub mod journal;
pub mod judged;
pub mod label;
pub mod make;
pub mod mount;
pub mod name;
mod overlay;
pub mod owner;
pub mod platform;
mod source;
pub mod superblock;
pub mod totals;
mod tree;
pub mod volume;
pub mod workspace;
pub mod xattr;

pub use error::{Error, Result};
