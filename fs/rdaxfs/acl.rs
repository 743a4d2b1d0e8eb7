// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists, which are attributes on the medium.

use kernel::{alloc::KVVec, prelude::*};
use kernel_ext::{
    compat::code::ENODATA,
    fs::{
        inode::Locked,
        posix_acl::{AclType, PosixAcl},
        xattr::SetMode,
        Inode, MntIdmap,
    },
};
use rdaxfs_core::{format::XattrSpace, inode::Change, xattr::XattrName};

use crate::{error::errno, super_block::Rdaxfs, time::to_medium, xattr};

/// The name of a list's attribute.
///
/// # Errors
///
/// None: the names are short.
pub(crate) fn name_of(kind: AclType) -> Result<XattrName<'static>> {
    let rest: &[u8] = match kind {
        AclType::Access => b"posix_acl_access",
        AclType::Default => b"posix_acl_default",
    };
    XattrName::new(XattrSpace::System, rest).map_err(errno)
}

/// Reads a list.
pub(crate) fn get(inode: &Inode<Rdaxfs>, kind: AclType) -> Result<Option<PosixAcl>> {
    let name = name_of(kind)?;
    loop {
        let len = match xattr::get(inode, name, &mut []) {
            Err(ENODATA) => return Ok(None),
            len => len?,
        };
        let mut value = KVVec::from_elem(0_u8, len, GFP_KERNEL)?;
        match xattr::get(inode, name, &mut value) {
            // It has become longer, or has gone, in between.
            Err(ERANGE | ENODATA) => {}
            Ok(read) => return PosixAcl::from_xattr(value.get(..read).ok_or(EIO)?),
            Err(error) => return Err(error),
        }
    }
}

/// Sets or removes a list. A list for access that says what a mode can say becomes the mode.
pub(crate) fn set(
    idmap: &MntIdmap,
    inode: Locked<'_, Rdaxfs>,
    acl: Option<&PosixAcl>,
    kind: AclType,
) -> Result {
    if kind == AclType::Default && !inode.is_directory() {
        return if acl.is_some() { Err(EACCES) } else { Ok(()) };
    }
    let (mode, acl) = match (kind, acl) {
        (AclType::Access, Some(acl)) => acl.update_mode(idmap, inode)?,
        _ => (inode.mode(), acl),
    };
    let before = inode.ctime();
    let change = Change {
        permissions: Some(mode),
        ctime: Some(to_medium(inode.set_ctime_current())),
        ..Change::default()
    };
    if let Err(error) = store(inode, kind, acl, &change) {
        inode.set_ctime(before);
        return Err(error);
    }
    inode.set_mode(mode);
    inode.set_cached_acl(kind, acl);
    Ok(())
}

/// Makes a list and a change of the inode durable in one transaction.
pub(crate) fn store(
    inode: Locked<'_, Rdaxfs>,
    kind: AclType,
    acl: Option<&PosixAcl>,
    change: &Change,
) -> Result {
    let name = name_of(kind)?;
    let value = acl.map(PosixAcl::to_xattr).transpose()?;
    match xattr::set(inode, name, value.as_deref(), SetMode::Any, change) {
        // There was no list to remove.
        Err(ENODATA) => crate::attr::store_change(&inode, change),
        stored => stored,
    }
}
