// SPDX-License-Identifier: GPL-2.0

//! What operations of rdaxfs cost, and whether that is little enough.

#![forbid(unsafe_code)]

pub mod ageing;
pub mod callgrind;
pub mod counting;
pub mod directories;
pub mod extents;
pub mod filling;
pub mod measure;
pub mod memory;
pub mod meter;
pub mod mounting;
pub mod operations;
mod renames;
pub mod report;
pub mod scenario;
pub mod session;
