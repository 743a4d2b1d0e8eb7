// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists.
//!
//! The VFS keeps those of an inode in memory and asks the file system for them once
//! ([`Operations::get_inode_acl`](super::attr::Operations::get_inode_acl)).
//!
//! C headers: [`include/linux/posix_acl.h`](srctree/include/linux/posix_acl.h),
//! [`include/linux/posix_acl_xattr.h`](srctree/include/linux/posix_acl_xattr.h)

use super::{
    file_system::FileSystem,
    inode::{Inode, Locked},
    mnt_idmapping::MntIdmap,
};
use crate::compat::code::EOPNOTSUPP;
use core::{
    ptr::{self, NonNull},
    slice,
};
use kernel::{
    error::{from_err_ptr, to_result},
    ffi::c_int,
    prelude::*,
};
use kernel_bindings as bindings;

/// Which of an inode's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclType {
    /// Who may access it.
    Access,
    /// Of a directory: what new files in it begin with.
    Default,
}

impl AclType {
    /// What C calls it; `None` for a number that it has not.
    pub(super) fn from_raw(raw: c_int) -> Option<Self> {
        match raw as u32 {
            bindings::ACL_TYPE_ACCESS => Some(Self::Access),
            bindings::ACL_TYPE_DEFAULT => Some(Self::Default),
            _ => None,
        }
    }

    fn to_raw(self) -> c_int {
        match self {
            Self::Access => bindings::ACL_TYPE_ACCESS as c_int,
            Self::Default => bindings::ACL_TYPE_DEFAULT as c_int,
        }
    }
}

/// A list. It does not change.
///
/// # Invariants
///
/// `raw` is valid, with a reference that is ours.
pub struct PosixAcl {
    raw: NonNull<bindings::posix_acl>,
}

// SAFETY: It does not change, and the reference count is atomic.
unsafe impl Send for PosixAcl {}
// SAFETY: As above.
unsafe impl Sync for PosixAcl {}

impl PosixAcl {
    /// # Safety
    ///
    /// `raw` must be null or a valid list with a reference to give away.
    unsafe fn from_raw(raw: *mut bindings::posix_acl) -> Option<Self> {
        // INVARIANT: As the caller promises.
        NonNull::new(raw).map(|raw| Self { raw })
    }

    /// Another reference to a list that somebody else has.
    ///
    /// # Safety
    ///
    /// `raw` must be null or a valid list.
    pub(super) unsafe fn get(raw: *mut bindings::posix_acl) -> Option<Self> {
        // SAFETY: As the caller promises; the call takes null as well and takes a reference.
        unsafe { Self::from_raw(bindings::posix_acl_dup(raw)) }
    }

    /// The list with its reference, for C; null for none.
    pub(super) fn into_raw(this: Option<Self>) -> *mut bindings::posix_acl {
        this.map_or(ptr::null_mut(), |acl| {
            core::mem::ManuallyDrop::new(acl).raw.as_ptr()
        })
    }

    /// Reads a list from the value of its attribute, in which owners are numbers of the first user
    /// namespace; `None` if it is an empty one.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `EOPNOTSUPP` if it is no such value; `ENOMEM`.
    pub fn from_xattr(value: &[u8]) -> Result<Option<Self>> {
        // SAFETY: The value is valid for as many bytes. The first user namespace always is.
        let acl = from_err_ptr(unsafe {
            bindings::posix_acl_from_xattr(
                &raw mut bindings::init_user_ns,
                value.as_ptr().cast(),
                value.len(),
            )
        })?;
        // SAFETY: The list is new.
        Ok(unsafe { Self::from_raw(acl) })
    }

    /// The value of the list's attribute, as [`from_xattr`](Self::from_xattr) takes it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn to_xattr(&self) -> Result<XattrValue> {
        let mut len = 0;
        // SAFETY: By the type invariant the list is valid. The first user namespace always is.
        let bytes = unsafe {
            bindings::posix_acl_to_xattr(
                &raw mut bindings::init_user_ns,
                self.raw.as_ptr(),
                &mut len,
                bindings::GFP_NOFS,
            )
        };
        // INVARIANT: The bytes are new.
        let bytes = NonNull::new(bytes.cast::<u8>()).ok_or(ENOMEM)?;
        Ok(XattrValue { bytes, len })
    }

    /// What permissions an inode has for which this list is set: the mode, and the list if it says
    /// more than that.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the list makes no sense.
    pub fn update_mode<T: FileSystem>(
        &self,
        idmap: &MntIdmap,
        inode: Locked<'_, T>,
    ) -> Result<(u16, Option<&Self>)> {
        let mut mode = 0;
        let mut acl = self.raw.as_ptr();
        // SAFETY: All are valid; the inode is locked.
        to_result(unsafe {
            bindings::posix_acl_update_mode(idmap.as_ptr(), inode.as_ptr(), &mut mode, &mut acl)
        })?;
        Ok((mode, (!acl.is_null()).then_some(self)))
    }

    /// The access list of an inode as chmod(2) to `mode` changes it; `None` if it has none.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// Those of reading the list; `ENOMEM`.
    pub fn chmod<T: FileSystem>(inode: Locked<'_, T>, mode: u16) -> Result<Option<Self>> {
        // SAFETY: The inode is valid. A list comes with a reference.
        let acl = unsafe { bindings::get_inode_acl(inode.as_ptr(), AclType::Access.to_raw()) };
        let mut acl = match from_err_ptr(acl) {
            Err(EOPNOTSUPP) => return Ok(None),
            acl => acl?,
        };
        if acl.is_null() {
            return Ok(None);
        }
        // SAFETY: The list is valid. The call gives its reference back and puts another list there,
        // or null if it fails.
        to_result(unsafe { bindings::__posix_acl_chmod(&mut acl, bindings::GFP_KERNEL, mode) })?;
        // SAFETY: As above.
        Ok(unsafe { Self::from_raw(acl) })
    }

    /// The lists of an inode that is made in a directory, and its mode, from which the caller's
    /// umask is taken where the directory has no default list.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// Those of reading the directory's list; `ENOMEM`.
    pub fn inherit<T: FileSystem>(directory: &Inode<T>, mode: u16) -> Result<Inherited> {
        let mut mode = mode;
        let (mut default, mut access) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: The directory is valid. The lists come with references.
        to_result(unsafe {
            bindings::posix_acl_create(directory.as_ptr(), &mut mode, &mut default, &mut access)
        })?;
        // SAFETY: As above.
        let (access, default) = unsafe { (Self::from_raw(access), Self::from_raw(default)) };
        Ok(Inherited {
            mode,
            access,
            default,
        })
    }
}

impl Clone for PosixAcl {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariant the list is valid.
        unsafe { bindings::posix_acl_dup(self.raw.as_ptr()) };
        // INVARIANT: The reference was taken above.
        Self { raw: self.raw }
    }
}

impl Drop for PosixAcl {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to give back.
        unsafe { bindings::posix_acl_release(self.raw.as_ptr()) };
    }
}

/// What a new inode gets of its directory.
pub struct Inherited {
    /// Its mode.
    pub mode: u16,
    /// Its access list, if that says more than the mode.
    pub access: Option<PosixAcl>,
    /// Its default list.
    pub default: Option<PosixAcl>,
}

/// The bytes of an attribute.
///
/// # Invariants
///
/// `bytes` is an allocation of `len` bytes from `kmalloc()` that is ours.
pub struct XattrValue {
    bytes: NonNull<u8>,
    len: usize,
}

impl core::ops::Deref for XattrValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariant.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.len) }
    }
}

impl Drop for XattrValue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::kfree(self.bytes.as_ptr().cast()) };
    }
}

impl<T: FileSystem> Inode<T> {
    /// Keeps a list in memory, or that there is none.
    pub fn set_cached_acl(&self, kind: AclType, acl: Option<&PosixAcl>) {
        let raw = acl.map_or(ptr::null_mut(), |acl| acl.raw.as_ptr());
        // SAFETY: Both are valid; the call takes a reference of its own.
        unsafe { bindings::set_cached_acl(self.as_ptr(), kind.to_raw(), raw) };
    }
}
