// SPDX-License-Identifier: GPL-2.0

//! New files, directories and special files.

use zerocopy::FromZeros;

use super::changes::Made;
use super::entry::NewEntry;
use super::new::{group_for, write, NewInode};
use super::words::add_links;
use super::Names;
use crate::directory::Search;
use crate::format::{
    entry_type, Inode, Superblock, Time, OWN_BAD_BLOCKS, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO,
    S_IFREG, S_IFSOCK,
};
use crate::inode::{add_new_orphan, Attributes, Changed, MapState};
use crate::journal::{Stamp, Transaction};
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::workspace::Workspace;
use crate::{Error, Result};

impl<P: Platform> Names<'_, P> {
    /// Makes a regular file, a device, a fifo or a socket with a name. `announce`: see
    /// [`name`](crate::name).
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the name exists; [`Error::Invalid`] if the name cannot be one, the type is
    /// another, or anything but a device has a device number; [`Error::NameTooLong`];
    /// [`Error::NoEntry`] if the directory has been removed; [`Error::NotDirectory`];
    /// [`Error::NoSpace`]; [`Error::TooBig`] for the attributes; [`Error::ReadOnly`];
    /// [`Error::Corrupt`], [`Error::Io`]; that of `announce`.
    #[inline(never)]
    pub fn create(
        self,
        workspace: &mut Workspace,
        directory: &mut MapState,
        name: &[u8],
        new: &NewInode<'_>,
        now: Time,
        announce: &mut dyn FnMut(u64, u32) -> Result,
    ) -> Result<Made> {
        match new.kind() {
            S_IFREG | S_IFCHR | S_IFBLK | S_IFIFO | S_IFSOCK => {}
            _ => return Err(Error::Invalid),
        }
        self.add_new(workspace, directory, name, (new, now), announce, |_, _| {
            Ok(Changed::default())
        })
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Error::TooManyLinks`] if its parent has as many as there can be.
    #[inline(never)]
    pub fn mkdir(
        self,
        workspace: &mut Workspace,
        directory: &mut MapState,
        name: &[u8],
        new: &NewInode<'_>,
        now: Time,
        announce: &mut dyn FnMut(u64, u32) -> Result,
    ) -> Result<Made> {
        if new.kind() != S_IFDIR {
            return Err(Error::Invalid);
        }
        let parent = directory.ino;
        self.add_new(
            workspace,
            directory,
            name,
            (new, now),
            announce,
            |tx, inode| {
                inode.links.set(2);
                inode.parent.set(parent);
                Ok(Changed {
                    links: Some(add_links(tx, parent, 1)?),
                    ..Changed::default()
                })
            },
        )
    }

    /// Makes an inode of what `new` says and `contents` adds to it, with a name. `contents` returns what it has
    /// changed in the directory.
    pub(super) fn add_new(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        name: &[u8],
        (new, now): (&NewInode<'_>, Time),
        announce: &mut dyn FnMut(u64, u32) -> Result,
        mut contents: impl FnMut(&mut Transaction<'_, P>, &mut Inode) -> Result<Changed>,
    ) -> Result<Made> {
        new.check()?;
        let mut place = Search::default();
        let Workspace { log, scratch } = workspace;
        let entry = NewEntry::find(self.volume, map, name, false, &mut place, &mut scratch.way)?;
        let group = group_for(self.volume, map.ino, new.kind());
        let mut stamp = Stamp::new();
        let mut changed = Changed::default();
        scratch.inode.zero();
        {
            let mut held = Transaction::new(self.volume, log);
            let mut tx = held.open();
            tx.join(&mut map.stamp)?;
            tx.join(&mut stamp)?;
            tx.attempt(|tx| {
                let inode = &mut scratch.inode;
                new.start(tx, group, now, inode)?;
                changed = contents(tx, inode)?;
                write(tx, inode)?;
                let target = (inode.ino.get(), entry_type(new.mode));
                entry.add(tx, scratch, target, now, &mut changed)
            })?;
            let inode = &scratch.inode;
            announce(inode.ino.get(), inode.generation.get())?;
            tx.commit()?;
        }
        made(&scratch.inode, stamp, changed)
    }

    /// Makes a regular file without a name, near a directory: an orphan, to which
    /// [`link`](Self::link) can give a name. The directory's lock is not needed.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the type is another, [`Error::NoSpace`], [`Error::TooBig`] for the
    /// attributes, [`Error::ReadOnly`], [`Error::Corrupt`], [`Error::Io`]; that of `announce`.
    #[inline(never)]
    pub fn tmpfile(
        self,
        workspace: &mut Workspace,
        directory: u64,
        new: &NewInode<'_>,
        now: Time,
        announce: &mut dyn FnMut(u64, u32) -> Result,
    ) -> Result<Made> {
        self.volume.check_writable()?;
        new.check()?;
        if new.kind() != S_IFREG {
            return Err(Error::Invalid);
        }
        let group = group_for(self.volume, directory, new.kind());
        let mut stamp = Stamp::new();
        let Workspace { log, scratch } = workspace;
        let inode = &mut scratch.inode;
        inode.zero();
        {
            let mut held = Transaction::new(self.volume, log);
            let mut tx = held.open();
            tx.join(&mut stamp)?;
            tx.attempt(|tx| {
                new.start(tx, group, now, inode)?;
                let (next, prev) = add_new_orphan(tx, inode.ino.get())?;
                inode.links.set(0);
                inode.orphan_next.set(next);
                inode.orphan_prev.set(prev);
                write(tx, inode)
            })?;
            announce(inode.ino.get(), inode.generation.get())?;
            tx.commit()?;
        }
        made(inode, stamp, Changed::default())
    }
}

impl<P: Platform> Volume<P> {
    /// Makes the inode that owns blocks which must not be used, of which there is none yet: an empty file without a
    /// name that the superblock names.
    #[inline(never)]
    pub(crate) fn make_bad_blocks_owner(
        &self,
        workspace: &mut Workspace,
        now: Time,
    ) -> Result<MapState> {
        let new = NewInode {
            mode: S_IFREG,
            ..NewInode::default()
        };
        let mut stamp = Stamp::new();
        let Workspace { log, scratch } = workspace;
        let inode = &mut scratch.inode;
        inode.zero();
        {
            let mut held = Transaction::new(self, log);
            let mut tx = held.open();
            tx.join(&mut stamp)?;
            tx.attempt(|tx| {
                new.start(tx, 0, now, inode)?;
                inode.own_flags.set(OWN_BAD_BLOCKS);
                write(tx, inode)?;
                tx.lock_superblock();
                let mut superblock: Superblock = tx.get(0)?;
                superblock.bad_blocks = inode.ino;
                for (offset, value) in self.superblock_words(&superblock) {
                    tx.set(offset, value)?;
                }
                Ok(())
            })?;
            tx.commit()?;
        }
        self.set_bad_blocks_owner(inode.ino.get());
        Ok(MapState::made(
            inode.ino.get(),
            inode.generation.get(),
            inode.mode.get(),
            stamp,
        ))
    }
}

#[inline(always)]
fn made(inode: &Inode, stamp: Stamp, directory: Changed) -> Result<Made> {
    Ok(Made {
        map: MapState::made(
            inode.ino.get(),
            inode.generation.get(),
            inode.mode.get(),
            stamp,
        ),
        attributes: Attributes::of(inode)?,
        directory,
    })
}
