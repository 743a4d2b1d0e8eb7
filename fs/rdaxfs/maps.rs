// SPDX-License-Identifier: GPL-2.0

//! The map locks of several inodes, which are taken in the order of their numbers.

use kernel_ext::{
    fs::Inode,
    sync::rwsem::{Subclass, WriteGuard},
};
use rdaxfs_core::inode::MapState;

use crate::super_block::Rdaxfs;

/// The map locks of up to `N` inodes, which differ; at most four.
pub(crate) struct Maps<'i, const N: usize> {
    guards: [Option<WriteGuard<'i, MapState>>; N],
}

impl<'i, const N: usize> Maps<'i, N> {
    /// Locks them for writing. May sleep.
    pub(crate) fn lock(inodes: [Option<&'i Inode<Rdaxfs>>; N]) -> Self {
        const { assert!(N <= Subclass::ALL.len()) };
        let mut guards = [const { None }; N];
        let mut last = None;
        for subclass in Subclass::ALL {
            // The one with the next number.
            let next = inodes
                .iter()
                .zip(&mut guards)
                .filter_map(|(inode, guard)| Some(((*inode)?, guard)))
                .filter(|(inode, _)| Some(inode.ino()) > last)
                .min_by_key(|(inode, _)| inode.ino());
            let Some((inode, guard)) = next else {
                break;
            };
            last = Some(inode.ino());
            *guard = Some(inode.data().map.write_nested(subclass));
        }
        Self { guards }
    }

    /// What they guard, in the order in which the inodes were given.
    pub(crate) fn states(&mut self) -> [Option<&mut MapState>; N] {
        self.guards.each_mut().map(|guard| guard.as_deref_mut())
    }
}
