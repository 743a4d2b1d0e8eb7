// SPDX-License-Identifier: GPL-2.0

//! A medium that fails or counts on demand, and a volume on it with the states of its inodes' locks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use rdaxfs_check::{survey, Image};
use rdaxfs_core::directory::Target;
use rdaxfs_core::format::{Time, BLOCK_SIZE, S_IFDIR, S_IFLNK, S_IFREG};
use rdaxfs_core::inode::{Attributes, MapState};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::name::{Directories, NewInode, RenameMode};
use rdaxfs_core::platform::{Digest, Medium};
use rdaxfs_core::volume::{Access, Volume};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{Dram, Host};

/// Memory whose accesses can be made to fail.
pub(crate) struct Trial {
    dram: Dram,
    /// How many names have one hash: the hash is that of a name's first byte modulo this; 0: the
    /// names' own.
    hashes: u64,
    /// So many accesses succeed, then one fails.
    budget: AtomicU64,
    failed: AtomicBool,
    /// Bytes and calls, to compare costs with.
    pub(crate) reads: AtomicU64,
    pub(crate) read_bytes: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) fences: AtomicU64,
}

impl Trial {
    fn access(&self) -> Result {
        let left = self.budget.load(Relaxed);
        if left == 0 {
            self.failed.store(true, Relaxed);
            self.budget.store(u64::MAX, Relaxed);
            return Err(Error::Io);
        }
        self.budget.store(left.wrapping_sub(1), Relaxed);
        Ok(())
    }

    /// Makes the access after so many fail.
    pub(crate) fn fail_after(&self, accesses: u64) {
        self.failed.store(false, Relaxed);
        self.budget.store(accesses, Relaxed);
    }

    /// Whether one has failed; none does any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.budget.store(u64::MAX, Relaxed);
        self.failed.load(Relaxed)
    }
}

impl Medium for Trial {
    fn len(&self) -> u64 {
        self.dram.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.access()?;
        self.reads.fetch_add(1, Relaxed);
        self.read_bytes.fetch_add(into.len() as u64, Relaxed);
        self.dram.read(offset, into)
    }

    fn store_u64(&self, offset: u64, value: u64) {
        self.written_bytes.fetch_add(8, Relaxed);
        self.dram.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.access()?;
        self.written_bytes.fetch_add(bytes.len() as u64, Relaxed);
        self.dram.copy_nt(offset, bytes)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.access()?;
        self.dram.zero_nt(offset, len)
    }

    fn flush(&self, offset: u64, len: u64) {
        self.dram.flush(offset, len);
    }

    fn fence(&self) {
        self.fences.fetch_add(1, Relaxed);
        self.dram.fence();
    }
}

impl Digest for Trial {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.dram.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        match bytes.first() {
            Some(&first) if self.hashes > 0 => (u64::from(first) % self.hashes) << 40,
            _ => self.dram.siphash(key, bytes),
        }
    }
}

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
        let medium = Trial {
            dram: Dram::new(blocks * BLOCK_SIZE),
            hashes,
            budget: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            reads: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            fences: AtomicU64::new(0),
        };
        let options = Options {
            hash_key: [3, 4],
            uuid: [9; 16],
            ..Options::new(blocks)
        };
        let superblock = make(&medium, &options).expect("the volume can be made");
        let mut workspace = Box::new(Workspace::new());
        let host = Host::new(medium, &superblock);
        let volume = Volume::mount(host, Access::ReadWrite, Time::new(1, 0), &mut workspace)
            .expect("what was made can be mounted");
        let mut fs = Self {
            volume,
            workspace,
            maps: BTreeMap::new(),
            clock: 1000,
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
        let (map, _) = self.volume.open(ino, None).expect("the inode is one");
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
        self.volume.attributes(self.map(ino)).expect("it is good")
    }

    pub(crate) fn lookup(&self, dir: u64, name: &[u8]) -> Result<Target> {
        self.volume.lookup(self.map(dir), name)
    }

    fn keep(&mut self, made: Result<(MapState, Attributes)>) -> Result<u64> {
        self.medium().has_failed();
        let (map, attributes) = made?;
        let ino = map.ino();
        self.give(map);
        assert_eq!(self.attributes(ino), attributes);
        Ok(ino)
    }

    pub(crate) fn create(&mut self, dir: u64, name: &[u8], new: &NewInode<'_>) -> Result<u64> {
        let now = self.now();
        let mut map = self.take(dir);
        let made = self
            .volume
            .create(&mut self.workspace, &mut map, name, new, now);
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
        let made = self
            .volume
            .mkdir(&mut self.workspace, &mut map, name, &new, now);
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
        let made = self
            .volume
            .symlink(&mut self.workspace, &mut map, name, target, &new, now);
        self.give(map);
        self.keep(made)
    }

    pub(crate) fn readlink(&self, ino: u64) -> Result<Vec<u8>> {
        let mut target = vec![0; 4096];
        let len = self.volume.readlink(self.map(ino), &mut target)?;
        target.truncate(len);
        Ok(target)
    }

    pub(crate) fn tmpfile(&mut self, dir: u64) -> Result<u64> {
        let now = self.now();
        let made = self.volume.tmpfile(&mut self.workspace, dir, &file(), now);
        self.keep(made)
    }

    pub(crate) fn link(&mut self, dir: u64, name: &[u8], ino: u64) -> Result {
        let now = self.now();
        if dir == ino {
            return Err(Error::IsDirectory);
        }
        let (mut map, mut inode) = (self.take(dir), self.take(ino));
        let result = self
            .volume
            .link(&mut self.workspace, &mut map, name, &mut inode, now);
        self.give(map);
        self.give(inode);
        result
    }

    pub(crate) fn unlink(&mut self, dir: u64, name: &[u8]) -> Result {
        self.remove(dir, name, Volume::unlink)
    }

    pub(crate) fn rmdir(&mut self, dir: u64, name: &[u8]) -> Result {
        self.remove(dir, name, Volume::rmdir)
    }

    fn remove(
        &mut self,
        dir: u64,
        name: &[u8],
        remove: impl FnOnce(
            &Volume<Host<Trial>>,
            &mut Workspace,
            &mut MapState,
            &[u8],
            &mut MapState,
            Time,
        ) -> Result,
    ) -> Result {
        let now = self.now();
        let ino = self.lookup(dir, name)?.ino;
        let (mut map, mut inode) = (self.take(dir), self.take(ino));
        let result = remove(
            &self.volume,
            &mut self.workspace,
            &mut map,
            name,
            &mut inode,
            now,
        );
        self.give(map);
        self.give(inode);
        result
    }

    pub(crate) fn rename(
        &mut self,
        (from, old): (u64, &[u8]),
        (to, new): (u64, &[u8]),
        mode: RenameMode,
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
        let mut from = self.take(from);
        let mut to = (from.ino() != to).then(|| self.take(to));
        let mut moved = self.take(moved);
        let mut other = other.map(|other| self.take(other));
        let directories = match &mut to {
            Some(to) => Directories::Two(&mut from, to),
            None => Directories::One(&mut from),
        };
        let result = self.volume.rename(
            &mut self.workspace,
            directories,
            (old, new),
            &mut moved,
            other.as_mut(),
            mode,
            now,
        );
        for map in [Some(from), to, Some(moved), other].into_iter().flatten() {
            self.give(map);
        }
        result
    }

    /// The entries of a directory from a cookie on, in order.
    pub(crate) fn list_from(&mut self, dir: u64, from: u64) -> Vec<Listed> {
        let mut found = Vec::new();
        let map = &self.maps[&dir];
        let list = self
            .volume
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
            seen.push(format!("{:?}", self.volume.count_group(group)));
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
            let mut next = self.volume.first_unfinished(group).expect("it is good");
            while let Some(ino) = next {
                found.push(ino);
                next = self.volume.next_unfinished(ino).expect("it is one");
            }
        }
        found
    }

    /// Frees the orphans, whom nobody uses.
    pub(crate) fn finish_orphans(&mut self) {
        for ino in self.orphans() {
            let mut map = self.take(ino);
            let finished = self.volume.finish(&mut self.workspace, &mut map);
            finished.expect("an orphan can be freed");
        }
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
            .map(|group| u64::from(self.volume.count_group(group).expect("it is good").0))
            .sum()
    }
}
