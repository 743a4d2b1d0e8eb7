// SPDX-License-Identifier: GPL-2.0

//! Checks and repairs an rdaxfs volume.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod check;
pub mod cli;
mod consent;
mod desk;
mod device;
mod identify;
mod progress;
mod status;

pub use status::Status;
