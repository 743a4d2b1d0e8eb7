// SPDX-License-Identifier: GPL-2.0

//! Bio-based block devices.
//!
//! The kernel crate has request-based (blk-mq) disks only. A driver whose medium answers at once,
//! like memory, takes bios as they come: no request, no queue, no tag.

pub mod bio;
#[cfg(any(MODULE, CONFIG_RUST_KERNEL_EXT_FS))]
pub mod block_device;
pub mod gen_disk;
mod io_acct;
