// SPDX-License-Identifier: GPL-2.0

//! A small language for what a file system, or a disk, is to do while it is traced.
//!
//! A file has workloads. One begins with a line `workload NAME`, goes on with the operations that make what
//! is there before, a line `crash`, and the operations that a crash may interrupt:
//!
//! ```text
//! workload rename-over
//! create a
//! write a 0 5000 1
//! create b
//! sync
//! crash
//! rename a b
//! fsync b
//! ```
//!
//! The last line may have two operations with a `|` between them: they are done at once, on two processors.
//!
//! A line is an operation, and its words are separated by blanks; `#` begins a comment. [`Operation`] has them
//! all.

#![forbid(unsafe_code)]

mod apply;
mod generate;
mod operation;
mod parse;

pub use apply::{apply, pattern};
pub use generate::{at_once, databases, pairs, raw, singles};
pub use operation::{database_of, Operation, Reach};
pub use parse::{parse, Workload};
