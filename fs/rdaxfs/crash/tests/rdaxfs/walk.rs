// SPDX-License-Identifier: GPL-2.0

//! All that can be seen of a mounted volume.

use std::collections::BTreeMap;

use rdaxfs_core::format::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};
use rdaxfs_core::inode::Attributes;
use rdaxfs_core::{Error, Result};
use rdaxfs_crash::spec::{self, Content, Snapshot, Times, View, PAGE_BYTES};

use crate::inodes::Inode;
use crate::mounted::Mounted;
use crate::xattrs::full_name;

type Seen = (Vec<u8>, u64, spec::Attributes, View);

impl Mounted<'_> {
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let mut walk = Vec::new();
        self.walk(self.volume.root(), Vec::new(), &mut walk)?;
        Ok(Snapshot::from_walk(walk))
    }

    fn walk(&self, ino: u64, path: Vec<u8>, walk: &mut Vec<Seen>) -> Result {
        if walk.len() > 100_000 {
            return Err(Error::Corrupt);
        }
        let inode = self.get(ino)?;
        let inode = inode.lock();
        let attributes = self.volume.inodes().attributes(&inode.map)?;
        let mut seen = self.attributes_of(&inode, &attributes)?;
        let view = match attributes.mode & S_IFMT {
            S_IFREG => View::File(self.content(&inode, attributes.size)?),
            S_IFDIR => {
                seen.size = 0;
                let mut entries = Vec::new();
                self.volume
                    .names()
                    .readdir(&mut self.workspace(), &inode.map, 0, |entry| {
                        entries.push((entry.name.to_vec(), entry.ino, entry.kind));
                        true
                    })?;
                for (name, child, kind) in entries {
                    // Both ways to a name have to agree.
                    let target = self.volume.names().lookup(&inode.map, &name)?;
                    if (target.ino, target.kind) != (child, kind) {
                        return Err(Error::Corrupt);
                    }
                    let mut below = path.clone();
                    if !below.is_empty() {
                        below.push(b'/');
                    }
                    below.extend_from_slice(&name);
                    self.walk(child, below, walk)?;
                }
                View::Directory
            }
            S_IFLNK => {
                let mut target = [0; 4096];
                let len = self.volume.names().readlink(&inode.map, &mut target)?;
                View::Symlink(target[..len].to_vec())
            }
            S_IFIFO => View::Fifo,
            S_IFSOCK => View::Socket,
            S_IFCHR => View::CharDevice(attributes.device),
            S_IFBLK => View::BlockDevice(attributes.device),
            _ => return Err(Error::Corrupt),
        };
        walk.push((path, ino, seen, view));
        Ok(())
    }

    fn attributes_of(&self, inode: &Inode, attributes: &Attributes) -> Result<spec::Attributes> {
        let mut names = Vec::new();
        self.volume.xattrs().list(&inode.xattrs, |name, len| {
            names.push((name.space(), name.rest().to_vec(), len));
            Ok(())
        })?;
        let mut xattrs = BTreeMap::new();
        for (space, rest, len) in names {
            let name = rdaxfs_core::xattr::XattrName::new(space, &rest)?;
            // With no room at all it would only say the length.
            let mut value = vec![0; len.max(1)];
            let found = self.volume.xattrs().get(&inode.xattrs, name, &mut value)?;
            if found != len {
                return Err(Error::Corrupt);
            }
            value.truncate(len);
            xattrs.insert(full_name(name), value);
        }
        Ok(spec::Attributes {
            mode: attributes.mode & !S_IFMT,
            uid: attributes.uid,
            gid: attributes.gid,
            project: attributes.project,
            flags: attributes.flags,
            links: attributes.links,
            size: attributes.size,
            times: Times {
                accessed: attributes.atime.0,
                modified: attributes.mtime.0,
                changed: attributes.ctime.0,
                born: attributes.btime.0,
            },
            xattrs,
        })
    }

    /// A file's bytes; holes are passed over.
    fn content(&self, inode: &Inode, size: u64) -> Result<Content> {
        let mut content = Content::default();
        let mut page = 0;
        while let Some(extent) = self.volume.files().next_extent(&inode.map, page)? {
            for number in extent.page..extent.end() {
                let mut bytes = [0; PAGE_BYTES as usize];
                let offset = number * PAGE_BYTES;
                if offset >= size {
                    break;
                }
                let len = self.volume.files().read(&inode.map, offset, &mut bytes)?;
                content.write(offset, &bytes[..len]);
            }
            page = extent.end();
        }
        Ok(content)
    }
}
