// SPDX-License-Identifier: GPL-2.0

//! Names in memory.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{
    file_system::FileSystem,
    inode::{self, InitialisedInode, Inode, Locked},
    super_block::SuperBlock,
};
use core::{marker::PhantomData, mem, ops::Deref, ptr, slice};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    types::{NotThreadSafe, Opaque},
};
use kernel_bindings as bindings;

/// A name in memory.
///
/// # Invariants
///
/// It is on a super block of the type `T`, and valid while there is a reference to this.
#[repr(transparent)]
pub struct Dentry<T: FileSystem>(Opaque<bindings::dentry>, PhantomData<T>);

// SAFETY: What may be called on a shared reference may be called from any thread.
unsafe impl<T: FileSystem> Sync for Dentry<T> {}
// SAFETY: The reference count is atomic, and the last reference may go on any thread.
unsafe impl<T: FileSystem> Send for Dentry<T> {}

// SAFETY: The count is that of the dentry.
unsafe impl<T: FileSystem> AlwaysRefCounted for Dentry<T> {
    fn inc_ref(&self) {
        // SAFETY: A reference to this means that there is one in the count.
        unsafe { bindings::dget(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: ptr::NonNull<Self>) {
        // SAFETY: The caller has a reference to give.
        unsafe { bindings::dput(obj.as_ptr().cast()) };
    }
}

impl<T: FileSystem> Dentry<T> {
    /// # Safety
    ///
    /// `dentry` must be what the invariants say, for `'a`.
    pub(crate) unsafe fn from_raw<'a>(dentry: *mut bindings::dentry) -> &'a Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*dentry.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// The volume.
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: By the type invariant it is of that type, and it outlives its dentries.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).d_sb) }
    }
}

/// A dentry whose parent's `i_rwsem` this task holds: its name and its inode stay.
///
/// # Invariants
///
/// As it says, for `'a`.
pub struct Child<'a, T: FileSystem> {
    dentry: &'a Dentry<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> Clone for Child<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for Child<'_, T> {}

impl<T: FileSystem> Deref for Child<'_, T> {
    type Target = Dentry<T>;

    fn deref(&self) -> &Dentry<T> {
        self.dentry
    }
}

impl<'a, T: FileSystem> Child<'a, T> {
    /// # Safety
    ///
    /// `dentry` must be valid, and this task hold its parent's `i_rwsem`, for `'a`.
    pub(super) unsafe fn from_raw(dentry: *mut bindings::dentry) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            // SAFETY: As the caller promises.
            dentry: unsafe { Dentry::from_raw(dentry) },
            _task: NotThreadSafe,
        }
    }

    /// The name.
    pub fn name(&self) -> &'a [u8] {
        // SAFETY: By the type invariant the name does not change; it has as many bytes as it says.
        unsafe {
            let name = (*self.dentry.as_ptr()).__bindgen_anon_1.d_name;
            slice::from_raw_parts(
                name.name,
                name.__bindgen_anon_1.__bindgen_anon_1.len as usize,
            )
        }
    }

    /// The name as C has it.
    pub(super) fn qstr(&self) -> *const bindings::qstr {
        // SAFETY: By the type invariant the dentry is valid.
        unsafe { (&raw const (*self.dentry.as_ptr()).__bindgen_anon_1).cast() }
    }

    /// The inode that has the name; `None` if none has.
    pub fn inode(&self) -> Option<&'a Inode<T>> {
        // SAFETY: By the type invariant it does not change, and the dentry has a reference to it. An inode that
        // a dentry shows has its data.
        unsafe {
            let inode = (*self.dentry.as_ptr()).d_inode;
            (!inode.is_null()).then(|| Inode::from_raw(inode))
        }
    }

    /// Takes the name out of the cache, if nobody else uses the inode that has it, or can come to use it by a name:
    /// this is the inode's only dentry, and it has no more than `references`, which are the VFS's for this call.
    ///
    /// A file system whose last name this is can free the inode before the VFS lets go of it, if it sees to it that
    /// nobody comes by a number: [`export`](super::export) looks for names under the inode's lock, which the caller
    /// has.
    pub fn unhash_if_unused(&self, inode: Locked<'a, T>, references: u32) -> Option<Unused<'a, T>> {
        let (dentry, inode) = (self.dentry.as_ptr(), inode.as_ptr());
        // SAFETY: Both are valid by the type invariants. `i_lock` guards the list of aliases, `d_lock` the count and
        // whether the dentry is hashed, and is taken below `i_lock`, as d_delete() does. A look-up without locks
        // that has found the dentry takes its reference under `d_lock`, or fails then.
        let is_unused = unsafe {
            bindings::lock_i_lock(inode);
            bindings::lock_d_lock(dentry);
            let is_unused = bindings::d_is_only_alias(dentry, inode)
                && bindings::d_count(dentry) <= references
                && !bindings::d_unhashed(dentry);
            if is_unused {
                bindings::__d_drop(dentry);
            }
            bindings::unlock_d_lock(dentry);
            bindings::unlock_i_lock(inode);
            is_unused
        };
        // INVARIANT: Unhashed just now; the parent's lock keeps others from hashing the name.
        is_unused.then(|| Unused(*self))
    }

    /// Gives the name to a new inode, for which nobody waits any more then.
    pub fn instantiate_new(&self, inode: InitialisedInode<T>) {
        // SAFETY: By the type invariants the dentry is ours to give an inode, which is new and hashed. The
        // reference goes to the dentry.
        unsafe { bindings::d_instantiate_new(self.dentry.as_ptr(), inode.into_raw().as_ptr()) };
    }

    /// Gives the name to an inode that has others.
    pub fn instantiate(&self, inode: ARef<Inode<T>>) {
        // SAFETY: As above; the reference goes to the dentry.
        unsafe { bindings::d_instantiate(self.dentry.as_ptr(), inode::into_raw(inode)) };
    }
}

/// A name that nobody finds, of an inode that nobody else uses. When this is dropped, it can be found again.
///
/// # Invariants
///
/// As for [`Child`]; this task has unhashed the dentry.
#[must_use = "the name can be found again when this is dropped"]
pub struct Unused<'a, T: FileSystem>(Child<'a, T>);

impl<T: FileSystem> Unused<'_, T> {
    /// The name has been removed: it stays unhashed.
    pub fn forget(self) {
        mem::forget(self);
    }
}

impl<T: FileSystem> Drop for Unused<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the dentry is valid and unhashed, and no other one can have been hashed for
        // the name meanwhile, because the parent's lock is held.
        unsafe { bindings::d_rehash(self.0.dentry.as_ptr()) };
    }
}

/// A name that is being looked up.
///
/// # Invariants
///
/// As for [`Child`]; the dentry is negative and not hashed.
pub struct Unhashed<'a, T: FileSystem>(Child<'a, T>);

impl<'a, T: FileSystem> Deref for Unhashed<'a, T> {
    type Target = Child<'a, T>;

    fn deref(&self) -> &Child<'a, T> {
        &self.0
    }
}

impl<'a, T: FileSystem> Unhashed<'a, T> {
    /// # Safety
    ///
    /// As for [`Child::from_raw`]; the dentry must be one that is being looked up.
    pub(super) unsafe fn from_raw(dentry: *mut bindings::dentry) -> Self {
        // SAFETY: As the caller promises.
        Self(unsafe { Child::from_raw(dentry) })
    }

    /// Ends the look-up: `inode` has the name, or none has. Returns another dentry where a directory
    /// has one already.
    ///
    /// # Errors
    ///
    /// `ELOOP` in a volume where a directory is its own ancestor; `ESTALE`, `ENOMEM`.
    pub fn splice(self, inode: Option<ARef<Inode<T>>>) -> Result<Option<ARef<Dentry<T>>>> {
        let inode = inode.map_or(ptr::null_mut(), inode::into_raw);
        // SAFETY: By the type invariant the dentry is being looked up. The reference is taken in any case.
        let dentry = unsafe { bindings::d_splice_alias(inode, self.0.dentry.as_ptr()) };
        let dentry = from_err_ptr(dentry)?;
        // SAFETY: A dentry that is returned comes with a reference.
        Ok(ptr::NonNull::new(dentry).map(|dentry| unsafe { ARef::from_raw(dentry.cast()) }))
    }
}
