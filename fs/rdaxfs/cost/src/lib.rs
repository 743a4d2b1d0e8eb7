// SPDX-License-Identifier: GPL-2.0

//! What operations of rdaxfs cost, and whether that is little enough.
//!
//! Without the feature `report`, which needs floating point, only the operations: for a program that is compiled
//! as the kernel is.

#![forbid(unsafe_code)]

#[cfg(feature = "report")]
pub mod ageing;
#[cfg(feature = "report")]
pub mod callgrind;
pub mod counting;
#[cfg(feature = "report")]
pub mod directories;
#[cfg(feature = "report")]
pub mod extents;
#[cfg(feature = "report")]
pub mod filling;
#[cfg(feature = "report")]
pub mod measure;
#[cfg(feature = "report")]
pub mod memory;
pub mod meter;
#[cfg(feature = "report")]
pub mod mounting;
pub mod operations;
mod renames;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "report")]
pub mod scenario;
pub mod session;
