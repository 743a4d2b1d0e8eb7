// SPDX-License-Identifier: GPL-2.0

//! What security modules want new inodes to have.
//!
//! C header: [`include/linux/security.h`](srctree/include/linux/security.h)

use super::{
    dentry::Child,
    file_system::FileSystem,
    inode::{Inode, NewInode},
};
use core::{ptr, slice};
use kernel::{
    error::to_result,
    ffi::{c_int, c_void},
    prelude::*,
    str::CStr,
};
use kernel_bindings as bindings;

/// An attribute of a new inode: what follows `security.` of its name, and the value.
pub struct Label {
    name: KVec<u8>,
    value: KVec<u8>,
}

impl Label {
    /// What follows `security.` of the name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// The attributes that security modules want an inode to have that is made in `directory`, with the
/// name that `dentry` has if it has one. The owner of the inode is known
/// ([`NewInode::init_owner`]).
///
/// May sleep.
///
/// # Errors
///
/// Those of the modules; `ENOMEM`.
pub fn init_security<T: FileSystem>(
    inode: &mut NewInode<T>,
    directory: &Inode<T>,
    dentry: Option<&Child<'_, T>>,
) -> Result<KVec<Label>> {
    let mut labels = KVec::new();
    let name = dentry.map_or(ptr::null(), Child::qstr);
    // SAFETY: The inode is valid and this task's, the directory is valid, the name is null or stable.
    // `collect` takes what is passed to it.
    to_result(unsafe {
        bindings::security_inode_init_security(
            inode.as_ptr(),
            directory.as_ptr(),
            name,
            Some(collect),
            (&raw mut labels).cast(),
        )
    })?;
    Ok(labels)
}

/// # Safety
///
/// For `security_inode_init_security`, with attributes up to one without a name, and a vector of
/// [`Label`]s.
unsafe extern "C" fn collect(
    _inode: *mut bindings::inode,
    mut xattr: *const bindings::xattr,
    labels: *mut c_void,
) -> c_int {
    let copy = |from: &[u8]| -> Result<KVec<u8>> {
        let mut to = KVec::with_capacity(from.len(), GFP_KERNEL)?;
        to.extend_from_slice(from, GFP_KERNEL)?;
        Ok(to)
    };
    // SAFETY: As the caller promises.
    super::to_errno((|| unsafe {
        let labels = &mut *labels.cast::<KVec<Label>>();
        while !(*xattr).name.is_null() {
            let value = (*xattr).value.cast::<u8>().cast_const();
            let label = Label {
                name: copy(CStr::from_char_ptr((*xattr).name).to_bytes())?,
                value: copy(slice::from_raw_parts(value, (*xattr).value_len))?,
            };
            labels.push(label, GFP_KERNEL)?;
            xattr = xattr.add(1);
        }
        Ok(())
    })())
}
