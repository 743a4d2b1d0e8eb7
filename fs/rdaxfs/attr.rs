// SPDX-License-Identifier: GPL-2.0

//! Attributes of inodes: stat(2), chmod(2), chown(2), utimensat(2), and the times that use leaves.

use kernel::prelude::*;
use kernel_ext::fs::{
    attr::{Iattr, Operations, TimesUpdated, UpdateTime},
    fileattr::FileKattr,
    inode::Locked,
    posix_acl::{AclType, PosixAcl},
    stat::{attributes, Kstat},
    xattr::List,
    Dentry, Inode, MntIdmap,
};
use rdaxfs_core::inode::Change;

use crate::{
    acl,
    error::met,
    flags::{self, FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL},
    super_block::Rdaxfs,
    time::{from_medium, to_medium},
    truncate::truncate,
    xattr,
};

/// The operations on attributes, which all kinds of inodes have.
pub(crate) struct AttributeOperations;

#[vtable]
impl Operations for AttributeOperations {
    type FileSystem = Rdaxfs;

    fn setattr(
        idmap: &MntIdmap,
        dentry: &Dentry<Rdaxfs>,
        inode: Locked<'_, Rdaxfs>,
        attr: &mut Iattr,
    ) -> Result {
        setattr(idmap, dentry, inode, attr)
    }

    fn getattr(idmap: &MntIdmap, inode: &Inode<Rdaxfs>, request: u32, stat: &mut Kstat) -> Result {
        getattr(idmap, inode, request, stat);
        Ok(())
    }

    fn list_xattr(inode: &Inode<Rdaxfs>, list: &mut List<'_>) -> Result {
        xattr::list(inode, list)
    }

    fn get_inode_acl(inode: &Inode<Rdaxfs>, kind: AclType) -> Result<Option<PosixAcl>> {
        acl::get(inode, kind)
    }

    fn set_acl(
        idmap: &MntIdmap,
        inode: Locked<'_, Rdaxfs>,
        acl: Option<&PosixAcl>,
        kind: AclType,
    ) -> Result {
        acl::set(idmap, inode, acl, kind)
    }

    fn fileattr_get(inode: &Inode<Rdaxfs>, attr: &mut FileKattr) -> Result {
        flags::get(inode, attr);
        Ok(())
    }

    fn fileattr_set(inode: Locked<'_, Rdaxfs>, attr: &FileKattr) -> Result {
        flags::set(inode, attr)
    }

    fn update_time(inode: &Inode<Rdaxfs>, update: UpdateTime<'_>) -> Result {
        update_time(inode, update)
    }

    fn sync_lazytime(inode: &Inode<Rdaxfs>) {
        sync_lazytime(inode);
    }
}

/// How memory for direct I/O on a DAX file has to be aligned: not at all.
const DAX_MEMORY_ALIGNMENT: u32 = 1;

/// Flags that statx(2) has a bit for.
const SHOWN: [(u32, u64); 3] = [
    (FS_APPEND_FL, attributes::APPEND),
    (FS_IMMUTABLE_FL, attributes::IMMUTABLE),
    (FS_NODUMP_FL, attributes::NODUMP),
];

/// stat(2), statx(2).
fn getattr(idmap: &MntIdmap, inode: &Inode<Rdaxfs>, request: u32, stat: &mut Kstat) {
    let flags = inode.data().flags();
    stat.set_btime(from_medium(inode.data().btime));
    for (flag, attribute) in SHOWN {
        stat.set_attributes(if flags & flag != 0 { attribute } else { 0 }, attribute);
    }
    stat.fill(idmap, request, inode);
    if inode.is_file() {
        // A loop device takes that of offsets for its blocks' size, although a DAX file needs none.
        let offset = inode.super_block().block_device().logical_block_size();
        let memory = if inode.is_dax() {
            DAX_MEMORY_ALIGNMENT
        } else {
            offset
        };
        stat.set_dio_alignment(memory, offset);
    }
}

/// chmod(2), chown(2), utimensat(2), and truncate(2) through [`crate::truncate`].
///
/// Mode and access control list change in one transaction, as do all attributes but the size.
fn setattr(
    idmap: &MntIdmap,
    dentry: &Dentry<Rdaxfs>,
    inode: Locked<'_, Rdaxfs>,
    attr: &mut Iattr,
) -> Result {
    attr.prepare(idmap, dentry)?;
    let Some(size) = attr.size() else {
        return change(idmap, inode, attr);
    };
    // A suid bit goes before the contents that it was given to.
    if attr.has_mode() || attr.has_given_times() {
        change(idmap, inode, attr)?;
    }
    truncate(inode, size as u64)
}

/// Changes attributes other than the size.
fn change(idmap: &MntIdmap, inode: Locked<'_, Rdaxfs>, attr: &Iattr) -> Result {
    let ctime = inode.ctime();
    let before = attr.copy(idmap, inode);
    let stored = store(inode, attr);
    if stored.is_err() {
        before.restore(inode);
        inode.set_ctime(ctime);
    }
    stored
}

/// Makes durable what the VFS's inode says now.
fn store(inode: Locked<'_, Rdaxfs>, attr: &Iattr) -> Result {
    let change = Change {
        permissions: Some(inode.mode()),
        uid: Some(inode.uid()),
        gid: Some(inode.gid()),
        atime: Some(to_medium(inode.atime())),
        mtime: Some(to_medium(inode.mtime())),
        ctime: Some(to_medium(inode.ctime())),
        ..Change::default()
    };
    let acl = if attr.has_mode() {
        PosixAcl::chmod(inode, inode.mode())?
    } else {
        None
    };
    match acl {
        Some(acl) => {
            acl::store(inode, AclType::Access, Some(&acl), &change)?;
            inode.set_cached_acl(AclType::Access, Some(&acl));
            Ok(())
        }
        None => store_change(&inode, &change),
    }
}

/// Makes a change durable.
///
/// # Errors
///
/// `EIO`, `EROFS`.
pub(crate) fn store_change(inode: &Inode<Rdaxfs>, change: &Change) -> Result {
    let mut operation = inode.super_block().data().mounted.begin()?;
    let mut map = inode.data().map.write();
    if inode.data().is_freed() {
        // Times that writeback brings.
        return Ok(());
    }
    operation
        .volume
        .inodes()
        .change(&mut operation.workspace, &mut map, change)
        .map_err(|error| met(inode, error))
}

/// The times that reading and mapping leave. With `lazytime` they stay in memory for a while; else they
/// are durable when this returns, which takes locks.
fn update_time(inode: &Inode<Rdaxfs>, update: UpdateTime<'_>) -> Result {
    if inode.super_block().is_read_only() {
        return Ok(());
    }
    let is_nowait = update.is_nowait();
    if is_nowait && !inode.super_block().is_lazytime() {
        // Whether a time is due is not known before it is set.
        return Err(EAGAIN);
    }
    match update.apply()? {
        TimesUpdated::Nothing | TimesUpdated::Lazily => Ok(()),
        TimesUpdated::Changed => store_times(inode),
    }
}

/// Makes the times durable that are in memory.
///
/// # Errors
///
/// `EIO`, `EROFS`.
fn store_times(inode: &Inode<Rdaxfs>) -> Result {
    let change = Change {
        atime: Some(to_medium(inode.atime())),
        mtime: Some(to_medium(inode.mtime())),
        ctime: Some(to_medium(inode.ctime())),
        ..Change::default()
    };
    store_change(inode, &change)
}

/// Makes times durable that have stayed in memory (`lazytime`). Nobody is left to be told of an error;
/// the times on the medium stay older then.
fn sync_lazytime(inode: &Inode<Rdaxfs>) {
    if let Err(error) = store_times(inode) {
        pr_err!(
            "{}: inode {}: its times cannot be stored ({:?})\n",
            inode.super_block().id(),
            inode.ino(),
            error,
        );
    }
}
