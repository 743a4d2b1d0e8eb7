// SPDX-License-Identifier: GPL-2.0

//! Where a mounted file system has put its files and its metadata.
//!
//! Two ioctls that no well-kept crate offers without `unsafe`, one file each:
//!
//! - [`fiemap`]: which bytes of the device hold which bytes of a file;
//! - [`fsmap`]: who owns which bytes of the device.
//!
//! For programs, not for the kernel. Both copy into a buffer whose size the type fixes, so that the
//! kernel's answer cannot outgrow it, and give iterators that ask again until all is told.

pub mod fiemap;
pub mod fsmap;
