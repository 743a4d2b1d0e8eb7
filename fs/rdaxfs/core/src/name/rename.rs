// SPDX-License-Identifier: GPL-2.0

//! Renaming.

use core::mem::offset_of;

use zerocopy::FromZeros;

use super::changes::RenameChanges;
use super::new::{group_for, write, NewInode};
use super::words::{add_links, changed, check_directory, drop_name, modified};
use super::Names;
use crate::directory::{
    directory_of, drop_empty_leaf, insert, remove, search, set_target, settle, Found, Inserted,
    Name, Search,
};
use crate::format::{entry_type, Inode, Time, S_IFCHR};
use crate::inode::{inode_word, Changed, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::tree::Tree;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

/// What becomes of an inode that has the new name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// It loses it.
    Replace,
    /// Nothing: the rename fails (`RENAME_NOREPLACE`).
    NoReplace,
    /// It gets the old name (`RENAME_EXCHANGE`).
    Exchange,
}

/// The directories of a rename.
#[derive(Debug)]
pub enum Directories<'d> {
    /// Both names are in this one.
    One(&'d mut MapState),
    /// The old name's and the new name's directory, which differ.
    Two(&'d mut MapState, &'d mut MapState),
}

/// The inodes of a rename.
#[derive(Debug)]
pub struct Renamed<'i> {
    /// The one that has the old name.
    pub moved: &'i mut MapState,
    /// The one that has the new name already, if one has and it is another one.
    pub other: Option<&'i mut MapState>,
    /// Nobody uses the other one but the caller, nor can come to: if this was its last name it is freed
    /// at once, if it has few blocks, as [`Names::unlink_last`] does.
    pub other_is_unused: bool,
    /// An inode that is made and gets the old name (`RENAME_WHITEOUT`): a device of number 0. Not
    /// together with [`RenameMode::Exchange`]. Nobody can have it open, so it is not announced.
    pub whiteout: Option<&'i NewInode<'i>>,
}

impl<P: Platform> Names<'_, P> {
    /// Renames an inode from the first of the names to the second. If it has both already, nothing happens.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`] if the old name does not exist, or to exchange, the new one, or the new
    /// name's directory has been removed; [`Error::Exists`] as `mode` says; [`Error::IsDirectory`],
    /// [`Error::NotDirectory`] if a directory would replace something else, or be replaced by it;
    /// [`Error::NotEmpty`] if the replaced directory is not empty; [`Error::Stale`] if a name is not that
    /// of the inode passed; [`Error::Invalid`] if a name cannot be one, or a directory would be
    /// moved into itself; [`Error::NameTooLong`]; [`Error::TooManyLinks`];
    /// [`Error::NoSpace`], not when a name is replaced; [`Error::ReadOnly`], [`Error::Corrupt`],
    /// [`Error::Io`].
    #[inline(never)]
    pub fn rename(
        self,
        workspace: &mut Workspace,
        mut directories: Directories<'_>,
        (old_name, new_name): (&[u8], &[u8]),
        renamed: Renamed<'_>,
        mode: RenameMode,
        now: Time,
    ) -> Result<RenameChanges> {
        self.volume.check_writable()?;
        let Renamed {
            moved,
            mut other,
            other_is_unused,
            whiteout,
        } = renamed;
        if let Some(whiteout) = whiteout {
            whiteout.check()?;
            if mode == RenameMode::Exchange || whiteout.kind() != S_IFCHR {
                return Err(Error::Invalid);
            }
        }
        let (from, to) = match &directories {
            Directories::One(map) => (&**map, &**map),
            Directories::Two(from, to) => (&**from, &**to),
        };
        check_directory(self.volume, to)?;
        let new_name = Name::new(self.volume, new_name)?;
        let old = self.found(from, old_name, moved)?;
        let mut new = Search::default();
        let way = &mut workspace.scratch.way;
        search(self.volume, &directory_of(to), &new_name, &mut new, way)?;
        match (&new.found, mode) {
            (Some(_), RenameMode::NoReplace) => return Err(Error::Exists),
            (None, RenameMode::Exchange) => return Err(Error::NoEntry),
            (Some(found), _) if found.ino() == moved.ino => {
                return Ok(RenameChanges::default());
            }
            _ => {}
        }
        let has_name = new.found.as_ref().map(Found::ino);
        if has_name != other.as_ref().map(|other| other.ino) {
            return Err(Error::Stale);
        }
        if to.ino == moved.ino || Some(from.ino) == has_name {
            return Err(Error::Invalid);
        }
        let mut rename = Rename {
            from: directory_of(from),
            to: directory_of(to),
            old,
            new: &new,
            moved: Moved::of(moved),
            other: other.as_deref().map(Moved::of),
            exchange: mode == RenameMode::Exchange,
            whiteout,
            is_last: false,
            now,
        };
        let mut emptied = Changed::default();
        if let (Some(replaced), Some(map)) = (rename.replaced()?, other.as_mut()) {
            if replaced.directory {
                emptied = self.volume.require_empty(workspace, map)?;
            }
            if other_is_unused {
                let last = &mut workspace.scratch.last;
                let found = last.find(self.volume, map, replaced.directory);
                rename.is_last = found.unwrap_or(false);
                self.volume.files().close(map);
            }
        }
        let mut changes = RenameChanges::default();
        if rename.is_last {
            let done = self.rename_once(
                workspace,
                &mut directories,
                moved,
                other.as_deref_mut(),
                (&rename, &new_name),
                &mut changes,
            );
            match done {
                Ok(()) => return Ok(changes),
                // It becomes an orphan: see `unlink_last`.
                Err(_) => rename.is_last = false,
            }
        }
        self.rename_once(
            workspace,
            &mut directories,
            moved,
            other,
            (&rename, &new_name),
            &mut changes,
        )?;
        (changes.other.size, changes.other.blocks) = (emptied.size, emptied.blocks);
        Ok(changes)
    }

    /// Does a rename that has been judged.
    #[inline(never)]
    fn rename_once(
        self,
        workspace: &mut Workspace,
        directories: &mut Directories<'_>,
        moved: &mut MapState,
        other: Option<&mut MapState>,
        (rename, new_name): (&Rename<'_>, &Name<'_>),
        changes: &mut RenameChanges,
    ) -> Result {
        let Workspace { log, scratch } = workspace;
        let mut held = Transaction::new(self.volume, log);
        let mut tx = held.open();
        match directories {
            Directories::One(map) => tx.join(&mut map.stamp)?,
            Directories::Two(from, to) => {
                tx.join(&mut from.stamp)?;
                tx.join(&mut to.stamp)?;
            }
        }
        tx.join(&mut moved.stamp)?;
        if let Some(other) = other {
            tx.join(&mut other.stamp)?;
        }
        tx.attempt(|tx| {
            *changes = RenameChanges {
                renamed: true,
                ..RenameChanges::default()
            };
            rename.change_entries(tx, scratch, new_name, changes)?;
            rename.change_inodes(tx, scratch, changes)
        })?;
        tx.commit()
    }
}

/// An inode that gets or loses a name.
#[derive(Clone, Copy)]
struct Moved {
    ino: u64,
    directory: bool,
}

impl Moved {
    const fn of(map: &MapState) -> Self {
        Self {
            ino: map.ino,
            directory: map.is_directory(),
        }
    }
}

/// A rename that has been judged.
struct Rename<'r> {
    from: Tree,
    to: Tree,
    old: Found,
    new: &'r Search,
    moved: Moved,
    /// What has the new name.
    other: Option<Moved>,
    exchange: bool,
    whiteout: Option<&'r NewInode<'r>>,
    /// The new name's inode is freed, with what the workspace says.
    is_last: bool,
    now: Time,
}

impl Rename<'_> {
    /// The inode that loses its name.
    fn replaced(&self) -> Result<Option<Moved>> {
        match self.other.filter(|_| !self.exchange) {
            Some(other) if other.directory && !self.moved.directory => Err(Error::IsDirectory),
            Some(other) if !other.directory && self.moved.directory => Err(Error::NotDirectory),
            other => Ok(other),
        }
    }

    /// What follows from the entries.
    #[inline(never)]
    fn change_inodes<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        scratch: &Scratch,
        changes: &mut RenameChanges,
    ) -> Result {
        self.change_links(tx, changes)?;
        if let Some(replaced) = self.replaced()?.filter(|_| !self.is_last) {
            let left = drop_name(tx, replaced.ino, replaced.directory, self.now)?;
            changes.other.links = Some(left);
        }
        changed(tx, self.moved.ino, self.now)?;
        if let Some(other) = self.other.filter(|_| !self.is_last) {
            changed(tx, other.ino, self.now)?;
        }
        modified(tx, self.from.ino, self.now)?;
        modified(tx, self.to.ino, self.now)?;
        settle(tx, &scratch.made, &self.to, &mut changes.to)?;
        if self.is_last {
            scratch.last.free(tx)?;
            changes.other.links = Some(0);
            changes.freed = true;
        }
        Ok(())
    }

    #[inline(never)]
    fn change_entries<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        scratch: &mut Scratch,
        name: &Name<'_>,
        changes: &mut RenameChanges,
    ) -> Result {
        scratch.nodes.blocks.start(self.to.ino, false);
        scratch.made.start(self.to.ino, false);
        let target = (self.moved.ino, self.old.kind());
        let mut inserted = Inserted::InPlace;
        if let Some(found) = &self.new.found {
            set_target(tx, &self.to, found, target)?;
            if self.exchange {
                set_target(tx, &self.from, &self.old, (found.ino(), found.kind()))?;
                return Ok(());
            }
            self.leave(tx, &mut scratch.inode)?;
        } else {
            // In this order: in one directory, the inode may have room for one entry only.
            self.leave(tx, &mut scratch.inode)?;
            inserted = insert(tx, scratch, &self.to, (name, self.new), target)?;
        }
        if inserted == Inserted::Rewritten {
            // What follows has its own.
            core::mem::swap(&mut scratch.nodes.blocks, &mut scratch.made);
        }
        // A transaction changes a tree but once. An empty leaf may stay.
        let one = self.from.ino == self.to.ino;
        if self.whiteout.is_some() || (one && inserted == Inserted::Rewritten) {
            return Ok(());
        }
        let changed = if one {
            &mut changes.to
        } else {
            &mut changes.from
        };
        drop_empty_leaf(tx, scratch, &self.from, &self.old, changed)
    }

    /// The old name goes, or becomes that of a whiteout.
    fn leave<P: Platform>(&self, tx: &mut Transaction<'_, P>, inode: &mut Inode) -> Result {
        match self.whiteout {
            Some(new) => self.leave_whiteout(tx, new, inode),
            None => remove(tx, &self.from, &self.old),
        }
    }

    #[inline(never)]
    fn leave_whiteout<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        new: &NewInode<'_>,
        inode: &mut Inode,
    ) -> Result {
        let group = group_for(tx.volume(), self.from.ino, new.kind());
        inode.zero();
        new.start(tx, group, self.now, inode)?;
        write(tx, inode)?;
        let target = (inode.ino.get(), entry_type(new.mode));
        set_target(tx, &self.from, &self.old, target)
    }

    /// A directory counts as a link of its parent, which it knows.
    fn change_links<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        changes: &mut RenameChanges,
    ) -> Result {
        let moved = i64::from(self.moved.directory);
        let other = i64::from(self.other.is_some_and(|other| other.directory));
        // What the new name's directory gets, and the old one's loses.
        let (to, from) = if self.exchange {
            (moved - other, other - moved)
        } else {
            (moved - other, -moved)
        };
        if self.from.ino == self.to.ino {
            if from + to != 0 {
                changes.to.links = Some(add_links(tx, self.to.ino, from + to)?);
            }
            return Ok(());
        }
        for (ino, more, changed) in [
            (self.to.ino, to, &mut changes.to),
            (self.from.ino, from, &mut changes.from),
        ] {
            if more != 0 {
                changed.links = Some(add_links(tx, ino, more)?);
            }
        }
        if self.moved.directory {
            set_parent(tx, self.moved.ino, self.to.ino)?;
        }
        match self.other {
            Some(other) if other.directory && self.exchange => {
                set_parent(tx, other.ino, self.from.ino)
            }
            _ => Ok(()),
        }
    }
}

fn set_parent<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64, parent: u64) -> Result {
    tx.set(inode_word(ino, offset_of!(Inode, parent)), parent)
}
