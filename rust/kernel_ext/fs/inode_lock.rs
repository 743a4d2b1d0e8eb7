// SPDX-License-Identifier: GPL-2.0

//! The lock of an inode, `i_rwsem`, taken by a file system itself.
//!
//! The VFS holds it for the operations on names and attributes; reads and writes of files take it
//! themselves. It comes before the [lock of the inode's pages](super::invalidate_lock).
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`inode_lock()`)

use super::{
    file_system::FileSystem,
    inode::{Inode, Locked},
};
use core::ops::Deref;
use kernel::{prelude::*, types::NotThreadSafe};
use kernel_bindings as bindings;

impl<T: FileSystem> Inode<T> {
    /// Locks the inode exclusively. May sleep.
    #[inline]
    pub fn lock(&self) -> InodeGuard<'_, T> {
        // SAFETY: By the type invariants the inode is valid.
        unsafe { bindings::inode_lock(self.as_ptr()) };
        // INVARIANT: Locked just now.
        InodeGuard {
            // SAFETY: It stays locked while the guard exists, which is not sent to another task.
            inode: unsafe { Locked::new(self) },
        }
    }

    /// Locks the inode exclusively if that needs no wait.
    #[inline]
    pub fn try_lock(&self) -> Option<InodeGuard<'_, T>> {
        // SAFETY: By the type invariants the inode is valid.
        let locked = unsafe { bindings::inode_trylock(self.as_ptr()) } != 0;
        // INVARIANT: Locked just now.
        locked.then(|| InodeGuard {
            // SAFETY: As in `lock`.
            inode: unsafe { Locked::new(self) },
        })
    }

    /// Locks the inode shared with others. May sleep.
    #[inline]
    pub fn lock_shared(&self) -> SharedInodeGuard<'_, T> {
        // SAFETY: By the type invariants the inode is valid.
        unsafe { bindings::inode_lock_shared(self.as_ptr()) };
        // INVARIANT: Locked just now.
        SharedInodeGuard {
            inode: self,
            _task: NotThreadSafe,
        }
    }

    /// Locks the inode shared with others if that needs no wait.
    #[inline]
    pub fn try_lock_shared(&self) -> Option<SharedInodeGuard<'_, T>> {
        // SAFETY: By the type invariants the inode is valid.
        let locked = unsafe { bindings::inode_trylock_shared(self.as_ptr()) } != 0;
        // INVARIANT: Locked just now.
        locked.then(|| SharedInodeGuard {
            inode: self,
            _task: NotThreadSafe,
        })
    }

    /// Locks the inode exclusively, for an operation that may not have to wait (`RWF_NOWAIT`).
    ///
    /// # Errors
    ///
    /// `EAGAIN` if it may not wait and would have to.
    #[inline]
    pub fn lock_unless(&self, nowait: bool) -> Result<InodeGuard<'_, T>> {
        if nowait {
            self.try_lock().ok_or(EAGAIN)
        } else {
            Ok(self.lock())
        }
    }

    /// As [`lock_unless`](Self::lock_unless), shared with others.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if it may not wait and would have to.
    #[inline]
    pub fn lock_shared_unless(&self, nowait: bool) -> Result<SharedInodeGuard<'_, T>> {
        if nowait {
            self.try_lock_shared().ok_or(EAGAIN)
        } else {
            Ok(self.lock_shared())
        }
    }
}

/// An inode that is locked exclusively, until this is dropped.
///
/// # Invariants
///
/// This task holds the inode's `i_rwsem` exclusively, and it is the guard that lets it go.
#[must_use = "the inode is unlocked when this is dropped"]
pub struct InodeGuard<'a, T: FileSystem> {
    inode: Locked<'a, T>,
}

impl<'a, T: FileSystem> InodeGuard<'a, T> {
    /// What the lock allows, while this exists.
    #[inline]
    pub fn locked(&self) -> Locked<'_, T> {
        // SAFETY: By the type invariant the inode is locked for as long as the guard is borrowed.
        unsafe { Locked::new(self.inode.inode()) }
    }
}

impl<'a, T: FileSystem> Deref for InodeGuard<'a, T> {
    type Target = Inode<T>;

    #[inline]
    fn deref(&self) -> &Inode<T> {
        &self.inode
    }
}

impl<T: FileSystem> Drop for InodeGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant this task holds the lock.
        unsafe { bindings::inode_unlock(self.inode.as_ptr()) };
    }
}

/// An inode that is locked shared with others, until this is dropped.
///
/// # Invariants
///
/// This task holds the inode's `i_rwsem` shared, and it is the guard that lets it go.
#[must_use = "the inode is unlocked when this is dropped"]
pub struct SharedInodeGuard<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> Deref for SharedInodeGuard<'_, T> {
    type Target = Inode<T>;

    #[inline]
    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

impl<T: FileSystem> Drop for SharedInodeGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant this task holds the lock.
        unsafe { bindings::inode_unlock_shared(self.inode.as_ptr()) };
    }
}
