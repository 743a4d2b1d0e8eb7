// SPDX-License-Identifier: GPL-2.0

//! Operations that change directories.

use std::collections::BTreeMap;

use super::{Errno, Kind, Node, NodeId, Result, Tree, ROOT};
use crate::spec::RenameMode;

/// A name in a directory.
struct Place {
    directory: NodeId,
    name: Vec<u8>,
}

impl Tree {
    /// The inode of a path.
    ///
    /// # Errors
    ///
    /// [`Errno::ENOENT`] and [`Errno::ENOTDIR`].
    pub fn find(&self, path: &str) -> Result<NodeId> {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(ROOT, |directory, name| {
            self.directory(directory)?
                .get(name.as_bytes())
                .copied()
                .ok_or(Errno::ENOENT)
        })
    }

    pub(super) fn directory(&self, id: NodeId) -> Result<&BTreeMap<Vec<u8>, NodeId>> {
        match self.nodes.get(&id).map(|node| &node.kind) {
            Some(Kind::Directory(entries)) => Ok(entries),
            Some(_) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    pub(super) fn insert(&mut self, node: Node) -> NodeId {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        id
    }

    /// Splits a path that has a last name.
    fn place(&self, path: &str) -> Result<Place> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() {
            return Err(Errno::EINVAL);
        }
        let directory = self.find(directory)?;
        self.directory(directory)?;
        Ok(Place {
            directory,
            name: name.as_bytes().to_vec(),
        })
    }

    fn at(&self, place: &Place) -> Option<NodeId> {
        self.directory(place.directory)
            .ok()?
            .get(&place.name)
            .copied()
    }

    fn node_at(&mut self, id: NodeId) -> Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or(Errno::ENOENT)
    }

    /// Gives a name to an inode, or takes it away; the directory's times and links follow.
    fn set(&mut self, place: &Place, id: Option<NodeId>, now: u64) -> Result {
        let is_directory = |tree: &Self, id: Option<NodeId>| {
            id.and_then(|id| tree.nodes.get(&id))
                .is_some_and(Node::is_directory)
        };
        let gained = is_directory(self, id);
        let lost = is_directory(self, self.at(place));
        let parent = self.node_at(place.directory)?;
        let Kind::Directory(entries) = &mut parent.kind else {
            return Err(Errno::ENOTDIR);
        };
        match id {
            Some(id) => entries.insert(place.name.clone(), id),
            None => entries.remove(&place.name),
        };
        let links = parent.attributes.links;
        parent.attributes.links = links + u64::from(gained) - u64::from(lost);
        parent.modify(now);
        Ok(())
    }

    pub(super) fn make(&mut self, path: &str, kind: Kind, mode: u16, now: u64) -> Result {
        let place = self.place(path)?;
        if self.at(&place).is_some() {
            return Err(Errno::EEXIST);
        }
        let size = if let Kind::Symlink(target) = &kind {
            target.len()
        } else {
            0
        };
        let mut node = Node::new(kind, mode, now);
        node.attributes.size = size as u64;
        let id = self.insert(node);
        self.set(&place, Some(id), now)
    }

    pub(super) fn link(&mut self, id: NodeId, to: &str, now: u64) -> Result {
        let place = self.place(to)?;
        if self.at(&place).is_some() {
            return Err(Errno::EEXIST);
        }
        let node = self.node_at(id)?;
        if node.is_directory() {
            return Err(Errno::EPERM);
        }
        node.attributes.links += 1;
        node.attributes.times.changed = now;
        self.set(&place, Some(id), now)
    }

    /// One link less.
    fn drop_link(&mut self, id: NodeId, now: u64) -> Result {
        let node = self.node_at(id)?;
        // The directory's own "." goes with its name.
        node.attributes.links -= if node.is_directory() { 2 } else { 1 };
        node.attributes.times.changed = now;
        self.drop_if_unlinked(id);
        Ok(())
    }

    pub(super) fn drop_if_unlinked(&mut self, id: NodeId) {
        let open = self.handles.values().any(|&open| open == id);
        if !open
            && self
                .nodes
                .get(&id)
                .is_some_and(|node| node.attributes.links == 0)
        {
            self.nodes.remove(&id);
        }
    }

    pub(super) fn unlink(&mut self, path: &str, now: u64) -> Result {
        let place = self.place(path)?;
        let id = self.at(&place).ok_or(Errno::ENOENT)?;
        if self.directory(id).is_ok() {
            return Err(Errno::EISDIR);
        }
        self.set(&place, None, now)?;
        self.drop_link(id, now)
    }

    pub(super) fn rmdir(&mut self, path: &str, now: u64) -> Result {
        let place = self.place(path)?;
        let id = self.at(&place).ok_or(Errno::ENOENT)?;
        if !self.directory(id)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.set(&place, None, now)?;
        self.drop_link(id, now)
    }

    /// Whether `id` is `directory` or has it below.
    fn contains(&self, id: NodeId, directory: NodeId) -> bool {
        let below = |entries: &BTreeMap<Vec<u8>, NodeId>| {
            entries
                .values()
                .any(|&child| self.contains(child, directory))
        };
        id == directory || self.directory(id).is_ok_and(below)
    }

    /// In the order in which `do_renameat2` and `vfs_rename` of Linux look.
    pub(super) fn rename(&mut self, from: &str, to: &str, mode: RenameMode, now: u64) -> Result {
        let (old, new) = (self.place(from)?, self.place(to)?);
        let moved = self.at(&old).ok_or(Errno::ENOENT)?;
        let target = self.at(&new);
        match (mode, target) {
            (RenameMode::NoReplace, Some(_)) => return Err(Errno::EEXIST),
            (RenameMode::Exchange, None) => return Err(Errno::ENOENT),
            _ => {}
        }
        if self.contains(moved, new.directory) {
            return Err(Errno::EINVAL);
        }
        let exchange = mode == RenameMode::Exchange;
        if target.is_some_and(|target| self.contains(target, old.directory)) {
            return Err(if exchange {
                Errno::EINVAL
            } else {
                Errno::ENOTEMPTY
            });
        }
        if target == Some(moved) {
            return Ok(());
        }
        if let (Some(target), false) = (target, exchange) {
            match (self.directory(moved).is_ok(), self.directory(target)) {
                (true, Err(_)) => return Err(Errno::ENOTDIR),
                (false, Ok(_)) => return Err(Errno::EISDIR),
                (true, Ok(entries)) if !entries.is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        let left = match mode {
            RenameMode::Exchange => target,
            RenameMode::Whiteout => Some(self.insert(Node::new(Kind::CharDevice(0), 0, now))),
            _ => None,
        };
        self.set(&old, left, now)?;
        self.set(&new, Some(moved), now)?;
        self.node_at(moved)?.attributes.times.changed = now;
        match target {
            Some(target) if exchange => self.node_at(target)?.attributes.times.changed = now,
            Some(target) => self.drop_link(target, now)?,
            None => {}
        }
        Ok(())
    }
}
