// SPDX-License-Identifier: GPL-2.0

//! The model itself.

use std::collections::BTreeMap;

use super::{
    pattern, Content, DeviceKind, Errno, FallocateMode, Kind, Node, NodeId, Op, XattrMode,
    PAGE_BYTES,
};

mod names;

const ROOT: NodeId = 1;

/// A file system in DRAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: NodeId,
    /// Files without a name, which are open.
    handles: BTreeMap<u32, NodeId>,
}

type Result<T = ()> = std::result::Result<T, Errno>;

impl Tree {
    /// An empty file system, whose root was made at `now` with the permissions `mode`.
    #[must_use]
    pub fn new(mode: u16, now: u64) -> Self {
        let root = Node::new(Kind::Directory(BTreeMap::new()), mode, now);
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            handles: BTreeMap::new(),
        }
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> NodeId {
        ROOT
    }

    /// An inode of this tree.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// What a crash leaves of the tree: files without a name are gone.
    #[must_use]
    pub fn crashed(&self) -> Self {
        let mut tree = self.clone();
        for (_, id) in std::mem::take(&mut tree.handles) {
            tree.drop_if_unlinked(id);
        }
        tree
    }

    /// Does an operation at the time `now`.
    ///
    /// # Errors
    ///
    /// That of the system call; nothing has changed then.
    pub fn apply(&mut self, op: &Op, now: u64) -> Result {
        match op {
            Op::BadBlock { .. } => Ok(()),
            Op::Create { path, mode } => {
                self.make(path, Kind::File(Content::default()), *mode, now)
            }
            Op::Mkdir { path, mode } => {
                self.make(path, Kind::Directory(BTreeMap::new()), *mode, now)
            }
            Op::Symlink { path, target } => {
                self.make(path, Kind::Symlink(target.clone().into_bytes()), 0o777, now)
            }
            Op::Mknod { path, mode, kind } => self.make(path, special(*kind), *mode, now),
            Op::Link { from, to } => {
                let id = self.find(from)?;
                self.link(id, to, now)
            }
            Op::Unlink { path } | Op::UnlinkUnused { path } => self.unlink(path, now),
            Op::Rmdir { path } | Op::RmdirUnused { path } => self.rmdir(path, now),
            Op::Rename { from, to, mode } => self.rename(from, to, *mode, now),
            Op::Truncate { path, size } => self.truncate(path, *size, now),
            Op::Fallocate {
                path,
                mode,
                offset,
                len,
            } => self.fallocate(path, *mode, *offset, *len, now),
            Op::Write {
                path,
                offset,
                len,
                seed,
            } => self.write(path, *offset, &pattern(*seed, *offset, *len), now),
            Op::ShortWrite {
                path,
                offset,
                copied,
                seed,
                ..
            } => self.write(path, *offset, &pattern(*seed, *offset, *copied), now),
            Op::Tmpfile {
                directory,
                mode,
                handle,
            } => {
                self.directory(self.find(directory)?)?;
                let mut node = Node::new(Kind::File(Content::default()), *mode, now);
                node.attributes.links = 0;
                let id = self.insert(node);
                self.handles.insert(*handle, id);
                Ok(())
            }
            Op::LinkOrphan { handle, to } => {
                let id = *self.handles.get(handle).ok_or(Errno::ENOENT)?;
                self.link(id, to, now)
            }
            _ => self.apply_to_inode(op, now),
        }
    }

    /// Operations that change an inode alone.
    fn apply_to_inode(&mut self, op: &Op, now: u64) -> Result {
        match op {
            Op::SetAttributes { path, change } => {
                let attributes = &mut self.find_mut(path)?.attributes;
                attributes.mode = change.mode.unwrap_or(attributes.mode);
                attributes.uid = change.uid.unwrap_or(attributes.uid);
                attributes.gid = change.gid.unwrap_or(attributes.gid);
                let times = &mut attributes.times;
                times.accessed = change.accessed.unwrap_or(times.accessed);
                times.modified = change.modified.unwrap_or(times.modified);
            }
            Op::SetXattr {
                path,
                name,
                value,
                mode,
            } => {
                let xattrs = &mut self.find_mut(path)?.attributes.xattrs;
                match (xattrs.contains_key(name.as_bytes()), mode) {
                    (true, XattrMode::Create) => return Err(Errno::EEXIST),
                    (false, XattrMode::Replace) => return Err(Errno::ENODATA),
                    _ => xattrs.insert(name.clone().into_bytes(), value.clone()),
                };
            }
            Op::RemoveXattr { path, name } => {
                let xattrs = &mut self.find_mut(path)?.attributes.xattrs;
                xattrs.remove(name.as_bytes()).ok_or(Errno::ENODATA)?;
            }
            Op::SetFlags { path, flags } => self.find_mut(path)?.attributes.flags = *flags,
            Op::SetProject { path, project } => self.find_mut(path)?.attributes.project = *project,
            _ => return Err(Errno::EINVAL),
        }
        let (Op::SetAttributes { path, .. }
        | Op::SetXattr { path, .. }
        | Op::RemoveXattr { path, .. }
        | Op::SetFlags { path, .. }
        | Op::SetProject { path, .. }) = op
        else {
            return Err(Errno::EINVAL);
        };
        self.find_mut(path)?.attributes.times.changed = now;
        Ok(())
    }

    fn find_mut(&mut self, path: &str) -> Result<&mut Node> {
        let id = self.find(path)?;
        self.nodes.get_mut(&id).ok_or(Errno::ENOENT)
    }

    /// A file, with its bytes.
    fn file(&mut self, path: &str) -> Result<&mut Node> {
        let node = self.find_mut(path)?;
        match node.kind {
            Kind::File(_) => Ok(node),
            Kind::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    fn truncate(&mut self, path: &str, size: u64, now: u64) -> Result {
        let node = self.file(path)?;
        if let Kind::File(content) = &mut node.kind {
            content.zero(size, u64::MAX - size);
        }
        node.attributes.size = size;
        node.modify(now);
        Ok(())
    }

    fn fallocate(
        &mut self,
        path: &str,
        mode: FallocateMode,
        offset: u64,
        len: u64,
        now: u64,
    ) -> Result {
        use FallocateMode::{Allocate, Collapse, Insert, PunchHole, ZeroKeepSize, ZeroRange};
        // Whoever calls has opened the file.
        let node = self.file(path)?;
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        if matches!(mode, Collapse | Insert) {
            let size = node.attributes.size;
            let reach = if mode == Collapse {
                offset + len
            } else {
                offset
            };
            if offset % PAGE_BYTES != 0 || len % PAGE_BYTES != 0 || reach >= size {
                return Err(Errno::EINVAL);
            }
            let (page, count) = (offset / PAGE_BYTES, len / PAGE_BYTES);
            if let Kind::File(content) = &mut node.kind {
                match mode {
                    Collapse => content.collapse(page, count),
                    _ => content.insert(page, count),
                }
            }
            node.attributes.size = match mode {
                Collapse => size - len,
                _ => size + len,
            };
        }
        if let (Kind::File(content), PunchHole | ZeroRange | ZeroKeepSize) = (&mut node.kind, mode)
        {
            content.zero(offset, len);
        }
        if matches!(mode, Allocate | ZeroRange) {
            node.attributes.size = node.attributes.size.max(offset + len);
        }
        node.modify(now);
        Ok(())
    }

    fn write(&mut self, path: &str, offset: u64, bytes: &[u8], now: u64) -> Result {
        let node = self.file(path)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if let Kind::File(content) = &mut node.kind {
            content.write(offset, bytes);
        }
        node.attributes.size = node.attributes.size.max(offset + bytes.len() as u64);
        node.modify(now);
        Ok(())
    }
}

fn special(kind: DeviceKind) -> Kind {
    match kind {
        DeviceKind::Fifo => Kind::Fifo,
        DeviceKind::Socket => Kind::Socket,
        DeviceKind::Char(number) => Kind::CharDevice(number),
        DeviceKind::Block(number) => Kind::BlockDevice(number),
    }
}
