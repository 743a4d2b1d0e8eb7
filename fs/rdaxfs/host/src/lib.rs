// SPDX-License-Identifier: GPL-2.0

//! Where rdaxfs's core runs outside the kernel: a medium, digests and locks, for tools and tests.
//!
//! # Examples
//!
//! ```
//! use rdaxfs_core::{format::Time, make::{make, Options}, volume::{Access, Volume}, workspace::Workspace};
//! use rdaxfs_host::{Dram, Host};
//!
//! let medium = Dram::new(4 << 20);
//! let options = Options { slots: 2, ..Options::new(medium.blocks()) };
//! let superblock = make(&medium, &options).unwrap();
//!
//! let mut workspace = Workspace::new();
//! let host = Host::new(medium, &superblock);
//! let volume = Volume::mount(host, Access::ReadWrite, Time::new(0, 0), &mut workspace).unwrap();
//! let (_, root) = volume.open(volume.root(), None).unwrap();
//! assert!(root.is_directory());
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod digest;
mod dram;
mod file;
mod host;

pub use digest::{crc32c, siphash};
pub use dram::Dram;
pub use file::FileMedium;
pub use host::Host;
