// SPDX-License-Identifier: GPL-2.0

//! A volume on a medium for trials, with the states of its inodes' locks.

use std::collections::BTreeMap;

use rdaxfs_check::{survey, Image};
use rdaxfs_core::directory::Target;
use rdaxfs_core::format::{Time, S_IFDIR, S_IFLNK, S_IFREG};
use rdaxfs_core::inode::{Attributes, Changed, MapState};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::{
    unannounced, Changes, Directories, Made, Names, NewInode, RenameMode, Renamed,
};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::Host;

use crate::medium::Trial;

/// What a directory shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) cookie: u64,
    pub(crate) name: Vec<u8>,
    pub(crate) ino: u64,
    pub(crate) kind: u8,
}

pub(crate) struct Fs {
    pub(crate) volume: Volume<Host<Trial>>,
    pub(crate) workspace: Box<Workspace>,
    maps: BTreeMap<u64, MapState>,
    clock: i64,
    /// What inodes say may be anything.
    pub(crate) damaged: bool,
}

pub(crate) fn file() -> NewInode<'static> {
    NewInode {
        mode: S_IFREG | 0o644,
        ..NewInode::default()
    }
}

impl Fs {
    /// An empty volume of so many blocks; `hashes` as [`Trial`] has it.
    pub(crate) fn new(blocks: u64, hashes: u64) -> Self {
        let medium = Trial::new(blocks, hashes);
        let options = Options {
            hash_key: [3, 4],
            uuid: [9; 16],
            ..Options::new(blocks)
        };
        let superblock = make(&medium, &options).expect("the volume can be made");
        let mut workspace = Box::new(Workspace::new());
        let host = Host::new(medium, &superblock);
        let volume = mount::mount(host, Access::ReadWrite, Time::new(1, 0), &mut workspace)
            .expect("what was made can be mounted");
        let mut fs = Self {
            volume,
            workspace,
            maps: BTreeMap::new(),
            clock: 1000,
            damaged: false,
        };
        let root = fs.root();
        fs.open(root);
        fs
    }

    pub(crate) fn medium(&self) -> &Trial {
        self.volume.platform().medium()
    }

    pub(crate) fn root(&self) -> u64 {
        self.volume.root()
    }

    fn open(&mut self, ino: u64) {
        let (map, _) = self
            .volume
            .inodes()
            .open(ino, None)
            .expect("the inode is one");
        self.maps.insert(ino, map);
    }

    /// Gets the states of the locks of all that has a name anew.
    pub(crate) fn reopen(&mut self) {
        let mut left = vec![self.root()];
        while let Some(ino) = left.pop() {
            self.open(ino);
            if self.attributes(ino).is_directory() {
                left.extend(self.list(ino).iter().map(|entry| entry.ino));
            }
        }
    }

    /// A time that no other operation has.
    pub(crate) fn now(&mut self) -> Time {
        self.clock += 1;
        Time::new(self.clock, 7)
    }

    pub(crate) fn last_time(&self) -> Time {
        Time::new(self.clock, 7)
    }

    pub(crate) fn map(&self, ino: u64) -> &MapState {
        &self.maps[&ino]
    }

    /// Takes the state of an inode's lock; [`give`](Self::give) puts it back.
    fn take(&mut self, ino: u64) -> MapState {
        self.maps.remove(&ino).expect("each inode is locked once")
    }

    fn give(&mut self, map: MapState) {
        self.maps.insert(map.ino(), map);
    }

    pub(crate) fn attributes(&self, ino: u64) -> Attributes {
        self.volume
            .inodes()
            .attributes(self.map(ino))
            .expect("it is good")
    }

    pub(crate) fn lookup(&self, dir: u64, name: &[u8]) -> Result<Target> {
        self.volume.names().lookup(self.map(dir), name)
    }

    fn keep(&mut self, made: Result<Made>) -> Result<u64> {
        self.medium().has_failed();
        let Made {
            map, attributes, ..
        } = made?;
        let ino = map.ino();
        self.give(map);
        assert_eq!(self.attributes(ino), attributes);
        Ok(ino)
    }

    pub(crate) fn create(&mut self, dir: u64, name: &[u8], new: &NewInode<'_>) -> Result<u64> {
        let now = self.now();
        let mut map = self.take(dir);
        let made = self.volume.names().create(
            &mut self.workspace,
            &mut map,
            name,
            new,
            now,
            &mut unannounced,
        );
        self.give(map);
        self.keep(made)
    }

    pub(crate) fn mkdir(&mut self, dir: u64, name: &[u8]) -> Result<u64> {
        let now = self.now();
        let new = NewInode {
            mode: S_IFDIR | 0o755,
            ..NewInode::default()
        };
        let mut map = self.take(dir);
        let made = self.volume.names().mkdir(
            &mut self.workspace,
            &mut map,
            name,
            &new,
            now,
            &mut unannounced,
        );
        self.give(map);
        self.keep(made)
    }

    pub(crate) fn symlink(&mut self, dir: u64, name: &[u8], target: &[u8]) -> Result<u64> {
        let now = self.now();
        let new = NewInode {
            mode: S_IFLNK | 0o777,
            ..NewInode::default()
        };
        let mut map = self.take(dir);
        let made = self.volume.names().symlink(
            &mut self.workspace,
            &mut map,
            (name, target),
            &new,
            now,
            &mut unannounced,
        );
        self.give(map);
        self.keep(made)
    }

    pub(crate) fn readlink(&self, ino: u64) -> Result<Vec<u8>> {
        let mut target = vec![0; 4096];
        let len = self.volume.names().readlink(self.map(ino), &mut target)?;
        target.truncate(len);
        Ok(target)
    }

    pub(crate) fn tmpfile(&mut self, dir: u64) -> Result<u64> {
        let now = self.now();
        let made =
            self.volume
                .names()
                .tmpfile(&mut self.workspace, dir, &file(), now, &mut unannounced);
        self.keep(made)
    }

    pub(crate) fn link(&mut self, dir: u64, name: &[u8], ino: u64) -> Result {
        let now = self.now();
        if dir == ino {
            return Err(Error::IsDirectory);
        }
        let (mut map, mut inode) = (self.take(dir), self.take(ino));
        let before = [&map, &inode].map(|map| self.peek(map));
        let result = self
            .volume
            .names()
            .link(&mut self.workspace, &mut map, name, &mut inode, now);
        self.give(map);
        self.give(inode);
        let changes = result?;
        self.follow(&before, &[changes.directory, changes.inode]);
        Ok(())
    }

    /// What an inode says, if it is good, without an access that could fail or count.
    fn peek(&self, map: &MapState) -> Option<Attributes> {
        self.medium()
            .uncounted(|| self.volume.inodes().attributes(map))
            .ok()
    }

    /// What an operation says that it has changed is the difference between before and now.
    fn follow(&self, before: &[Option<Attributes>], changed: &[Changed]) {
        if self.damaged {
            return;
        }
        for (before, changed) in before.iter().zip(changed) {
            let Some(before) = before else { continue };
            let Some(now) = self.peek(self.map(before.ino)) else {
                continue;
            };
            let told = (
                changed.size.unwrap_or(before.size),
                changed.blocks.unwrap_or(before.blocks),
                changed.links.unwrap_or(before.links),
            );
            assert_eq!(told, (now.size, now.blocks, now.links), "{changed:?}");
        }
    }

    pub(crate) fn unlink(&mut self, dir: u64, name: &[u8]) -> Result {
        self.remove(dir, name, |names, workspace, map, name, inode, now| {
            names.unlink(workspace, map, name, inode, now)
        })
    }

    pub(crate) fn rmdir(&mut self, dir: u64, name: &[u8]) -> Result {
        self.remove(dir, name, |names, workspace, map, name, inode, now| {
            names.rmdir(workspace, map, name, inode, now)
        })
    }

    /// As the others, for an inode that nobody uses.
    pub(crate) fn unlink_last(&mut self, dir: u64, name: &[u8]) -> Result {
        self.remove(dir, name, |names, workspace, map, name, inode, now| {
            names.unlink_last(workspace, map, name, inode, now)
        })
    }

    pub(crate) fn rmdir_last(&mut self, dir: u64, name: &[u8]) -> Result {
        self.remove(dir, name, |names, workspace, map, name, inode, now| {
            names.rmdir_last(workspace, map, name, inode, now)
        })
    }

    pub(crate) fn is_known(&self, ino: u64) -> bool {
        self.maps.contains_key(&ino)
    }

    fn remove(
        &mut self,
        dir: u64,
        name: &[u8],
        remove: impl FnOnce(
            Names<'_, Host<Trial>>,
            &mut Workspace,
            &mut MapState,
            &[u8],
            &mut MapState,
            Time,
        ) -> Result<Changes>,
    ) -> Result {
        let now = self.now();
        let ino = self.lookup(dir, name)?.ino;
        let (mut map, mut inode) = (self.take(dir), self.take(ino));
        let before = [&map, &inode].map(|map| self.peek(map));
        let result = remove(
            self.volume.names(),
            &mut self.workspace,
            &mut map,
            name,
            &mut inode,
            now,
        );
        self.give(map);
        let freed = result.as_ref().is_ok_and(|changes| changes.freed);
        if !freed {
            self.give(inode);
        }
        let changes = result?;
        let changed = [changes.directory, changes.inode];
        let count = if freed { 1 } else { 2 };
        self.follow(&before, &changed[..count]);
        Ok(())
    }

    pub(crate) fn rename(
        &mut self,
        old: (u64, &[u8]),
        new: (u64, &[u8]),
        mode: RenameMode,
    ) -> Result {
        self.rename_as(old, new, mode, false, None)
    }

    pub(crate) fn rename_as(
        &mut self,
        (from, old): (u64, &[u8]),
        (to, new): (u64, &[u8]),
        mode: RenameMode,
        other_is_unused: bool,
        whiteout: Option<&NewInode<'_>>,
    ) -> Result {
        let now = self.now();
        let moved = self.lookup(from, old)?.ino;
        let other = match self.lookup(to, new) {
            Ok(target) if target.ino != moved => Some(target.ino),
            Ok(_) | Err(Error::NoEntry) => None,
            Err(error) => return Err(error),
        };
        // What the VFS does not let through.
        if moved == to || other == Some(from) {
            return Err(Error::Invalid);
        }
        let (from_ino, to_ino) = (from, to);
        let mut from = self.take(from);
        let mut to = (from.ino() != to).then(|| self.take(to));
        let mut moved = self.take(moved);
        let mut other = other.map(|other| self.take(other));
        let all = [Some(&from), to.as_ref(), other.as_ref()];
        let before = all.map(|map| self.peek(map.unwrap_or(&moved)));
        let directories = match &mut to {
            Some(to) => Directories::Two(&mut from, to),
            None => Directories::One(&mut from),
        };
        let result = self.volume.names().rename(
            &mut self.workspace,
            directories,
            (old, new),
            Renamed {
                moved: &mut moved,
                other: other.as_mut(),
                other_is_unused,
                whiteout,
            },
            mode,
            now,
        );
        let freed = result.as_ref().is_ok_and(|changes| changes.freed);
        let other = other.filter(|_| !freed);
        let is_there = other.is_some();
        for map in [Some(from), to, Some(moved), other].into_iter().flatten() {
            self.give(map);
        }
        if whiteout.is_some() && result.is_ok() {
            let made = self.medium().uncounted(|| {
                let ino = self.lookup(from_ino, old)?.ino;
                self.volume.inodes().open(ino, None)
            });
            let (map, _) = made.expect("there is a whiteout");
            self.give(map);
        }
        let changes = result?;
        let one = to_ino == from_ino;
        let from = if one { changes.to } else { changes.from };
        let to = if one { Changed::default() } else { changes.to };
        let changed = [from, to, changes.other];
        let count = if is_there { 3 } else { 2 };
        self.follow(&before[..count], &changed);
        Ok(())
    }

    pub(crate) fn write(&mut self, ino: u64, offset: u64, bytes: &[u8]) {
        let now = self.now();
        let mut map = self.take(ino);
        let written = self
            .volume
            .files()
            .write(&mut self.workspace, &mut map, offset, bytes, now);
        self.give(map);
        assert_eq!(written, Ok(bytes.len()));
    }

    /// The entries of a directory from a cookie on, in order.
    pub(crate) fn list_from(&mut self, dir: u64, from: u64) -> Vec<Listed> {
        let mut found = Vec::new();
        let map = &self.maps[&dir];
        let list = self
            .volume
            .names()
            .readdir(&mut self.workspace, map, from, |entry| {
                found.push(Listed {
                    cookie: entry.cookie,
                    name: entry.name.to_vec(),
                    ino: entry.ino,
                    kind: entry.kind,
                });
                true
            });
        list.expect("the directory is good");
        assert!(found.windows(2).all(|pair| pair[0].cookie < pair[1].cookie));
        found
    }

    pub(crate) fn list(&mut self, dir: u64) -> Vec<Listed> {
        self.list_from(dir, 0)
    }

    /// All that can be seen of the volume from its root, and what is free.
    pub(crate) fn snapshot(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        let mut left = vec![self.root()];
        while let Some(dir) = left.pop() {
            seen.push(format!("{:?}", self.attributes(dir)));
            for entry in self.list(dir) {
                let attributes = self.attributes(entry.ino);
                seen.push(format!("{dir}: {entry:?} {attributes:?}"));
                if attributes.mode & 0o170_000 == S_IFLNK {
                    seen.push(format!("{:?}", self.readlink(entry.ino)));
                }
                if attributes.is_directory() {
                    left.push(entry.ino);
                }
            }
        }
        for group in 0..self.volume.groups() {
            seen.push(format!("{:?}", self.volume.space().of_group(group)));
        }
        seen.push(format!("orphans {:?}", self.orphans()));
        seen
    }

    /// fsck finds nothing.
    pub(crate) fn check(&self) {
        let image = Image::new(self.medium(), *self.volume.superblock());
        assert_eq!(survey(&image, |_| {}).findings, []);
    }

    /// The inodes on the lists of orphans.
    pub(crate) fn orphans(&self) -> Vec<u64> {
        let mut found = Vec::new();
        for group in 0..self.volume.groups() {
            let mut next = self
                .volume
                .inodes()
                .first_unfinished(group)
                .expect("it is good");
            while let Some(ino) = next {
                found.push(ino);
                next = self
                    .volume
                    .inodes()
                    .next_unfinished(ino)
                    .expect("it is listed");
            }
        }
        found
    }

    /// Frees the orphans, whom nobody uses.
    pub(crate) fn finish_orphans(&mut self) {
        for ino in self.orphans() {
            self.finish(ino).expect("an orphan can be freed");
        }
    }

    /// Frees an orphan.
    pub(crate) fn finish(&mut self, ino: u64) -> Result {
        let mut map = self.take(ino);
        self.volume.files().finish(&mut self.workspace, &mut map)
    }

    /// Removes all that is in a directory, and frees it.
    pub(crate) fn empty(&mut self, dir: u64) {
        for entry in self.list(dir) {
            if entry.kind == 4 {
                self.empty(entry.ino);
                self.rmdir(dir, &entry.name).expect("it is empty");
            } else {
                self.unlink(dir, &entry.name).expect("it is there");
            }
        }
        self.finish_orphans();
    }

    pub(crate) fn free(&self) -> u64 {
        let groups = 0..self.volume.groups();
        groups
            .map(|group| u64::from(self.volume.space().of_group(group).expect("it is good").0))
            .sum()
    }
}
