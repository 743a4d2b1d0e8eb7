// SPDX-License-Identifier: GPL-2.0

//! Names of inodes that exist, as they come and go.

use core::mem::offset_of;

use super::changes::Changes;
use super::entry::NewEntry;
use super::words::{
    add_links, change_links, changed, check_directory, drop_name, links, mode, modified,
};
use super::Names;
use crate::directory::{directory_of, drop_empty_leaf, remove, search, Found, Name, Search};
use crate::format::{entry_type, Inode, Time};
use crate::inode::{inode_word, intent_of, is_listed, remove_orphan, Changed, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::Path;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What loses a name.
struct Removed {
    is_directory: bool,
    /// What has changed in it before.
    changed: Changed,
    /// What it has is freed with the name: what the workspace says.
    is_last: bool,
}

impl<P: Platform> Names<'_, P> {
    /// Gives an inode, which is no directory, another name; an orphan gets its first.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Error::IsDirectory`]; [`Error::TooManyLinks`].
    #[inline(never)]
    pub fn link(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        name: &[u8],
        inode: &mut MapState,
        now: Time,
    ) -> Result<Changes> {
        if inode.is_directory() {
            return Err(Error::IsDirectory);
        }
        self.add_name(
            workspace,
            (map, name),
            inode,
            now,
            false,
            |tx, ino, changes| {
                if links(tx, ino)? == 0 && intent_of(tx, ino)?.kind == 0 {
                    if !is_listed(tx, ino)? {
                        return Err(Error::Corrupt);
                    }
                    remove_orphan(tx, ino)?;
                }
                changes.inode.links = Some(add_links(tx, ino, 1)?);
                Ok(())
            },
        )
    }

    /// Gives a name to an inode that has links and lost all its names: for fsck's lost+found.
    ///
    /// # Errors
    ///
    /// As [`link`](Self::link).
    pub fn adopt(
        self,
        workspace: &mut Workspace,
        map: &mut MapState,
        name: &[u8],
        inode: &mut MapState,
        now: Time,
    ) -> Result<Changes> {
        let parent = map.ino;
        let directory = inode.is_directory();
        // What is repaired must not fail for lack of space, as far as that can be.
        self.add_name(
            workspace,
            (map, name),
            inode,
            now,
            true,
            |tx, ino, changes| {
                if directory {
                    tx.set(inode_word(ino, offset_of!(Inode, parent)), parent)?;
                    changes.directory.links = Some(add_links(tx, parent, 1)?);
                    return Ok(());
                }
                changes.inode.links = Some(1);
                change_links(tx, ino, |_| Ok(1)).map(drop)
            },
        )
    }

    /// Adds an entry for an inode, together with what `counted` changes of it; `reserve`: from the last blocks
    /// too.
    fn add_name(
        self,
        workspace: &mut Workspace,
        (map, name): (&mut MapState, &[u8]),
        inode: &mut MapState,
        now: Time,
        reserve: bool,
        mut counted: impl FnMut(&mut Transaction<'_, P>, u64, &mut Changes) -> Result,
    ) -> Result<Changes> {
        let mut place = Search::default();
        let Workspace { log, scratch } = workspace;
        let entry = NewEntry::find(
            self.volume,
            map,
            name,
            reserve,
            &mut place,
            &mut scratch.way,
        )?;
        let ino = inode.ino;
        let target = (ino, entry_type(mode(self.volume, inode)?));
        let mut held = Transaction::new(self.volume, log);
        let mut tx = held.open();
        tx.join(&mut map.stamp)?;
        tx.join(&mut inode.stamp)?;
        let changes = tx.attempt(|tx| {
            let mut changes = Changes::default();
            counted(tx, ino, &mut changes)?;
            changed(tx, ino, now)?;
            entry.add(tx, scratch, target, now, &mut changes.directory)?;
            Ok(changes)
        })?;
        tx.commit()?;
        Ok(changes)
    }

    /// Removes a name of an inode that is no directory. Without another name it is an orphan from then
    /// on.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`] if there is no such name, [`Error::Stale`] if it is another inode's,
    /// [`Error::IsDirectory`], [`Error::NotDirectory`], [`Error::ReadOnly`], [`Error::Corrupt`],
    /// [`Error::Io`]. Never for lack of space.
    pub fn unlink(
        self,
        workspace: &mut Workspace,
        directory: &mut MapState,
        name: &[u8],
        inode: &mut MapState,
        now: Time,
    ) -> Result<Changes> {
        let found = self.found(directory, name, inode)?;
        if inode.is_directory() {
            return Err(Error::IsDirectory);
        }
        let removed = Removed {
            is_directory: false,
            changed: Changed::default(),
            is_last: false,
        };
        self.remove_name(workspace, (directory, &found), inode, &removed, now)
    }

    /// As [`unlink`](Self::unlink), for an inode that nobody uses but the caller, and that nobody can come to
    /// use: if this is its last name, and what it has fits one transaction, it is freed at once, and an
    /// orphan otherwise, which [`Changes::freed`] says.
    ///
    /// The caller also has the lock of its attributes, or nobody can have it.
    ///
    /// # Errors
    ///
    /// As [`unlink`](Self::unlink).
    pub fn unlink_last(
        self,
        workspace: &mut Workspace,
        directory: &mut MapState,
        name: &[u8],
        inode: &mut MapState,
        now: Time,
    ) -> Result<Changes> {
        let found = self.found(directory, name, inode)?;
        if inode.is_directory() {
            return Err(Error::IsDirectory);
        }
        let last = &mut workspace.scratch.last;
        let mut removed = Removed {
            is_directory: false,
            changed: Changed::default(),
            is_last: last.find(self.volume, inode, false).unwrap_or(false),
        };
        if removed.is_last {
            self.volume.files().close(inode);
        }
        self.remove_last(workspace, (directory, &found), inode, &mut removed, now)
    }

    /// Removes a directory, which has no entries. It is an orphan from then on.
    ///
    /// # Errors
    ///
    /// As [`unlink`](Self::unlink), but [`Error::NotDirectory`] if the inode is none;
    /// [`Error::NotEmpty`].
    pub fn rmdir(
        self,
        workspace: &mut Workspace,
        directory: &mut MapState,
        name: &[u8],
        inode: &mut MapState,
        now: Time,
    ) -> Result<Changes> {
        let (found, changed) = self.found_empty(workspace, directory, name, inode)?;
        let removed = Removed {
            is_directory: true,
            changed,
            is_last: false,
        };
        self.remove_name(workspace, (directory, &found), inode, &removed, now)
    }

    /// As [`rmdir`](Self::rmdir), for a directory that nobody uses but the caller, and that nobody can come
    /// to use: see [`unlink_last`](Self::unlink_last).
    ///
    /// # Errors
    ///
    /// As [`rmdir`](Self::rmdir).
    pub fn rmdir_last(
        self,
        workspace: &mut Workspace,
        directory: &mut MapState,
        name: &[u8],
        inode: &mut MapState,
        now: Time,
    ) -> Result<Changes> {
        let (found, changed) = self.found_empty(workspace, directory, name, inode)?;
        let last = &mut workspace.scratch.last;
        let mut removed = Removed {
            is_directory: true,
            changed,
            is_last: last.find(self.volume, inode, true).unwrap_or(false),
        };
        self.remove_last(workspace, (directory, &found), inode, &mut removed, now)
    }

    /// The entry with a name, which must be that of a directory without entries; and what has changed in that.
    fn found_empty(
        self,
        workspace: &mut Workspace,
        directory: &MapState,
        name: &[u8],
        inode: &mut MapState,
    ) -> Result<(Found, Changed)> {
        let found = self.found(directory, name, inode)?;
        if !inode.is_directory() {
            return Err(Error::NotDirectory);
        }
        Ok((found, self.volume.require_empty(workspace, inode)?))
    }

    /// The entry with a name, which must be the inode's.
    pub(super) fn found(
        self,
        directory: &MapState,
        name: &[u8],
        inode: &MapState,
    ) -> Result<Found> {
        self.volume.check_writable()?;
        let name = Name::new(self.volume, name)?;
        let (mut place, mut path) = (Search::default(), Path::new());
        let directory = directory_of(directory);
        search(self.volume, &directory, &name, &mut place, &mut path)?;
        let found = place.found.ok_or(Error::NoEntry)?;
        if found.ino() != inode.ino {
            return Err(Error::Stale);
        }
        Ok(found)
    }

    /// Removes a name, and what had it if that is to be freed and can be.
    fn remove_last(
        self,
        workspace: &mut Workspace,
        (map, found): (&mut MapState, &Found),
        inode: &mut MapState,
        removed: &mut Removed,
        now: Time,
    ) -> Result<Changes> {
        let done = self.remove_name(workspace, (map, found), inode, removed, now);
        if done.is_ok() || !removed.is_last {
            return done;
        }
        // Somebody holds groups that it needs, or what it has makes no sense: it is an orphan then.
        removed.is_last = false;
        self.remove_name(workspace, (map, found), inode, removed, now)
    }

    #[inline(never)]
    fn remove_name(
        self,
        workspace: &mut Workspace,
        (map, found): (&mut MapState, &Found),
        inode: &mut MapState,
        removed: &Removed,
        now: Time,
    ) -> Result<Changes> {
        let (directory, ino) = (directory_of(map), inode.ino);
        let Workspace { log, scratch } = workspace;
        let mut held = Transaction::new(self.volume, log);
        let mut tx = held.open();
        tx.join(&mut map.stamp)?;
        tx.join(&mut inode.stamp)?;
        let changes = tx.attempt(|tx| {
            let mut changes = Changes {
                inode: removed.changed,
                ..Changes::default()
            };
            remove(tx, &directory, found)?;
            if !removed.is_last {
                let left = drop_name(tx, ino, removed.is_directory, now)?;
                changes.inode.links = Some(left);
            }
            if removed.is_directory {
                changes.directory.links = Some(add_links(tx, directory.ino, -1)?);
            }
            modified(tx, directory.ino, now)?;
            let changed = &mut changes.directory;
            drop_empty_leaf(tx, scratch, &directory, found, changed)?;
            if removed.is_last {
                scratch.last.free(tx)?;
                changes.inode.links = Some(0);
                changes.freed = true;
            }
            Ok(changes)
        })?;
        tx.commit()?;
        Ok(changes)
    }

    /// The parent of a directory.
    ///
    /// # Errors
    ///
    /// [`Error::NotDirectory`], [`Error::NoEntry`] if it has been removed.
    pub fn parent(self, directory: &MapState) -> Result<u64> {
        check_directory(self.volume, directory)?;
        self.volume
            .word(inode_word(directory.ino, offset_of!(Inode, parent)))
    }
}
