// SPDX-License-Identifier: GPL-2.0

//! Every state that a crash may leave on persistent memory, made from a trace and judged.
//!
//! 1. [`record`](record::record) does workloads in a traced guest.
//! 2. [`cases`](case::cases) makes of the trace what `rdaxfs_crash` explores: the same rules and the same
//!    search as for the core of rdaxfs on the host.
//! 3. A [`Judge`](judge::Judge) recovers each state, and an [`Expectation`](expect::Expectation) says what it
//!    has to be.
//! 4. [`recovery`] has crash images recovered in a traced guest, so that their recoveries can be crashed again.
//! 5. [`Report`](report::Report) is what is told of it.

#![forbid(unsafe_code)]

pub mod case;
pub mod cli;
pub mod expect;
pub mod guest;
pub mod judge;
pub mod record;
pub mod recovery;
pub mod report;
pub mod run;
pub mod subject;
pub mod symbols;
