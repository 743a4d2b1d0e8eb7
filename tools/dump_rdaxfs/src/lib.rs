// SPDX-License-Identifier: GPL-2.0

//! Shows what is where on an rdaxfs volume, and copies files out of it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod block;
pub mod cli;
pub mod export;
pub mod extract;
mod inode;
pub mod metadata;
mod open;
pub mod show;
mod text;
mod volume;
