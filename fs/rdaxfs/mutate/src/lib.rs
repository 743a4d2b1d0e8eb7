// SPDX-License-Identifier: GPL-2.0

//! Damaged volumes, and what must hold for all of them.
//!
//! [`corpus`] makes small volumes that have everything that a volume can have. [`trial::run`] damages
//! one as some bytes say, which a [`campaign`] or libFuzzer chooses, and goes through what can be done
//! with it. Nothing of that may panic, loop, or reach outside the volume; and repairing ends in a volume
//! with which nothing is wrong.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod campaign;
mod choices;
mod contents;
pub mod corpus;
mod damage;
mod memory;
mod operate;
pub mod repair;
pub mod seal;
mod session;
pub mod trial;
mod walk;

pub use memory::{Memory, Moment};
