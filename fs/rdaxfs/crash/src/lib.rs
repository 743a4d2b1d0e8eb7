// SPDX-License-Identifier: GPL-2.0

//! Crash checking for code that runs on persistent memory: the states that a crash may leave are
//! built, and each is given to the code's own recovery.
//!
//! 1. A [`Recorder`] is the medium in DRAM. It notes each store, flush and fence with the CPU and
//!    the place in the source that issued it.
//! 2. [`Persistence`] follows such a log and knows which contents each cache line of the medium
//!    may have. Its documentation is the memory model.
//! 3. [`explore`] gives the states to a check: all that the check can tell apart, up to a
//!    bound, and above it samples. A state that fails is made small and explained.
//! 4. [`Schedules`] runs two operations on two logical CPUs in each order of their steps.
//! 5. [`spec`] is a file system in a few maps: what the tree has to be before and after an operation.
//!
//! [`Log::without`] takes away a flush or fence, so that a test can show that its lack is noticed.

#![forbid(unsafe_code)]

mod event;
mod explore;
mod failure;
mod image;
mod line;
mod lock;
mod oracle;
mod persistence;
mod recorder;
mod schedule;
pub mod spec;

pub use event::{on_cpu, this_cpu, Event, EventKind, Log, Site, Step};
pub use explore::{explore, Budget, Check, Point, Tally};
pub use failure::{Failure, LostWord};
pub use image::{Image, LINE_BYTES, LINE_WORDS, PAGE_BYTES, WORD_BYTES};
pub use line::LineStates;
pub use lock::{Held, Lock};
pub use persistence::{Persistence, Undecided};
pub use recorder::Recorder;
pub use schedule::{Body, Bounds, Run, Schedule, Schedules};
