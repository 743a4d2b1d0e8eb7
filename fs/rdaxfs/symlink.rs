// SPDX-License-Identifier: GPL-2.0

//! Symbolic links. The target is read when the inode comes into memory.

use kernel::{
    prelude::*,
    str::{CStr, CString},
};
use kernel_ext::fs::{
    namei::{Operations, Symlink},
    Dentry, Inode,
};
use rdaxfs_core::{
    format::{BLOCK_BYTES, S_IFLNK, S_IFMT},
    inode::{Attributes, MapState},
    volume::Volume,
};

use crate::{
    attr::AttributeOperations, error::errno, inode, platform::Platform, super_block::Rdaxfs,
};

/// The operations on symbolic links.
pub(crate) struct SymlinkOperations;

#[vtable]
impl Operations for SymlinkOperations {
    type FileSystem = Rdaxfs;
    type Attributes = AttributeOperations;

    fn get_link<'a>(
        _dentry: Option<&Dentry<Rdaxfs>>,
        inode: &'a Inode<Rdaxfs>,
    ) -> Result<Symlink<'a>> {
        inode::target(inode).map(Symlink::Kept).ok_or(EINVAL)
    }
}

/// The target of an inode, if it is a symbolic link.
///
/// # Errors
///
/// `EUCLEAN`, `EIO`, `ENOMEM`.
pub(crate) fn read(
    volume: &Volume<Platform>,
    map: &MapState,
    attributes: &Attributes,
) -> Result<Option<CString>> {
    if attributes.mode & S_IFMT != S_IFLNK {
        return Ok(None);
    }
    // With a NUL it is as long as a block at most.
    let len = (attributes.size as usize).min(BLOCK_BYTES - 1);
    let mut bytes = KVec::from_elem(0, len + 1, GFP_KERNEL)?;
    let place = bytes.get_mut(..len).ok_or(EINVAL)?;
    volume.names().readlink(map, place).map_err(errno)?;
    let target = CStr::from_bytes_with_nul(&bytes).map_err(|_| EINVAL)?;
    Ok(Some(CString::try_from(target)?))
}
