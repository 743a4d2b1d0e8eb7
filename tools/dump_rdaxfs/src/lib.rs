// SPDX-License-Identifier: GPL-2.0

//! Shows what is where on a volume of rdaxfs, and whose a block is.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod block;
pub mod cli;
mod inode;
pub mod show;
mod text;
mod volume;
