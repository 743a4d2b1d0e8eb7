// SPDX-License-Identifier: GPL-2.0

//! What the operations on names return.

use crate::inode::{Attributes, Changed, MapState};

/// An inode that has been made.
#[derive(Debug)]
pub struct Made {
    /// What its map lock guards.
    pub map: MapState,
    /// What it says.
    pub attributes: Attributes,
    /// What has changed in its directory; its mtime and ctime are those of the new inode, if that has a
    /// name.
    pub directory: Changed,
}

/// What a name that came or went has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the directory, whose mtime and ctime have changed too.
    pub directory: Changed,
    /// In the inode, whose ctime has changed too.
    pub inode: Changed,
    /// Whether the inode has been freed: its states are of no use.
    pub freed: bool,
}

/// What a rename has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenameChanges {
    /// Whether anything has: not, if both names were the same inode's.
    pub renamed: bool,
    /// In the old name's directory, whose mtime and ctime have changed too. Within one directory all
    /// is in `to`.
    pub from: Changed,
    /// In the new name's directory, likewise.
    pub to: Changed,
    /// In the inode that had the new name. The ctime of both inodes has changed.
    pub other: Changed,
    /// Whether the inode that had the new name has been freed: its states are of no use.
    pub freed: bool,
}
