// SPDX-License-Identifier: GPL-2.0

//! Where rdaxfs's core runs outside the kernel: a medium, digests and locks, for tools and tests.
//!
//! # Examples
//!
//! ```
//! use rdaxfs_core::{format::Time, mount::Access};
//! use rdaxfs_host::{Dram, Mounted};
//!
//! let mounted = Mounted::make(Dram::new(4 << 20), Time::new(0, 0)).unwrap();
//! let medium = mounted.unmount().unwrap();
//!
//! let mounted = Mounted::mount(medium, Access::NoStores, Time::new(1, 0)).unwrap();
//! let (_, root) = mounted.volume.inodes().open(mounted.volume.root(), None).unwrap();
//! assert!(root.is_directory());
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
#[cfg(feature = "media")]
mod digest;
#[cfg(feature = "media")]
mod dram;
#[cfg(feature = "media")]
mod file;
mod host;
#[cfg(feature = "media")]
mod in_use;
mod mounted;
mod resolve;
#[cfg(feature = "media")]
mod scrambled;
#[cfg(feature = "media")]
mod trouble;

pub use clock::now;
#[cfg(feature = "media")]
pub use digest::{crc32c, siphash};
#[cfg(feature = "media")]
pub use dram::Dram;
#[cfg(feature = "media")]
pub use file::{FileMedium, WriteError};
pub use host::Host;
#[cfg(feature = "media")]
pub use in_use::{loop_device_of, DeviceLock, Scope};
pub use mounted::Mounted;
pub use resolve::resolve;
#[cfg(feature = "media")]
pub use scrambled::{scrambled_name, SCRAMBLED, WHOLE_NAME};
#[cfg(feature = "media")]
pub use trouble::Trouble;
