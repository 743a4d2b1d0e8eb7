// SPDX-License-Identifier: GPL-2.0

//! Changes the label and the UUID of an rdaxfs volume.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod tune;
