// SPDX-License-Identifier: GPL-2.0

//! Attributes of inodes, and changes of them.
//!
//! They are a part of the operations on inodes that inodes of all kinds share.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct iattr`)

use super::{
    dentry::Dentry,
    file_system::FileSystem,
    fileattr::FileKattr,
    inode::{Inode, Locked},
    mnt_idmapping::MntIdmap,
    namei::locked,
    no_operations,
    posix_acl::{AclType, PosixAcl},
    stat::Kstat,
    to_errno,
    xattr::List,
    Timespec,
};
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    ffi::{c_char, c_int, c_uint},
    prelude::*,
};
use kernel_bindings as bindings;

/// The operations on an inode's attributes. What a file system does not implement the VFS does in memory,
/// or refuses.
///
/// All may sleep. A [`Locked`] inode is locked by the VFS for the operation.
#[vtable]
pub trait Operations: Sized {
    /// The file system.
    type FileSystem: FileSystem;

    /// Changes attributes, after [`Iattr::prepare`].
    ///
    /// # Errors
    ///
    /// Any; nothing has changed then.
    fn setattr(
        _idmap: &MntIdmap,
        _dentry: &Dentry<Self::FileSystem>,
        _inode: Locked<'_, Self::FileSystem>,
        _attr: &mut Iattr,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// What statx(2) says, of which `request` are the bits that the caller asks for.
    ///
    /// # Errors
    ///
    /// Any.
    fn getattr(
        _idmap: &MntIdmap,
        _inode: &Inode<Self::FileSystem>,
        _request: u32,
        _stat: &mut Kstat,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Lists the names of extended attributes.
    ///
    /// # Errors
    ///
    /// Any.
    fn list_xattr(_inode: &Inode<Self::FileSystem>, _list: &mut List<'_>) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Reads an access control list, which the VFS keeps in memory then.
    ///
    /// # Errors
    ///
    /// Any.
    fn get_inode_acl(_inode: &Inode<Self::FileSystem>, _kind: AclType) -> Result<Option<PosixAcl>> {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Sets an access control list, or removes it.
    ///
    /// # Errors
    ///
    /// Any; nothing has changed then.
    fn set_acl(
        _idmap: &MntIdmap,
        _inode: Locked<'_, Self::FileSystem>,
        _acl: Option<&PosixAcl>,
        _kind: AclType,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Says which flags and project a file has.
    ///
    /// # Errors
    ///
    /// Any.
    fn fileattr_get(_inode: &Inode<Self::FileSystem>, _attr: &mut FileKattr) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Sets flags and project of a file.
    ///
    /// # Errors
    ///
    /// Any; nothing has changed then.
    fn fileattr_set(_inode: Locked<'_, Self::FileSystem>, _attr: &FileKattr) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Times of the inode are to be brought up to date, by [`UpdateTime::apply`].
    ///
    /// # Errors
    ///
    /// `EAGAIN` if that may not sleep and would; any.
    fn update_time(_inode: &Inode<Self::FileSystem>, _update: UpdateTime<'_>) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Times that are newer in memory than on the volume (`lazytime`) are to be made durable.
    fn sync_lazytime(_inode: &Inode<Self::FileSystem>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// Times that are to be brought up to date.
pub struct UpdateTime<'a> {
    inode: *mut bindings::inode,
    kind: bindings::fs_update_time,
    flags: c_uint,
    _inode: PhantomData<&'a ()>,
}

/// What an update of times has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimesUpdated {
    /// Nothing.
    Nothing,
    /// Times in memory, where they may stay for a while (`lazytime`).
    Lazily,
    /// Times that have to become durable.
    Changed,
}

impl UpdateTime<'_> {
    /// Whether it must not sleep (`RWF_NOWAIT`).
    pub fn is_nowait(&self) -> bool {
        self.flags & bindings::IOCB_NOWAIT != 0
    }

    /// Sets the times in memory, and has the VFS remember those that may stay there.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if it must not sleep and would.
    pub fn apply(self) -> Result<TimesUpdated> {
        // SAFETY: The inode is valid for the call that this is about.
        let dirty = unsafe { bindings::inode_update_time(self.inode, self.kind, self.flags) };
        match dirty {
            ..0 => Err(Error::from_errno(dirty)),
            0 => Ok(TimesUpdated::Nothing),
            _ if dirty as u32 == bindings::inode_state_flags_enum_I_DIRTY_TIME => {
                // SAFETY: As above.
                unsafe { bindings::__mark_inode_dirty(self.inode, dirty) };
                Ok(TimesUpdated::Lazily)
            }
            _ => Ok(TimesUpdated::Changed),
        }
    }
}

/// What a call changes of an inode: chmod(2), chown(2), utimensat(2), truncate(2), and what the VFS
/// adds to it.
///
/// # Invariants
///
/// It is valid, and this task's alone.
#[repr(transparent)]
pub struct Iattr(bindings::iattr);

impl Iattr {
    /// # Safety
    ///
    /// `raw` must be valid and the caller's alone for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::iattr) -> &'a mut Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &mut *raw.cast() }
    }

    fn has(&self, what: u32) -> bool {
        self.0.ia_valid & what != 0
    }

    /// Whether the caller may do this. It may take the set-group-ID bit out of the mode.
    ///
    /// # Errors
    ///
    /// `EPERM`; for the size also `EFBIG`, `ETXTBSY`, `EINVAL`.
    pub fn prepare<T: FileSystem>(&mut self, idmap: &MntIdmap, dentry: &Dentry<T>) -> Result {
        // SAFETY: All are valid; the VFS has locked the inode.
        to_result(unsafe {
            bindings::setattr_prepare(idmap.as_ptr(), dentry.as_ptr(), &mut self.0)
        })
    }

    /// The new size in bytes.
    pub fn size(&self) -> Option<i64> {
        self.has(bindings::ATTR_SIZE).then_some(self.0.ia_size)
    }

    /// Whether the mode changes.
    pub fn has_mode(&self) -> bool {
        self.has(bindings::ATTR_MODE)
    }

    /// Whether the times of the contents are given by the caller, and not by the change itself.
    pub fn has_given_times(&self) -> bool {
        self.has(bindings::ATTR_MTIME_SET | bindings::ATTR_ATIME_SET)
    }

    /// Changes the inode in memory, but for its size, and returns how it was.
    pub fn copy<T: FileSystem>(&self, idmap: &MntIdmap, inode: Locked<'_, T>) -> Before {
        // SAFETY: The inode is valid and locked, which guards its owner and mode. Times may change at
        // any time, and are read as the VFS reads them.
        unsafe {
            let raw = inode.as_ptr();
            let before = Before {
                mode: (*raw).i_mode,
                uid: (*raw).i_uid,
                gid: (*raw).i_gid,
                atime: inode.atime(),
                mtime: inode.mtime(),
            };
            bindings::setattr_copy(idmap.as_ptr(), raw, &self.0);
            before
        }
    }
}

/// How an inode was before its attributes changed.
pub struct Before {
    mode: u16,
    uid: bindings::kuid_t,
    gid: bindings::kgid_t,
    atime: Timespec,
    mtime: Timespec,
}

impl Before {
    /// Has the inode in memory as it was, but for the time of its last change: what was to be done
    /// has failed.
    pub fn restore<T: FileSystem>(self, inode: Locked<'_, T>) {
        // SAFETY: The inode is valid and locked, which guards these.
        unsafe {
            let raw = inode.as_ptr();
            (*raw).i_mode = self.mode;
            (*raw).i_uid = self.uid;
            (*raw).i_gid = self.gid;
        }
        inode.set_atime(self.atime);
        inode.set_mtime(self.mtime);
    }
}

/// The part of the table of operations on inodes that is about attributes.
pub(super) struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    pub(super) const OPS: bindings::inode_operations = bindings::inode_operations {
        setattr: optional!(O::HAS_SETATTR, setattr),
        getattr: optional!(O::HAS_GETATTR, getattr),
        listxattr: optional!(O::HAS_LIST_XATTR, listxattr),
        get_inode_acl: optional!(O::HAS_GET_INODE_ACL, get_inode_acl),
        set_acl: optional!(O::HAS_SET_ACL, set_acl),
        fileattr_get: optional!(O::HAS_FILEATTR_GET, fileattr_get),
        fileattr_set: optional!(O::HAS_FILEATTR_SET, fileattr_set),
        update_time: optional!(O::HAS_UPDATE_TIME, update_time),
        sync_lazytime: optional!(O::HAS_SYNC_LAZYTIME, sync_lazytime),
        ..no_operations()
    };

    /// # Safety
    ///
    /// For the VFS, with a positive dentry whose inode is locked exclusively, and a change that is this
    /// task's.
    unsafe extern "C" fn setattr(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::setattr(
                MntIdmap::from_raw(idmap),
                Dentry::from_raw(dentry),
                locked((*dentry).d_inode),
                Iattr::from_raw(attr),
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with the path of a positive dentry, and a `kstat` that is this task's.
    unsafe extern "C" fn getattr(
        idmap: *mut bindings::mnt_idmap,
        path: *const bindings::path,
        stat: *mut bindings::kstat,
        request: u32,
        _flags: c_uint,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::getattr(
                MntIdmap::from_raw(idmap),
                Inode::from_raw((*(*path).dentry).d_inode),
                request,
                Kstat::from_raw(stat),
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with a positive dentry and a buffer of `size` bytes, or null.
    unsafe extern "C" fn listxattr(
        dentry: *mut bindings::dentry,
        buffer: *mut c_char,
        size: usize,
    ) -> isize {
        // SAFETY: As the caller promises.
        let (inode, mut list) = unsafe {
            (
                Inode::from_raw((*dentry).d_inode),
                List::from_raw(buffer, size),
            )
        };
        match O::list_xattr(inode, &mut list) {
            Ok(()) => list.len() as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// For the VFS, with an inode; in an RCU walk nothing may sleep.
    unsafe extern "C" fn get_inode_acl(
        inode: *mut bindings::inode,
        kind: c_int,
        rcu: bool,
    ) -> *mut bindings::posix_acl {
        if rcu {
            return ECHILD.to_ptr();
        }
        let Some(kind) = AclType::from_raw(kind) else {
            return EINVAL.to_ptr();
        };
        // SAFETY: As the caller promises.
        match O::get_inode_acl(unsafe { Inode::from_raw(inode) }, kind) {
            Ok(acl) => PosixAcl::into_raw(acl),
            Err(error) => error.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// For the VFS, with a positive dentry whose inode is locked exclusively, and a list or null.
    unsafe extern "C" fn set_acl(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        acl: *mut bindings::posix_acl,
        kind: c_int,
    ) -> c_int {
        let Some(kind) = AclType::from_raw(kind) else {
            return EINVAL.to_errno();
        };
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::set_acl(
                MntIdmap::from_raw(idmap),
                locked((*dentry).d_inode),
                PosixAcl::get(acl).as_ref(),
                kind,
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with a positive dentry, and attributes that are this task's.
    unsafe extern "C" fn fileattr_get(
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::fileattr_get(
                Inode::from_raw((*dentry).d_inode),
                FileKattr::from_raw(attr),
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with a positive dentry whose inode is locked exclusively, and attributes that are
    /// this task's.
    unsafe extern "C" fn fileattr_set(
        _idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe { O::fileattr_set(locked((*dentry).d_inode), FileKattr::from_raw(attr)) })
    }

    /// # Safety
    ///
    /// For the VFS, with an inode of the file system.
    unsafe extern "C" fn update_time(
        inode: *mut bindings::inode,
        kind: bindings::fs_update_time,
        flags: c_uint,
    ) -> c_int {
        let update = UpdateTime {
            inode,
            kind,
            flags,
            _inode: PhantomData,
        };
        // SAFETY: As the caller promises.
        to_errno(O::update_time(unsafe { Inode::from_raw(inode) }, update))
    }

    /// # Safety
    ///
    /// For the VFS, with an inode of the file system.
    unsafe extern "C" fn sync_lazytime(inode: *mut bindings::inode) {
        // SAFETY: As the caller promises.
        O::sync_lazytime(unsafe { Inode::from_raw(inode) });
    }
}
