// SPDX-License-Identifier: GPL-2.0

//! Directories and the operations on names, as a user of the crate sees them.

mod basic;
mod trial;
