// SPDX-License-Identifier: GPL-2.0

//! Makes a volume of rdaxfs on a device or in a file.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod alignment;
pub mod cli;
pub mod make;
pub mod signature;
