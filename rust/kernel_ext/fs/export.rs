// SPDX-License-Identifier: GPL-2.0

//! File handles: NFS, open_by_handle_at(2), fanotify.
//!
//! A handle has the number and the generation of an inode, and those of its directory if the caller
//! wants to find the name again: 64 and 32 bits each.
//!
//! C header: [`include/linux/exportfs.h`](srctree/include/linux/exportfs.h)

use super::{
    file_system::FileSystem,
    inode::{self, Inode},
    no_operations,
    super_block::SuperBlock,
};
use crate::compat::code::ESTALE;
use core::{marker::PhantomData, ptr};
use kernel::{
    ffi::{c_int, c_uint},
    prelude::*,
    sync::aref::ARef,
};
use kernel_bindings as bindings;

/// How inodes are found by what a handle says.
pub trait Operations: 'static {
    /// The file system.
    type FileSystem: FileSystem;

    /// The inode with a number and a generation. Both are from outside and may be any.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ESTALE` if there is no such inode, or not any more.
    fn inode(
        sb: &SuperBlock<Self::FileSystem>,
        ino: u64,
        generation: u32,
    ) -> Result<ARef<Inode<Self::FileSystem>>>;

    /// The directory that a directory is in.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ESTALE` if it has been removed.
    fn parent(directory: &Inode<Self::FileSystem>) -> Result<ARef<Inode<Self::FileSystem>>>;

    /// Whether an inode without links has gone, although it is in memory. One that a task has open has not. The
    /// inode's lock is held, shared.
    fn has_gone(inode: &Inode<Self::FileSystem>) -> bool;
}

/// The operations as C has them.
pub(super) const fn operations<E: Operations>() -> &'static bindings::export_operations {
    &Table::<E>::OPS
}

/// The words of a handle without its directory, and with it.
const WORDS: [usize; 2] = [3, 6];

struct Table<E>(PhantomData<E>);

impl<E: Operations> Table<E> {
    const OPS: bindings::export_operations = bindings::export_operations {
        encode_fh: Some(Self::encode_fh),
        fh_to_dentry: Some(Self::fh_to_dentry),
        fh_to_parent: Some(Self::fh_to_parent),
        get_parent: Some(Self::get_parent),
        ..no_operations()
    };

    /// # Safety
    ///
    /// For the VFS, with inodes of the file system, `parent` null if the handle is to be without, and
    /// a buffer of `*len` words.
    unsafe extern "C" fn encode_fh(
        inode: *mut bindings::inode,
        handle: *mut u32,
        len: *mut c_int,
        parent: *mut bindings::inode,
    ) -> c_int {
        let wanted = WORDS[usize::from(!parent.is_null())];
        // SAFETY: As the caller promises.
        unsafe {
            let room = *len;
            *len = wanted as c_int;
            if usize::try_from(room).map_or(true, |room| room < wanted) {
                return bindings::fid_type_FILEID_INVALID as c_int;
            }
            for (at, inode) in [inode, parent].into_iter().take(wanted / 3).enumerate() {
                let inode = Inode::<E::FileSystem>::from_raw(inode);
                let ino = inode.ino();
                for (place, word) in [ino as u32, (ino >> 32) as u32, inode.generation()]
                    .into_iter()
                    .enumerate()
                {
                    *handle.add(at * 3 + place) = word;
                }
            }
        }
        if parent.is_null() {
            bindings::fid_type_FILEID_INO64_GEN as c_int
        } else {
            bindings::fid_type_FILEID_INO64_GEN_PARENT as c_int
        }
    }

    /// # Safety
    ///
    /// For the VFS, with a mounted super block and a handle of `len` words.
    unsafe extern "C" fn fh_to_dentry(
        sb: *mut bindings::super_block,
        handle: *mut bindings::fid,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: As the caller promises.
        unsafe { Self::find(sb, handle, 0, len, kind) }
    }

    /// # Safety
    ///
    /// As for [`fh_to_dentry`](Self::fh_to_dentry).
    unsafe extern "C" fn fh_to_parent(
        sb: *mut bindings::super_block,
        handle: *mut bindings::fid,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: As the caller promises.
        unsafe { Self::find(sb, handle, 1, len, kind) }
    }

    /// The first inode of a handle, or its directory; null if the handle has none.
    ///
    /// # Safety
    ///
    /// As for [`fh_to_dentry`](Self::fh_to_dentry).
    unsafe fn find(
        sb: *mut bindings::super_block,
        handle: *mut bindings::fid,
        which: usize,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        let has = match kind as c_uint {
            bindings::fid_type_FILEID_INO64_GEN => WORDS[0],
            bindings::fid_type_FILEID_INO64_GEN_PARENT => WORDS[1],
            _ => return ptr::null_mut(),
        };
        let end = (which + 1) * 3;
        if end > has || usize::try_from(len).map_or(true, |len| len < end) {
            return ptr::null_mut();
        }
        // SAFETY: As the caller promises the handle has so many words.
        let words = unsafe {
            handle
                .cast::<u32>()
                .add(which * 3)
                .cast::<[u32; 3]>()
                .read()
        };
        let [low, high, generation] = words;
        let ino = u64::from(high) << 32 | u64::from(low);
        // SAFETY: As the caller promises.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        match E::inode(sb, ino, generation) {
            Ok(inode) => Self::obtain_linked(inode),
            Err(error) => error.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// For the VFS, with the dentry of a directory.
    unsafe extern "C" fn get_parent(child: *mut bindings::dentry) -> *mut bindings::dentry {
        // SAFETY: As the caller promises. The child may be locked, so that its parent must not be.
        match E::parent(unsafe { Inode::from_raw((*child).d_inode) }) {
            Ok(inode) => Self::obtain(inode),
            Err(error) => error.to_ptr(),
        }
    }

    /// As [`obtain`](Self::obtain), unless the inode has gone with its last name.
    ///
    /// A file system may free an inode with its last name if the dentry that is removed is the only one
    /// ([`Child::unhash_if_unused`](super::dentry::Child::unhash_if_unused)). It holds the inode's lock then: there
    /// is another dentry before it looks, or the name has gone here.
    fn obtain_linked(inode: ARef<Inode<E::FileSystem>>) -> *mut bindings::dentry {
        let locked = inode.lock_shared();
        if locked.links() == 0 && E::has_gone(&inode) {
            return ESTALE.to_ptr();
        }
        Self::obtain(inode.clone())
    }

    /// A dentry for an inode that is found without its name.
    fn obtain(inode: ARef<Inode<E::FileSystem>>) -> *mut bindings::dentry {
        let inode = inode::into_raw(inode);
        // SAFETY: The inode is valid, and its reference goes to the call in any case.
        unsafe { bindings::d_obtain_alias(inode) }
    }
}
