// SPDX-License-Identifier: GPL-2.0

//! Operations on names: what Linux's VFS does before and after it calls the file system.

use rdaxfs_core::format::{Time, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK};
use rdaxfs_core::name::{unannounced, Directories, Names, NewInode, RenameMode, Renamed};
use rdaxfs_core::{Error, Result};
use rdaxfs_crash::spec::{self, DeviceKind, Op};

use crate::inodes::{lock, pick, Inodes, Locked};
use crate::mounted::Mounted;

fn new_inode(mode: u16) -> NewInode<'static> {
    NewInode {
        mode,
        uid: 0,
        gid: 0,
        project: 0,
        flags: 0,
        device: 0,
        xattrs: &[],
    }
}

/// The directory of a path, and the last name.
fn split(path: &str) -> (&str, &[u8]) {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    (directory, name.as_bytes())
}

impl Mounted<'_> {
    /// The inode of a path.
    pub(crate) fn find(&self, path: &str) -> Result<u64> {
        let mut ino = self.volume.root();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            ino = self.look(ino, name.as_bytes())?.ok_or(Error::NoEntry)?;
        }
        Ok(ino)
    }

    /// A name in a directory.
    fn look(&self, directory: u64, name: &[u8]) -> Result<Option<u64>> {
        let inode = self.get(directory)?;
        let found = {
            let locked = inode.lock();
            if locked.freed {
                Err(Error::Stale)
            } else {
                self.volume.names().lookup(&locked.map, name)
            }
        };
        self.put(Inodes::from([(directory, inode)]))?;
        match found {
            Ok(target) => Ok(Some(target.ino)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fails unless, under the locks, a name stands for what it stood for before.
    fn still(
        &self,
        locked: &mut Locked<'_>,
        directory: u64,
        name: &[u8],
        ino: Option<u64>,
    ) -> Result {
        let [inode] = pick(locked, [directory])?;
        if self.volume.inodes().attributes(&inode.map)?.links == 0 {
            return Err(Error::NoEntry);
        }
        match self.volume.names().lookup(&inode.map, name) {
            Ok(target) if Some(target.ino) == ino => Ok(()),
            Err(Error::NoEntry) if ino.is_none() => Ok(()),
            Ok(_) | Err(Error::NoEntry) => Err(Error::Stale),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn attempt_name(&self, op: &Op, now: Time) -> Result {
        match op {
            Op::Create { path, mode } => self.create(path, new_inode(S_IFREG | mode), now),
            Op::Mknod { path, mode, kind } => {
                let (kind, device) = match *kind {
                    DeviceKind::Fifo => (S_IFIFO, 0),
                    DeviceKind::Socket => (S_IFSOCK, 0),
                    DeviceKind::Char(device) => (S_IFCHR, device),
                    DeviceKind::Block(device) => (S_IFBLK, device),
                };
                self.create(
                    path,
                    NewInode {
                        device,
                        ..new_inode(kind | mode)
                    },
                    now,
                )
            }
            Op::Mkdir { path, mode } => self.make(path, |mounted, directory, name| {
                let new = new_inode(S_IFDIR | mode);
                mounted.volume.names().mkdir(
                    &mut mounted.workspace(),
                    directory,
                    name,
                    &new,
                    now,
                    &mut unannounced,
                )
            }),
            Op::Symlink { path, target } => self.make(path, |mounted, directory, name| {
                let (new, target) = (new_inode(S_IFLNK | 0o777), target.as_bytes());
                let workspace = &mut mounted.workspace();
                mounted.volume.names().symlink(
                    workspace,
                    directory,
                    (name, target),
                    &new,
                    now,
                    &mut unannounced,
                )
            }),
            Op::Link { from, to } => self.link(self.find(from)?, to, now),
            Op::Unlink { path } => self.remove(path, (false, false), now),
            Op::Rmdir { path } => self.remove(path, (true, false), now),
            Op::UnlinkUnused { path } => self.remove(path, (false, true), now),
            Op::RmdirUnused { path } => self.remove(path, (true, true), now),
            Op::Rename { from, to, mode } => self.rename(from, to, *mode, now),
            Op::Tmpfile {
                directory,
                mode,
                handle,
            } => {
                let directory = self.find(directory)?;
                let new = new_inode(S_IFREG | mode);
                let workspace = &mut self.workspace();
                let map = self
                    .volume
                    .names()
                    .tmpfile(workspace, directory, &new, now, &mut unannounced)?
                    .map;
                self.handles().insert(*handle, map.ino());
                self.enter(map);
                Ok(())
            }
            Op::LinkOrphan { handle, to } => {
                let ino = self.handles().get(handle).copied().ok_or(Error::NoEntry)?;
                self.link(ino, to, now)
            }
            _ => Err(Error::NotSupported),
        }
    }

    fn create(&self, path: &str, new: NewInode<'_>, now: Time) -> Result {
        self.make(path, |mounted, directory, name| {
            mounted.volume.names().create(
                &mut mounted.workspace(),
                directory,
                name,
                &new,
                now,
                &mut unannounced,
            )
        })
    }

    fn make(
        &self,
        path: &str,
        body: impl FnOnce(
            &Self,
            &mut rdaxfs_core::inode::MapState,
            &[u8],
        ) -> Result<rdaxfs_core::name::Made>,
    ) -> Result {
        let (directory, name) = split(path);
        let directory = self.find(directory)?;
        let inodes = self.get_all([directory])?;
        let result = {
            let mut locked = lock(&inodes);
            let [parent] = pick(&mut locked, [directory])?;
            body(self, &mut parent.map, name)
        };
        self.put(inodes)?;
        let map = result?.map;
        self.enter(map);
        Ok(())
    }

    fn link(&self, ino: u64, to: &str, now: Time) -> Result {
        let (directory, name) = split(to);
        let directory = self.find(directory)?;
        if directory == ino
            || self
                .volume
                .inodes()
                .attributes(&self.get(ino)?.lock().map)?
                .is_directory()
        {
            // In Linux the VFS says EEXIST first, and then EPERM.
            return Err(match self.look(directory, name)? {
                Some(_) => Error::Exists,
                None => Error::IsDirectory,
            });
        }
        let inodes = self.get_all([directory, ino])?;
        let result = (|| {
            let mut locked = lock(&inodes);
            let [parent, inode] = pick(&mut locked, [directory, ino])?;
            let gone = self.volume.inodes().attributes(&inode.map)?.links == 0;
            if gone && !self.handles().values().any(|&open| open == ino) {
                // Linux says ENOENT, which no order explains if another inode has the name now: it is looked up again.
                return Err(Error::Stale);
            }
            let workspace = &mut self.workspace();
            self.volume
                .names()
                .link(workspace, &mut parent.map, name, &mut inode.map, now)
        })();
        self.put(inodes)?;
        result.map(drop)
    }

    fn remove(&self, path: &str, (is_directory, last): (bool, bool), now: Time) -> Result {
        let (directory, name) = split(path);
        let directory = self.find(directory)?;
        let ino = self.look(directory, name)?.ok_or(Error::NoEntry)?;
        let inodes = self.get_all([directory, ino])?;
        let result = (|| {
            let mut locked = lock(&inodes);
            self.still(&mut locked, directory, name, Some(ino))?;
            let [parent, inode] = pick(&mut locked, [directory, ino])?;
            let remove = match (is_directory, last && self.is_unused(ino)) {
                (true, true) => Names::rmdir_last,
                (true, false) => Names::rmdir,
                (false, true) => Names::unlink_last,
                (false, false) => Names::unlink,
            };
            let workspace = &mut self.workspace();
            let (map, parent) = (&mut inode.map, &mut parent.map);
            let changes = remove(self.volume.names(), workspace, parent, name, map, now)?;
            if changes.freed {
                self.forget(inode);
            }
            Ok(())
        })();
        self.put(inodes)?;
        result
    }

    /// Whether `ino` is `directory` or above it.
    fn is_above(&self, ino: u64, directory: u64) -> Result<bool> {
        let mut below = directory;
        while below != ino {
            if below == self.volume.root() {
                return Ok(false);
            }
            below = self.volume.names().parent(&self.get(below)?.lock().map)?;
        }
        Ok(true)
    }

    fn rename(&self, from: &str, to: &str, mode: spec::RenameMode, now: Time) -> Result {
        let _one = self.renames.lock();
        let ((old_directory, old_name), (new_directory, new_name)) = (split(from), split(to));
        let (old, new) = (self.find(old_directory)?, self.find(new_directory)?);
        let moved = self.look(old, old_name)?.ok_or(Error::NoEntry)?;
        let target = self.look(new, new_name)?;
        let whiteout = new_inode(S_IFCHR);
        let whiteout = (mode == spec::RenameMode::Whiteout).then_some(&whiteout);
        let unused = mode == spec::RenameMode::ReplaceUnused;
        let mode = match (mode, target) {
            (spec::RenameMode::NoReplace, Some(_)) => return Err(Error::Exists),
            (spec::RenameMode::Exchange, None) => return Err(Error::NoEntry),
            (spec::RenameMode::NoReplace, None) => RenameMode::NoReplace,
            (
                spec::RenameMode::Replace
                | spec::RenameMode::ReplaceUnused
                | spec::RenameMode::Whiteout,
                _,
            ) => RenameMode::Replace,
            (spec::RenameMode::Exchange, _) => RenameMode::Exchange,
        };
        if self.is_above(moved, new)? {
            return Err(Error::Invalid);
        }
        if let Some(target) = target {
            if self.is_above(target, old)? {
                let exchange = mode == RenameMode::Exchange;
                return Err(if exchange {
                    Error::Invalid
                } else {
                    Error::NotEmpty
                });
            }
        }
        let other = target.filter(|&target| target != moved);
        let inodes = self.get_all([old, new, moved].into_iter().chain(other))?;
        let result = (|| {
            let mut locked = lock(&inodes);
            self.still(&mut locked, old, old_name, Some(moved))?;
            self.still(&mut locked, new, new_name, target)?;
            let names = (old_name, new_name);
            let workspace = &mut self.workspace();
            // Those that are not there are stood in for by numbers that no inode has.
            let mut places = [old, new, moved, other.unwrap_or(0)].map(|_| None);
            let unused = unused && other.is_some_and(|other| self.is_unused(other));
            for (&ino, inode) in &mut locked {
                if inode.freed {
                    return Err(Error::Stale);
                }
                let wanted = [old, new, moved, other.unwrap_or(0)];
                if let Some(at) = wanted.iter().position(|&wanted| wanted == ino) {
                    places[at] = Some(&mut inode.map);
                }
            }
            let [Some(first), second, Some(moved), other] = places else {
                return Err(Error::Stale);
            };
            let directories = match second {
                Some(second) => Directories::Two(first, second),
                None => Directories::One(first),
            };
            let changes = self.volume.names().rename(
                workspace,
                directories,
                names,
                Renamed {
                    moved,
                    other,
                    other_is_unused: unused,
                    whiteout,
                },
                mode,
                now,
            )?;
            if let Some(other) = target.filter(|_| changes.freed) {
                if let Some(inode) = locked.get_mut(&other) {
                    self.forget(inode);
                }
            }
            Ok(())
        })();
        self.put(inodes)?;
        result
    }
}
