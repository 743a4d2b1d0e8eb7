// SPDX-License-Identifier: GPL-2.0

//! A mounted volume, and the operations of the model on it, as a VFS would call the core.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rdaxfs_core::bad_blocks::BadBlocksOwner;
use rdaxfs_core::file::{Fallocate, FallocateRange, State};
use rdaxfs_core::format::{Time, BLOCK_SIZE};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::owner::Use;
use rdaxfs_core::platform::Stores as _;
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::xattr::{NewXattr, SetMode};
use rdaxfs_core::{Error, Result};
use rdaxfs_crash::spec::{pattern, Errno, FallocateMode, Op, XattrMode};
use rdaxfs_crash::{Lock, Recorder};

use crate::inodes::{Inode, Inodes};
use crate::platform::{Machine, Pmem};
use crate::xattrs::xattr_name;

/// A volume in use.
pub(crate) struct Mounted<'m> {
    pub(crate) volume: Volume<Machine<'m>>,
    pub(crate) inodes: Mutex<Inodes>,
    handles: Mutex<BTreeMap<u32, u64>>,
    bad_blocks: Lock<BadBlocksOwner>,
    /// Only one rename moves directories about.
    pub(crate) renames: Lock<()>,
}

impl<'m> Mounted<'m> {
    pub(crate) fn mount(medium: &'m Recorder, now: u64) -> Result<Self> {
        let superblock = probe(&Pmem(medium))?;
        let machine = Machine::new(medium, &superblock);
        let mut workspace = Box::new(Workspace::new());
        let volume = mount::mount(machine, Access::ReadWrite, Time(now), &mut workspace)?;
        Ok(Self {
            volume,
            inodes: Mutex::default(),
            handles: Mutex::default(),
            bad_blocks: Lock::new(BadBlocksOwner::new()),
            renames: Lock::new(()),
        })
    }

    /// Finishes what a crash has left: orphans and intents.
    pub(crate) fn finish_all(&self) -> Result {
        rdaxfs_check::finish_all(&self.volume, &mut self.workspace())?;
        Ok(())
    }

    pub(crate) fn unmount(self) -> Result<&'m Recorder> {
        mount::unmount(&self.volume)?;
        Ok(self.volume.into_platform().recorder())
    }

    pub(crate) fn workspace(&self) -> Box<Workspace> {
        Box::new(Workspace::new())
    }

    pub(crate) fn handles(&self) -> MutexGuard<'_, BTreeMap<u32, u64>> {
        self.handles
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Does an operation of the model.
    pub(crate) fn apply(&self, op: &Op, now: u64) -> std::result::Result<(), Errno> {
        // Names may come to stand for something else between the look-up and the locks.
        for _ in 0..100 {
            match self.attempt(op, Time(now)) {
                Err(Error::Stale) => {}
                result => return result.map_err(|error| Errno(error.errno())),
            }
        }
        panic!("{op:?} finds no end of names that have changed");
    }

    /// A write whose caller copies less than it said, as one does whose memory is gone.
    fn short_write(
        &self,
        map: &mut MapState,
        (offset, len): (u64, u64),
        bytes: &[u8],
        now: Time,
    ) -> Result {
        let workspace = &mut self.workspace();
        let claimed = self.volume.files().claim(workspace, map, offset, len)?;
        let claim = match claimed {
            Some(claim) if claim.bytes().end >= offset + bytes.len() as u64 => claim,
            other => {
                if let Some(claim) = other {
                    self.volume.files().forget_claim(claim);
                }
                let done = self
                    .volume
                    .files()
                    .write(workspace, map, offset, bytes, now)?;
                return if done == bytes.len() {
                    Ok(())
                } else {
                    Err(Error::NoSpace)
                };
            }
        };
        let State::Mapped(block) = claim.mapping().state else {
            return Err(Error::Corrupt);
        };
        let to = block * BLOCK_SIZE + offset % BLOCK_SIZE;
        for (at, &byte) in (to..).zip(bytes) {
            self.volume.platform().store_u8(at, byte);
        }
        self.volume.platform().flush(to, bytes.len() as u64);
        let copied = (offset, bytes.len() as u64);
        let change = Change::modified(now);
        self.volume
            .files()
            .commit_claim(workspace, map, claim, copied, &change)?;
        Ok(())
    }

    fn attempt(&self, op: &Op, now: Time) -> Result {
        match op {
            Op::Truncate { path, size } => self.with(path, |inode| {
                self.file(&inode.map)?;
                self.volume
                    .files()
                    .truncate(
                        &mut self.workspace(),
                        &mut inode.map,
                        *size,
                        &Change::modified(now),
                    )
                    .map(drop)
            }),
            Op::Write {
                path,
                offset,
                len,
                seed,
            } => self.with(path, |inode| {
                self.file(&inode.map)?;
                let bytes = pattern(*seed, *offset, *len);
                let workspace = &mut self.workspace();
                let done =
                    self.volume
                        .files()
                        .write(workspace, &mut inode.map, *offset, &bytes, now)?;
                // A short write tells its caller that the volume is full with the next call.
                if (done as u64) < *len {
                    return Err(Error::NoSpace);
                }
                Ok(())
            }),
            Op::ShortWrite {
                path,
                offset,
                len,
                copied,
                seed,
            } => self.with(path, |inode| {
                self.file(&inode.map)?;
                let bytes = pattern(*seed, *offset, *copied);
                self.short_write(&mut inode.map, (*offset, *len), &bytes, now)
            }),
            Op::Fallocate {
                path,
                mode,
                offset,
                len,
            } => self.with(path, |inode| {
                self.file(&inode.map)?;
                let range = fallocate_range(*mode, *offset, *len);
                self.volume
                    .files()
                    .fallocate(
                        &mut self.workspace(),
                        &mut inode.map,
                        &range,
                        &Change::modified(now),
                    )
                    .map(drop)
            }),
            Op::SetXattr {
                path,
                name,
                value,
                mode,
            } => self.with(path, |inode| {
                let mode = match mode {
                    XattrMode::Set => SetMode::Any,
                    XattrMode::Create => SetMode::Create,
                    XattrMode::Replace => SetMode::Replace,
                };
                let xattr = NewXattr {
                    name: xattr_name(name)?,
                    value,
                };
                let (workspace, Inode { map, xattrs, .. }) = (&mut self.workspace(), inode);
                self.volume
                    .xattrs()
                    .set(workspace, xattrs, map, &xattr, mode, &Change::changed(now))
                    .map(drop)
            }),
            Op::RemoveXattr { path, name } => self.with(path, |inode| {
                let (workspace, Inode { map, xattrs, .. }) = (&mut self.workspace(), inode);
                self.volume
                    .xattrs()
                    .remove(
                        workspace,
                        xattrs,
                        map,
                        xattr_name(name)?,
                        &Change::changed(now),
                    )
                    .map(drop)
            }),
            Op::SetAttributes { path, change } => {
                let change = Change {
                    permissions: change.mode,
                    uid: change.uid,
                    gid: change.gid,
                    atime: change.accessed.map(Time),
                    mtime: change.modified.map(Time),
                    ..Change::default()
                };
                self.change(path, change, now)
            }
            Op::SetFlags { path, flags } => self.change(
                path,
                Change {
                    flags: Some(*flags),
                    ..Change::default()
                },
                now,
            ),
            Op::SetProject { path, project } => self.change(
                path,
                Change {
                    project: Some(*project),
                    ..Change::default()
                },
                now,
            ),
            Op::BadBlock { nth } => self.lose_block(*nth, now),
            _ => self.attempt_name(op, now),
        }
    }

    /// The owner of the bad blocks leaves the cache.
    pub(crate) fn forget_bad_blocks(&self) {
        *self.bad_blocks.lock() = BadBlocksOwner::new();
    }

    /// A free block turns bad.
    fn lose_block(&self, nth: u64, now: Time) -> Result {
        let is_free = |&block: &u64| self.volume.owners().use_of(block) == Ok(Use::Free);
        let mut free = (0..self.volume.blocks()).filter(is_free);
        let Some(block) = free.nth(nth as usize) else {
            return Ok(());
        };
        self.volume.platform().lose(block);
        let mut bad_blocks = self.bad_blocks.lock();
        self.volume.bad_blocks().set_bad(block)?;
        self.volume
            .bad_blocks()
            .repair(&mut self.workspace(), &mut bad_blocks, now)
            .map(drop)
    }

    fn change(&self, path: &str, change: Change, now: Time) -> Result {
        let change = Change {
            ctime: Some(now),
            ..change
        };
        self.with(path, |inode| {
            self.volume
                .inodes()
                .change(&mut self.workspace(), &mut inode.map, &change)
        })
    }

    /// Does something with the inode of a path, under its lock.
    fn with(&self, path: &str, body: impl FnOnce(&mut Inode) -> Result) -> Result {
        let ino = self.find(path)?;
        let inode: Arc<Lock<Inode>> = self.get(ino)?;
        let result = {
            let mut inode = inode.lock();
            if inode.freed {
                Err(Error::Stale)
            } else {
                body(&mut inode)
            }
        };
        self.put(Inodes::from([(ino, inode)]))?;
        result
    }

    /// Fails unless it is a file, as write(2) does.
    fn file(&self, map: &MapState) -> Result {
        let attributes = self.volume.inodes().attributes(map)?;
        if attributes.links == 0 && !self.handles().values().any(|&open| open == map.ino()) {
            return Err(Error::Stale);
        }
        match (attributes.is_file(), attributes.is_directory()) {
            (true, _) => Ok(()),
            (_, true) => Err(Error::IsDirectory),
            _ => Err(Error::Invalid),
        }
    }
}

fn fallocate_range(mode: FallocateMode, offset: u64, len: u64) -> FallocateRange {
    let (mode, keep_size) = match mode {
        FallocateMode::Allocate => (Fallocate::Allocate, false),
        FallocateMode::KeepSize => (Fallocate::Allocate, true),
        FallocateMode::PunchHole => (Fallocate::PunchHole, true),
        FallocateMode::ZeroRange => (Fallocate::ZeroRange, false),
        FallocateMode::ZeroKeepSize => (Fallocate::ZeroRange, true),
        FallocateMode::Collapse => (Fallocate::CollapseRange, false),
        FallocateMode::Insert => (Fallocate::InsertRange, false),
    };
    FallocateRange {
        mode,
        keep_size,
        offset,
        len,
    }
}
