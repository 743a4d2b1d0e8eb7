// SPDX-License-Identifier: GPL-2.0

//! Where a mounted file system has put its files and its metadata.
//!
//! Four ioctls that no well-kept crate offers without `unsafe`, one file each:
//!
//! - [`attributes`]: whether a file's data is in the realtime section of XFS;
//! - [`fiemap`]: which bytes of the device hold which bytes of a file;
//! - [`fsmap`]: who owns which bytes of the device;
//! - [`pagemap`]: whether huge pages map a process's memory.
//!
//! For programs, not for the kernel. All copy into a buffer whose size the type fixes, so that the
//! kernel's answer cannot outgrow it, and ask again until all is told.

pub mod attributes;
pub mod fiemap;
pub mod fsmap;
pub mod pagemap;
