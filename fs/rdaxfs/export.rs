// SPDX-License-Identifier: GPL-2.0

//! File handles.

use kernel::{prelude::*, sync::aref::ARef};
use kernel_ext::fs::{export::Operations, Inode, SuperBlock};

use crate::{error::met, inode, super_block::Rdaxfs};

/// How inodes are found by what a handle says.
pub(crate) struct Export;

impl Operations for Export {
    type FileSystem = Rdaxfs;

    fn inode(sb: &SuperBlock<Rdaxfs>, ino: u64, generation: u32) -> Result<ARef<Inode<Rdaxfs>>> {
        inode::get_by_handle(sb, ino, generation)
    }

    fn parent(directory: &Inode<Rdaxfs>) -> Result<ARef<Inode<Rdaxfs>>> {
        let sb = directory.super_block();
        let parent = {
            let map = directory.data().map.read();
            sb.data()
                .mounted
                .volume()?
                .names()
                .parent(&map)
                .map_err(|error| met(directory, error))?
        };
        inode::get(sb, parent)
    }

    fn has_gone(inode: &Inode<Rdaxfs>) -> bool {
        // A removed directory has no parent to be found in.
        inode.is_directory() || inode.data().is_freed()
    }
}
