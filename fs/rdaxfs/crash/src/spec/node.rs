// SPDX-License-Identifier: GPL-2.0

//! Inodes of the model.

use std::collections::BTreeMap;

use super::Content;

/// An inode of a [`Tree`](super::Tree), never used twice.
pub type NodeId = u64;

/// Points in time, in any unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Last access.
    pub accessed: u64,
    /// Last change of the contents.
    pub modified: u64,
    /// Last change of the inode.
    pub changed: u64,
    /// When it was made.
    pub born: u64,
}

/// What all kinds of inodes have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Permissions, without the type.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The project.
    pub project: u32,
    /// `FS_*_FL`.
    pub flags: u32,
    /// The number of links, as `st_nlink`.
    pub links: u64,
    /// The size of a file; 0 of anything else.
    pub size: u64,
    /// Times.
    pub times: Times,
    /// Extended attributes, with the prefix of their name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an inode is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File(Content),
    /// A directory.
    Directory(BTreeMap<Vec<u8>, NodeId>),
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device with its number.
    CharDevice(u64),
    /// A block device with its number.
    BlockDevice(u64),
}

/// An inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The rest.
    pub attributes: Attributes,
}

impl Node {
    pub(super) fn new(kind: Kind, mode: u16, now: u64) -> Self {
        let links = if matches!(kind, Kind::Directory(_)) {
            2
        } else {
            1
        };
        let times = Times {
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        };
        let attributes = Attributes {
            mode,
            uid: 0,
            gid: 0,
            project: 0,
            flags: 0,
            links,
            size: 0,
            times,
            xattrs: BTreeMap::new(),
        };
        Self { kind, attributes }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// The contents changed.
    pub(super) fn modify(&mut self, now: u64) {
        self.attributes.times.modified = now;
        self.attributes.times.changed = now;
    }
}
