// SPDX-License-Identifier: GPL-2.0

//! Flags of files: what lsattr(1) shows, `xfs_io -c lsattr`, and the project.

use kernel::prelude::*;
use kernel_ext::compat::code::EOPNOTSUPP;
use kernel_ext::fs::{
    fileattr::FileKattr,
    inode::{flags, Locked},
    Inode,
};
use rdaxfs_core::inode::{Attributes, Change};

use crate::{attr, options::Dax, super_block::Rdaxfs, time::to_medium};

/// `FS_*_FL` of `include/uapi/linux/fs.h`.
pub(crate) const FS_SYNC_FL: u32 = 0x8;
pub(crate) const FS_IMMUTABLE_FL: u32 = 0x10;
pub(crate) const FS_APPEND_FL: u32 = 0x20;
pub(crate) const FS_NODUMP_FL: u32 = 0x40;
pub(crate) const FS_NOATIME_FL: u32 = 0x80;
pub(crate) const FS_DIRSYNC_FL: u32 = 0x1_0000;
pub(crate) const FS_DAX_FL: u32 = 0x200_0000;
pub(crate) const FS_PROJINHERIT_FL: u32 = 0x2000_0000;

/// What can be set.
const SETTABLE: u32 = FS_SYNC_FL
    | FS_IMMUTABLE_FL
    | FS_APPEND_FL
    | FS_NODUMP_FL
    | FS_NOATIME_FL
    | FS_DIRSYNC_FL
    | FS_DAX_FL
    | FS_PROJINHERIT_FL;

/// What a new file or directory has of its directory's flags.
const INHERITED: u32 =
    FS_SYNC_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_DIRSYNC_FL | FS_DAX_FL | FS_PROJINHERIT_FL;

/// What only directories have.
const OF_DIRECTORIES: u32 = FS_DIRSYNC_FL | FS_PROJINHERIT_FL;

/// What the VFS looks at, and the flag that it has for it.
const OF_THE_VFS: [(u32, u32); 5] = [
    (FS_SYNC_FL, flags::SYNC),
    (FS_IMMUTABLE_FL, flags::IMMUTABLE),
    (FS_APPEND_FL, flags::APPEND),
    (FS_NOATIME_FL, flags::NOATIME),
    (FS_DIRSYNC_FL, flags::DIRSYNC),
];

/// The flags of the VFS for an inode with these.
pub(crate) fn vfs_flags(flags: u32) -> u32 {
    OF_THE_VFS
        .into_iter()
        .filter(|(flag, _)| flags & flag != 0)
        .fold(0, |all, (_, flag)| all | flag)
}

/// The flag of the VFS that says that the pages of a file are those of the medium: decided when its inode
/// comes into memory, by the mount option and the file's flag.
pub(crate) fn dax_flag(dax: Dax, attributes: &Attributes) -> u32 {
    let is_dax = match dax {
        Dax::Always => true,
        Dax::Inode => attributes.flags & FS_DAX_FL != 0,
        Dax::Never => false,
    };
    if attributes.is_file() && is_dax {
        flags::DAX
    } else {
        0
    }
}

/// The flags of a file that is made in a directory with `flags`: symbolic links and devices have
/// none.
pub(crate) fn inherited(flags: u32, is_directory: bool, is_file: bool) -> u32 {
    match (is_directory, is_file) {
        (true, _) => flags & INHERITED,
        (false, true) => flags & INHERITED & !OF_DIRECTORIES,
        (false, false) => 0,
    }
}

/// `FS_IOC_GETFLAGS`, `FS_IOC_FSGETXATTR`.
pub(crate) fn get(inode: &Inode<Rdaxfs>, attr: &mut FileKattr) {
    attr.set_flags(inode.data().flags());
    attr.set_project(inode.data().project_id(), 0);
}

/// `FS_IOC_SETFLAGS`, `FS_IOC_FSSETXATTR`. The VFS has judged whether the caller may.
pub(crate) fn set(inode: Locked<'_, Rdaxfs>, attr: &FileKattr) -> Result {
    let old = inode.data().flags();
    let new = attr.flags();
    let forbidden = if inode.is_directory() {
        0
    } else {
        OF_DIRECTORIES
    };
    if (new & !SETTABLE) & !old != 0 || new & forbidden != 0 || attr.has_extent_size() {
        return Err(EOPNOTSUPP);
    }
    if !inode.is_directory() && !inode.is_file() && new & FS_DAX_FL != 0 {
        return Err(EINVAL);
    }
    let new = new & SETTABLE;
    let project = if attr.is_flags() {
        inode.data().project_id()
    } else {
        attr.project()
    };
    let before = inode.ctime();
    let ctime = inode.set_ctime_current();
    let change = Change {
        flags: Some(new),
        project: Some(project),
        ctime: Some(to_medium(ctime)),
        ..Change::default()
    };
    if let Err(error) = attr::store_change(&inode, &change) {
        inode.set_ctime(before);
        return Err(error);
    }
    inode.data().set_flags(new);
    inode.data().set_project_id(project);
    let mask = OF_THE_VFS.into_iter().fold(0, |all, (_, flag)| all | flag);
    inode.set_flags(vfs_flags(new), mask);
    if (old ^ new) & FS_DAX_FL != 0 && inode.is_file() {
        // Whether pages are those of the medium is decided when the inode comes into memory.
        inode.mark_dont_cache();
    }
    Ok(())
}
