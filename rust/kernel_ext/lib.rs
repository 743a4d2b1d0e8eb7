// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions that the kernel crate of 7.3 lacks, one file per C concept.
//!
//! Each would stand in `rust/kernel/` under the name that it has here. All `unsafe` of the project
//! is in this crate, beside the invariant that makes it sound; `drivers/` and `fs/` have none.
//!
//! | module | C header |
//! |---|---|
//! | [`block::bio`] | `include/linux/bio.h` |
//! | [`block::gen_disk`] | `include/linux/blkdev.h` |
//! | [`block::block_device`] | `include/linux/blkdev.h` |
//! | [`dax`] | `include/linux/dax.h` |
//! | [`fs`] | `include/linux/fs.h`, `include/linux/fs_context.h` |
//! | [`hwpoison`] | `include/linux/page-flags.h`, `include/linux/set_memory.h` |
//! | [`hash`] | `include/linux/crc32.h`, `include/linux/siphash.h` |
//! | [`memalloc`] | `include/linux/sched/mm.h` |
//! | [`mempool`] | `include/linux/mempool.h` |
//! | `mce` | `arch/x86/include/asm/mce.h` |
//! | [`memremap`] | `include/linux/memremap.h` |
//! | [`mod@module_param`] | `include/linux/moduleparam.h` |
//! | [`numa`] | `include/linux/numa.h` |
//! | [`mod@panic`] | `include/linux/panic.h` |
//! | [`platform`] | `include/linux/platform_device.h` |
//! | [`pmem`] | `include/linux/libnvdimm.h`, `include/linux/uaccess.h` |
//! | [`resource`] | `include/linux/ioport.h` |
//! | [`sched`] | `include/linux/sched.h` |
//! | [`sync::rwsem`] | `include/linux/rwsem.h` |
//! | [`sync::slot`] | `include/linux/atomic.h` |
//! | [`sysfs`] | `include/linux/sysfs.h` |
//! | [`workqueue`] | `include/linux/workqueue.h` |

#![no_std]

/// What the printing macros put in front of a message.
const __LOG_PREFIX: &[u8] = b"kernel_ext\0";

// Its macro is for the modules that follow.
#[macro_use]
mod operations;

pub mod block;
pub mod capability;
pub mod compat;
pub mod dax;
#[cfg(any(MODULE, CONFIG_RUST_KERNEL_EXT_FS))]
pub mod fs;
pub mod hash;
pub mod hwpoison;
#[cfg(CONFIG_RUST_KERNEL_EXT_KUNIT_TEST)]
pub mod kunit;
#[cfg(CONFIG_X86_MCE)]
pub mod mce;
pub mod memalloc;
pub mod mempool;
pub mod memremap;
pub mod module_param;
pub mod numa;
pub mod panic;
mod percpu;
pub mod platform;
pub mod pmem;
pub mod resource;
pub mod sched;
mod slab;
pub mod sync;
pub mod sysfs;
pub mod workqueue;

/// The module of code that several modules use: none in particular, which the kernel crate and the C side
/// take for one that is always there. Whoever uses the code keeps its module.
///
/// A crate with implementations of `#[vtable]` traits that is no module itself has
/// `type LocalModule = kernel_ext::NoModule`.
pub struct NoModule;

impl kernel::ModuleMetadata for NoModule {
    const NAME: &'static kernel::str::CStr = c"kernel_ext";

    #[cfg(not(kernel_7_2))]
    const THIS_MODULE: kernel::ThisModule = {
        // SAFETY: `try_module_get()` and `module_put()` do nothing for a null pointer.
        unsafe { kernel::ThisModule::from_ptr(core::ptr::null_mut()) }
    };
}

/// Size of a page in bytes.
pub const PAGE_SIZE: usize = kernel::page::PAGE_SIZE;

/// Size of a sector, the unit of the block layer's addresses, in bytes.
pub const SECTOR_SIZE: usize = kernel::block::SECTOR_SIZE as usize;
