// SPDX-License-Identifier: GPL-2.0

//! rdaxfs: the format of its volumes, and every operation on them.
//!
//! The same files are compiled into the kernel's module and into the tools. What they need of the
//! place where they run is behind [`platform`]'s traits: the medium, digests, and locks.
//!
//! - [`format`] says what is where on the medium;
//! - [`journal`] changes it, atomically and durably;
//! - `alloc` knows which blocks are free;
//! - [`volume`] is a mounted volume, whose methods are the operations.
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
mod extents;
pub mod file;
pub mod format;
pub mod inode;
pub mod journal;
pub mod judged;
pub mod label;
pub mod make;
pub mod name;
pub mod owner;
pub mod platform;
mod source;
mod totals;
mod tree;
pub mod volume;
pub mod workspace;
pub mod xattr;

pub use error::{Error, Result};
