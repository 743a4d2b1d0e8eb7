// SPDX-License-Identifier: GPL-2.0

//! The times of inodes that an operation changes.

use kernel_ext::fs::{Inode, Timespec};

use crate::super_block::Rdaxfs;

/// The ctimes of inodes that an operation changes: they go back to what they were if it fails.
pub(crate) struct Changing<'i, const N: usize> {
    before: [(&'i Inode<Rdaxfs>, Timespec); N],
    pub(crate) now: Timespec,
    is_committed: bool,
}

impl<'i, const N: usize> Changing<'i, N> {
    /// Takes a time for all of them that is later than any that somebody has seen of them.
    pub(crate) fn new(inodes: &[&'i Inode<Rdaxfs>; N]) -> Self {
        let before = inodes.map(|inode| (inode, inode.ctime()));
        let now = inodes
            .map(|inode| inode.set_ctime_current())
            .into_iter()
            .max()
            .unwrap_or_default();
        Self {
            before,
            now,
            is_committed: false,
        }
    }

    /// The operation has happened.
    pub(crate) fn commit(mut self) -> Timespec {
        for (inode, _) in &self.before {
            inode.set_ctime(self.now);
        }
        self.is_committed = true;
        self.now
    }
}

impl<const N: usize> Drop for Changing<'_, N> {
    fn drop(&mut self) {
        if !self.is_committed {
            for (inode, before) in &self.before {
                inode.set_ctime(*before);
            }
        }
    }
}
