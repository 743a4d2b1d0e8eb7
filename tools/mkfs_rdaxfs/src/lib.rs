// SPDX-License-Identifier: GPL-2.0

//! Makes an rdaxfs volume on a device or in a file.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod alignment;
pub mod cli;
pub mod clock;
pub mod fill;
pub mod make;
pub mod signature;
pub mod size;
pub mod target;
