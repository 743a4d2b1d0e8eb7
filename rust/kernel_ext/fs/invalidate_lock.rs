// SPDX-License-Identifier: GPL-2.0

//! The lock that keeps page faults away from an inode's pages, `invalidate_lock`.
//!
//! A fault holds it shared, so that a task that takes blocks from a file holds it exclusively: no task
//! maps a page meanwhile. It comes behind `i_rwsem` and before the locks of folios and DAX entries.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`filemap_invalidate_lock()`)

use super::{file_system::FileSystem, inode::Inode};
use core::ops::Deref;
use kernel::types::NotThreadSafe;
use kernel_bindings as bindings;

impl<T: FileSystem> Inode<T> {
    /// The pages of the inode.
    #[inline]
    pub(crate) fn mapping(&self) -> *mut bindings::address_space {
        // SAFETY: By the type invariants the inode is valid; the pointer does not change.
        unsafe { (*self.as_ptr()).i_mapping }
    }

    /// Locks the pages exclusively: no fault maps one. May sleep.
    pub fn lock_pages(&self) -> InvalidateGuard<'_, T> {
        // SAFETY: The mapping of a valid inode is valid.
        unsafe { bindings::filemap_invalidate_lock(self.mapping()) };
        // INVARIANT: Locked just now.
        InvalidateGuard {
            inode: self,
            _task: NotThreadSafe,
        }
    }

    /// Locks the pages shared with other faults. May sleep.
    #[inline]
    pub fn lock_pages_shared(&self) -> SharedInvalidateGuard<'_, T> {
        // SAFETY: The mapping of a valid inode is valid.
        unsafe { bindings::filemap_invalidate_lock_shared(self.mapping()) };
        // INVARIANT: Locked just now.
        SharedInvalidateGuard {
            inode: self,
            _task: NotThreadSafe,
        }
    }
}

/// An inode whose pages no fault maps, until this is dropped.
///
/// # Invariants
///
/// This task holds the `invalidate_lock` of the inode's mapping exclusively, and it is the guard that
/// lets it go.
#[must_use = "faults go on when this is dropped"]
pub struct InvalidateGuard<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> InvalidateGuard<'_, T> {
    /// Whether the mapping has neither pages nor DAX entries: nothing of the file is mapped or
    /// pinned, and while the guard exists no fault changes that.
    pub fn is_empty(&self) -> bool {
        // SAFETY: The mapping of a valid inode is valid.
        unsafe { bindings::mapping_empty(self.inode.mapping()) }
    }
}

impl<T: FileSystem> Deref for InvalidateGuard<'_, T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

impl<T: FileSystem> Drop for InvalidateGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this task holds the lock.
        unsafe { bindings::filemap_invalidate_unlock(self.inode.mapping()) };
    }
}

/// An inode whose pages stay where they are, until this is dropped.
///
/// # Invariants
///
/// This task holds the `invalidate_lock` of the inode's mapping shared, and it is the guard that
/// lets it go.
#[must_use = "the pages may go when this is dropped"]
pub struct SharedInvalidateGuard<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> SharedInvalidateGuard<'_, T> {
    /// The inode.
    #[inline]
    pub fn inode(&self) -> &Inode<T> {
        self.inode
    }
}

impl<T: FileSystem> Drop for SharedInvalidateGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant this task holds the lock.
        unsafe { bindings::filemap_invalidate_unlock_shared(self.inode.mapping()) };
    }
}
