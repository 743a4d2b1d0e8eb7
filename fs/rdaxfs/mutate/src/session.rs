// SPDX-License-Identifier: GPL-2.0

//! A mounted volume with the states of its inodes' locks.

use std::collections::BTreeMap;

use rdaxfs_core::bad_blocks::BadBlocksOwner;
use rdaxfs_core::format::{Time, S_IFDIR, S_IFLNK, S_IFREG};
use rdaxfs_core::inode::{MapState, XattrState};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::{unannounced, Made, NewInode};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::Host;

use crate::Memory;

/// More accesses than any single operation on a volume of the corpus needs.
pub(crate) const MANY: u64 = 1 << 20;

pub(crate) type MemoryVolume = Volume<Host<Memory>>;

pub(crate) struct Session {
    pub(crate) volume: MemoryVolume,
    pub(crate) workspace: Box<Workspace>,
    pub(crate) medium: Memory,
    maps: BTreeMap<u64, MapState>,
    bad_blocks: BadBlocksOwner,
    clock: i64,
}

/// What a new inode of a kind is made as.
pub(crate) fn new(kind: u16) -> NewInode<'static> {
    NewInode {
        mode: kind | 0o644,
        ..NewInode::default()
    }
}

impl Session {
    pub(crate) fn mount(medium: &Memory, access: Access) -> Result<Self> {
        medium.allow(MANY);
        let superblock = probe(medium)?;
        let mut workspace = Box::new(Workspace::new());
        let host = Host::new(medium.clone(), &superblock);
        let volume = mount::mount(host, access, Time::new(100, 0), &mut workspace)?;
        Ok(Self {
            volume,
            workspace,
            medium: medium.clone(),
            maps: BTreeMap::new(),
            bad_blocks: BadBlocksOwner::new(),
            clock: 1000,
        })
    }

    /// Unmounts as clean, with the totals as they are.
    pub(crate) fn unmount(self) -> Result {
        mount::unmount(&self.volume)
    }

    /// The next operation may take a while of its own.
    pub(crate) fn begin(&self) {
        self.medium.allow(MANY);
    }

    /// Repairs what has been set aside, or sees to it that it is not used again.
    pub(crate) fn repair(&mut self) -> Result {
        let now = self.now();
        self.begin();
        self.volume
            .bad_blocks()
            .repair(&mut self.workspace, &mut self.bad_blocks, now)
            .map(drop)
    }

    pub(crate) fn now(&mut self) -> Time {
        self.clock += 1;
        Time::new(self.clock, 7)
    }

    /// Takes the state of an inode's lock, which [`give`](Self::give) puts back.
    pub(crate) fn take(&mut self, ino: u64) -> Result<MapState> {
        self.begin();
        match self.maps.remove(&ino) {
            Some(map) => Ok(map),
            None => Ok(self.volume.inodes().open(ino, None)?.0),
        }
    }

    pub(crate) fn give(&mut self, map: MapState) {
        self.maps.insert(map.ino(), map);
    }

    /// Does something with an inode.
    pub(crate) fn with<R>(
        &mut self,
        ino: u64,
        operation: impl FnOnce(&MemoryVolume, &mut Workspace, &mut MapState, Time) -> Result<R>,
    ) -> Result<R> {
        let now = self.now();
        let mut map = self.take(ino)?;
        let result = operation(&self.volume, &mut self.workspace, &mut map, now);
        self.give(map);
        result
    }

    /// Does something with two inodes, which differ, as the VFS sees to.
    pub(crate) fn with_two<R>(
        &mut self,
        first: u64,
        second: u64,
        operation: impl FnOnce(
            &MemoryVolume,
            &mut Workspace,
            (&mut MapState, &mut MapState),
            Time,
        ) -> Result<R>,
    ) -> Result<R> {
        if first == second {
            return Err(Error::Invalid);
        }
        let now = self.now();
        let mut one = self.take(first)?;
        let two = self.take(second);
        let result = match two {
            Ok(mut two) => {
                let maps = (&mut one, &mut two);
                let result = operation(&self.volume, &mut self.workspace, maps, now);
                self.give(two);
                result
            }
            Err(error) => Err(error),
        };
        self.give(one);
        result
    }

    fn keep(&mut self, made: Made) -> u64 {
        let ino = made.map.ino();
        self.give(made.map);
        ino
    }

    /// Makes a file, or what else has no contents.
    pub(crate) fn create(&mut self, dir: u64, name: &[u8], new: &NewInode<'_>) -> Result<u64> {
        let made = self.with(dir, |volume, workspace, map, now| {
            volume
                .names()
                .create(workspace, map, name, new, now, &mut unannounced)
        })?;
        Ok(self.keep(made))
    }

    pub(crate) fn mkdir(&mut self, dir: u64, name: &[u8]) -> Result<u64> {
        let made = self.with(dir, |volume, workspace, map, now| {
            volume
                .names()
                .mkdir(workspace, map, name, &new(S_IFDIR), now, &mut unannounced)
        })?;
        Ok(self.keep(made))
    }

    pub(crate) fn symlink(&mut self, dir: u64, name: &[u8], target: &[u8]) -> Result<u64> {
        let made = self.with(dir, |volume, workspace, map, now| {
            volume.names().symlink(
                workspace,
                map,
                (name, target),
                &new(S_IFLNK),
                now,
                &mut unannounced,
            )
        })?;
        Ok(self.keep(made))
    }

    pub(crate) fn tmpfile(&mut self, dir: u64) -> Result<u64> {
        let now = self.now();
        self.begin();
        let made = self.volume.names().tmpfile(
            &mut self.workspace,
            dir,
            &new(S_IFREG),
            now,
            &mut unannounced,
        )?;
        Ok(self.keep(made))
    }

    pub(crate) fn write(&mut self, ino: u64, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.with(ino, |volume, workspace, map, now| {
            volume.files().write(workspace, map, offset, bytes, now)
        })
    }

    /// Does something with an inode's extended attributes.
    pub(crate) fn with_xattrs<R>(
        &mut self,
        ino: u64,
        operation: impl FnOnce(
            &MemoryVolume,
            &mut Workspace,
            (&mut XattrState, &mut MapState),
            Time,
        ) -> Result<R>,
    ) -> Result<R> {
        self.with(ino, |volume, workspace, map, now| {
            let mut xattrs = XattrState::new(map);
            operation(volume, workspace, (&mut xattrs, map), now)
        })
    }
}
