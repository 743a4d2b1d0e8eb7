// SPDX-License-Identifier: GPL-2.0

//! Devices whose memory file systems and processes access directly.
//!
//! # Examples
//!
//! A device without memory:
//!
//! ```
//! use kernel::sync::Arc;
//! use kernel_ext::{
//!     dax::{AccessError, AccessMode, Device, Operations, Property},
//!     pmem::Window,
//! };
//!
//! struct Nothing;
//!
//! #[vtable]
//! impl Operations for Nothing {
//!     fn direct_access(
//!         &self,
//!         _pgoff: u64,
//!         _nr_pages: usize,
//!         _mode: AccessMode,
//!     ) -> Result<Window<'_>, AccessError> {
//!         Err(AccessError::OutOfRange)
//!     }
//!
//!     fn zero_page_range(&self, _pgoff: u64, _nr_pages: usize) -> Result {
//!         Err(EIO)
//!     }
//! }
//!
//! let properties = Property::WriteCache | Property::NoMc;
//! let device = Device::new(Arc::new(Nothing, GFP_KERNEL)?, properties)?;
//! assert!(device.write_cache());
//! // Whoever has the handle keeps the structure, not the device.
//! let handle = device.handle();
//! drop(device);
//! drop(handle);
//! # Ok::<(), Error>(())
//! ```
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

mod access;
mod device;
mod holder;

pub use self::{
    access::{AccessError, AccessMode},
    device::{Device, Operations, Properties, Property},
    holder::Handle,
};
