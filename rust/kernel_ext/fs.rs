// SPDX-License-Identifier: GPL-2.0

//! File systems.
//!
//! A file system is a type that implements [`FileSystem`]; a [`Registration`] of it is what mount(2)
//! finds. All else is generic over it: a [`SuperBlock<T>`] carries the file system's data of a
//! mounted volume, an [`Inode<T>`] its data of an inode. Operations are traits that get such typed
//! references. What a caller holds is in the types where it matters:
//!
//! | type | says |
//! |---|---|
//! | [`NewSuperBlock`](super_block::NewSuperBlock) | a super block without data, that no other task can see |
//! | [`NewInode`](inode::NewInode) | an inode without data, which others that look for it wait for |
//! | [`Locked`](inode::Locked) | an inode whose `i_rwsem` is held exclusively |
//! | [`Child`](dentry::Child) | a dentry whose name is stable, because its parent's `i_rwsem` is held |
//! | [`InvalidateGuard`](invalidate_lock::InvalidateGuard) | an inode whose pages no fault maps |
//! | [`SharedInvalidateGuard`](invalidate_lock::SharedInvalidateGuard) | an inode whose pages stay where they are |
//! | [`PageFaultGuard`](vm::PageFaultGuard) | a volume that is not frozen while a fault changes it |
//! | [`Evicted`](inode::Evicted) | an inode that has no user any more |
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

pub mod attr;
pub mod dax;
pub mod dentry;
pub mod dir;
pub mod export;
pub mod file;
pub mod file_system;
pub mod fileattr;
pub mod fs_context;
pub mod fs_parser;
pub mod fserror;
pub mod inode;
pub mod inode_lock;
pub mod invalidate_lock;
pub mod ioctl;
pub mod iomap;
pub mod kiocb;
pub mod mnt_idmapping;
pub mod namei;
pub mod posix_acl;
pub mod security;
pub mod stat;
pub mod statfs;
pub mod super_block;
pub mod time;
pub mod uuid;
pub mod vm;
pub mod xattr;

pub use dentry::Dentry;
pub use file::File;
pub use file_system::{FileSystem, Registration};
pub use fs_context::FsContext;
pub use inode::Inode;
pub use kiocb::Kiocb;
pub use mnt_idmapping::MntIdmap;
pub use super_block::SuperBlock;
pub use time::Timespec;

use crate::operations::no_operations;
use core::ffi::c_int;
use kernel::error::Result;

/// What C gets of a result: 0, or a negative errno.
fn to_errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
