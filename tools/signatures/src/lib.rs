// SPDX-License-Identifier: GPL-2.0

//! Finds what other than rdaxfs is on a device: file systems, partition tables, members of volume groups and
//! arrays, encrypted containers, swap.
//!
//! There are two views. [`table`] has the magic numbers of what is likely on a Linux machine, and needs no other
//! program: fsck runs where there may be none. [`blkid`] asks util-linux's program, which knows more.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod blkid;
pub mod table;

pub use table::{find, Place, Signature};
