// SPDX-License-Identifier: GPL-2.0

//! What can be seen of a file system from outside.

use std::collections::BTreeMap;

use super::{Attributes, Content, Kind, NodeId, Tree};

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first path, in order, of the same inode: its own if there is no other before it.
    pub same_as: Vec<u8>,
    /// Everything but the contents.
    pub attributes: Attributes,
    /// What it is.
    pub view: View,
}

/// What an inode is, as far as that can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// A regular file.
    File(Content),
    /// A directory; what it holds are entries of their own.
    Directory,
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

/// All of a file system: each path with what it leads to; the root's is "".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By path, names separated by `/`.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

impl Snapshot {
    /// The snapshot of inodes as a walk meets them: path, the inode's number, and what it is.
    #[must_use]
    pub fn from_walk(walk: impl IntoIterator<Item = (Vec<u8>, u64, Attributes, View)>) -> Self {
        let mut inodes: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let sorted: BTreeMap<Vec<u8>, (u64, Attributes, View)> = walk
            .into_iter()
            .map(|(path, inode, attributes, view)| (path, (inode, attributes, view)))
            .collect();
        let entry = |(path, (inode, attributes, view)): (Vec<u8>, (u64, Attributes, View))| {
            let same_as = inodes.entry(inode).or_insert_with(|| path.clone()).clone();
            (
                path,
                Entry {
                    same_as,
                    attributes,
                    view,
                },
            )
        };
        Self {
            entries: sorted.into_iter().map(entry).collect(),
        }
    }

    /// What can be seen of the model.
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        let mut walk = Vec::new();
        collect(tree, tree.root(), Vec::new(), &mut walk);
        Self::from_walk(walk)
    }
}

fn collect(
    tree: &Tree,
    id: NodeId,
    path: Vec<u8>,
    walk: &mut Vec<(Vec<u8>, u64, Attributes, View)>,
) {
    let Some(node) = tree.node(id) else { return };
    let view = match &node.kind {
        Kind::File(content) => View::File(content.clone()),
        Kind::Directory(entries) => {
            for (name, &child) in entries {
                let mut below = path.clone();
                if !below.is_empty() {
                    below.push(b'/');
                }
                below.extend_from_slice(name);
                collect(tree, child, below, walk);
            }
            View::Directory
        }
        Kind::Symlink(target) => View::Symlink(target.clone()),
        Kind::Fifo => View::Fifo,
        Kind::Socket => View::Socket,
        Kind::CharDevice(number) => View::CharDevice(*number),
        Kind::BlockDevice(number) => View::BlockDevice(*number),
    };
    walk.push((path, id, node.attributes.clone(), view));
}
