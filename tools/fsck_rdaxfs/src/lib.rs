// SPDX-License-Identifier: GPL-2.0

//! Checks and mends a volume of rdaxfs.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod check;
pub mod cli;
mod consent;
mod desk;
mod progress;
mod status;

pub use status::Status;
