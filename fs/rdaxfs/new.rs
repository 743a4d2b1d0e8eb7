// SPDX-License-Identifier: GPL-2.0

//! What a new inode is made as: its owner, and what it has of its directory.

use kernel::prelude::*;
use kernel_ext::fs::{
    dentry::Child,
    inode::{InitialisedInode, NewInode, Owner},
    posix_acl::{AclType, Inherited, PosixAcl, XattrValue},
    security::{init_security, Label},
    Inode, MntIdmap,
};
use rdaxfs_core::{
    format::{XattrSpace, S_IFDIR, S_IFMT, S_IFREG},
    name::NewInode as CoreNewInode,
    xattr::{NewXattr, XattrName},
};

use crate::{
    acl,
    error::errno,
    flags::{inherited, FS_PROJINHERIT_FL},
    super_block::Rdaxfs,
};

/// What a new inode is made as. Its attributes are written in the transaction that makes it.
pub(crate) struct Template {
    owner: Owner,
    device: (u32, u32),
    flags: u32,
    project: u32,
    labels: KVec<Label>,
    acls: Inherited,
    values: [(AclType, Option<XattrValue>); 2],
}

impl Template {
    /// For an inode that is made in `directory`, with the name that `dentry` has, if it gets one.
    ///
    /// May sleep. No lock of the core is held.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; those of reading the directory's list, and of security modules.
    pub(crate) fn new(
        new: &mut NewInode<Rdaxfs>,
        idmap: &MntIdmap,
        directory: &Inode<Rdaxfs>,
        dentry: Option<&Child<'_, Rdaxfs>>,
        mode: u16,
        device: (u32, u32),
    ) -> Result<Self> {
        let acls = PosixAcl::inherit(directory, mode)?;
        let owner = new.init_owner(idmap, directory, acls.mode);
        let labels = init_security(new, directory, dentry)?;
        let value = |acl: &Option<PosixAcl>| acl.as_ref().map(PosixAcl::to_xattr).transpose();
        let values = [
            (AclType::Access, value(&acls.access)?),
            (AclType::Default, value(&acls.default)?),
        ];
        let of_directory = directory.data().flags();
        let kind = mode & S_IFMT;
        Ok(Self {
            owner,
            device,
            flags: inherited(of_directory, kind == S_IFDIR, kind == S_IFREG),
            project: if of_directory & FS_PROJINHERIT_FL != 0 {
                directory.data().project_id()
            } else {
                0
            },
            labels,
            acls,
            values,
        })
    }

    /// The attributes that it has from the start.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ERANGE` for the name of a label that is too long.
    pub(crate) fn xattrs(&self) -> Result<KVec<NewXattr<'_>>> {
        let mut xattrs = KVec::new();
        for label in &self.labels {
            let name = XattrName::new(XattrSpace::Security, label.name()).map_err(errno)?;
            let value = label.value();
            xattrs.push(NewXattr { name, value }, GFP_KERNEL)?;
        }
        for (kind, value) in &self.values {
            if let Some(value) = value {
                let name = acl::name_of(*kind)?;
                xattrs.push(NewXattr { name, value }, GFP_KERNEL)?;
            }
        }
        Ok(xattrs)
    }

    /// What the core makes it as.
    pub(crate) fn to_core<'a>(&self, xattrs: &'a [NewXattr<'a>]) -> CoreNewInode<'a> {
        let (major, minor) = self.device;
        CoreNewInode {
            mode: self.owner.mode,
            uid: self.owner.uid,
            gid: self.owner.gid,
            project: self.project,
            flags: self.flags,
            device: u64::from(major) << 32 | u64::from(minor),
            xattrs,
        }
    }

    /// Has the VFS know the lists that the inode was made with.
    pub(crate) fn cache_acls(&self, inode: &InitialisedInode<Rdaxfs>) {
        let inode = inode.inode();
        inode.set_cached_acl(AclType::Access, self.acls.access.as_ref());
        inode.set_cached_acl(AclType::Default, self.acls.default.as_ref());
    }
}
