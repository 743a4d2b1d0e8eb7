// SPDX-License-Identifier: GPL-2.0

//! rdaxfs: a file system for persistent memory.
//!
//! What a volume is, and every operation on it, is in the crate `rdaxfs_core`; this puts it under
//! the VFS.
//!
//! | module | holds |
//! |---|---|
//! | `options` | the mount options |
//! | `super_block` (`super.rs`) | a mounted volume as the VFS has it, and what concerns the whole of it |
//! | `mount` | what a mount does, step by step, and why it is refused |
//! | `remount` | from read-only to writable and back |
//! | `unfinished` | what a crash left to do |
//! | `volume` | how an operation is begun: a workspace, no reclaim into file systems |
//! | `holder` | what becomes of a volume whose device fails |
//! | `inode` | the VFS's inode of one on the medium, and its eviction |
//! | `maps` | the map locks, and their order |
//! | `namei` | names: look-up, creation, links |
//! | `rename` | a name that moves |
//! | `ctimes` | the times of what an operation changes |
//! | `new` | what a new inode is made as |
//! | `dir` | reading directories |
//! | `symlink` | symbolic links |
//! | `attr` | stat, chmod, chown, times |
//! | `flags` | `FS_*_FL`, what new files inherit of them, the project |
//! | `xattr` | extended attributes |
//! | `acl` | access control lists |
//! | `export` | file handles |
//! | `file` | open files: reads, writes, lseek(2), fsync(2) |
//! | `ioctl` | ioctl(2): generation, label, shutdown |
//! | `append` | writes that make a file longer |
//! | `iomap` | where the bytes of a file are |
//! | `mmap` | mappings and their faults |
//! | `truncate` | the size of a file |
//! | `fallocate` | fallocate(2) |
//! | `buffered` | files whose pages are in the page cache |
//! | `time` | the medium's times and the kernel's |
//! | `platform` | what the core asks for: medium, locks, digests |
//!
//! There is no `unsafe` here: it is in `rust/`, behind `kernel_ext`.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use kernel_ext::fs::Registration;

mod acl;
mod append;
mod attr;
mod buffered;
mod ctimes;
mod dir;
mod error;
mod export;
mod fallocate;
mod file;
mod flags;
mod holder;
mod inode;
mod ioctl;
mod iomap;
mod maps;
mod mmap;
mod mount;
mod namei;
mod new;
mod options;
mod platform;
mod remount;
mod rename;
#[path = "super.rs"]
mod super_block;
mod symlink;
mod time;
mod truncate;
mod unfinished;
mod volume;
mod xattr;

use super_block::Rdaxfs;

module! {
    type: Module,
    name: "rdaxfs",
    authors: ["The rpmem developers"],
    description: "File system for persistent memory",
    license: "GPL",
    alias: ["fs-rdaxfs"],
}

/// The module: the file system's type.
#[pin_data]
struct Module {
    #[pin]
    file_system: Registration<Rdaxfs>,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            file_system <- Registration::new(module),
        })
    }
}
