// SPDX-License-Identifier: GPL-2.0

//! Removing an entry, or making it name another inode.

use super::entry::{Found, Place};
use super::insert::settle;
use super::leaf::{line_offset, lines_of, set_lines, Leaf};
use super::{contents, directory_of, inline, Contents};
use crate::format::{entry_target, target_len, EntryHead};
use crate::inode::{Changed, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::tree::{self, descend, Path, Tree};
use crate::volume::Volume;
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Result};

/// Removes an entry. Its leaf stays, even if it is empty now: see [`drop_empty_leaf`].
pub(crate) fn remove<P: Platform>(
    tx: &mut Transaction<'_, P>,
    directory: &Tree,
    found: &Found,
) -> Result {
    match found.place {
        Place::Inline(at) => {
            let mut entries = inline_entries(tx, directory)?;
            entries.remove(at)?;
            entries.write(tx, directory)
        }
        Place::Leaf(block, line) => {
            let lines = lines_of(tx, block)?;
            set_lines(tx, block, lines, lines.without(line))
        }
    }
}

/// Makes an entry name another inode.
pub(crate) fn set_target<P: Platform>(
    tx: &mut Transaction<'_, P>,
    directory: &Tree,
    found: &Found,
    (ino, kind): (u64, u8),
) -> Result {
    let target = entry_target(ino, target_len(found.target), kind);
    match found.place {
        Place::Inline(at) => {
            let mut entries = inline_entries(tx, directory)?;
            *entries.target_at(at)? = target.to_le_bytes();
            entries.write(tx, directory)
        }
        Place::Leaf(block, line) => {
            let field = core::mem::offset_of!(EntryHead, target) as u64;
            tx.set(line_offset(block, line) + field, target)
        }
    }
}

/// Takes the leaf that an entry was removed from out of the tree if it is empty now. The transaction
/// changes the tree in no other way, and allocates nothing after this.
///
/// Without a block for the copy of an inner node the leaf stays: removing a name does not fail for
/// that, and an empty leaf does no harm.
pub(crate) fn drop_empty_leaf<P: Platform>(
    tx: &mut Transaction<'_, P>,
    scratch: &mut Scratch,
    directory: &Tree,
    removed: &Found,
    changed: &mut Changed,
) -> Result {
    match removed.place {
        Place::Leaf(block, _) if lines_of(tx, block)?.used() == 0 => {}
        _ => return Ok(()),
    }
    let Scratch { nodes, path, .. } = scratch;
    nodes.blocks.start(directory.ino, true);
    leaf_of(tx, directory, removed.key, path)?;
    match tree::remove(tx, nodes, (directory, path)) {
        Ok(()) => settle(tx, &nodes.blocks, directory, changed),
        Err(Error::NoSpace) => Ok(()),
        Err(error) => Err(error),
    }
}

fn inline_entries<P: Platform>(
    tx: &Transaction<'_, P>,
    directory: &Tree,
) -> Result<inline::Entries> {
    match contents(tx, directory)? {
        Contents::Inline(len) => inline::Entries::read(tx, directory, len),
        _ => Err(Error::Corrupt),
    }
}

fn leaf_of<P: Platform>(
    tx: &Transaction<'_, P>,
    directory: &Tree,
    key: u64,
    path: &mut Path,
) -> Result<Leaf> {
    let Contents::Tree(block, level) = contents(tx, directory)? else {
        return Err(Error::Corrupt);
    };
    descend(tx, tx.volume(), directory, (block, level), key, path)?;
    Leaf::read(tx, tx.volume(), directory, path)
}

impl<P: Platform> Volume<P> {
    /// Makes sure that a directory has no entries, and no blocks. Leaves that are empty are removed,
    /// each in a transaction of its own, which nobody can tell but by the directory's size; returns what
    /// that has changed.
    ///
    /// # Errors
    ///
    /// [`Error::NotEmpty`] if there are entries.
    pub(crate) fn require_empty(
        &self,
        workspace: &mut Workspace,
        map: &mut MapState,
    ) -> Result<Changed> {
        let directory = directory_of(map);
        let mut changed = Changed::default();
        loop {
            match contents(self, &directory)? {
                Contents::Empty => return Ok(changed),
                Contents::Inline(_) => return Err(Error::NotEmpty),
                Contents::Tree(..) => changed = self.remove_first_leaf(workspace, map)?,
            }
        }
    }

    #[inline(never)]
    fn remove_first_leaf(&self, workspace: &mut Workspace, map: &mut MapState) -> Result<Changed> {
        let directory = directory_of(map);
        let Workspace { log, scratch } = workspace;
        let Scratch { nodes, path, .. } = scratch;
        let mut held = Transaction::new(self, log);
        let mut tx = held.open();
        tx.join(&mut map.stamp)?;
        let changed = tx.attempt(|tx| {
            let leaf = leaf_of(tx, &directory, 0, path)?;
            if leaf.lines.used() != 0 {
                return Err(Error::NotEmpty);
            }
            nodes.blocks.start(directory.ino, true);
            tree::remove(tx, nodes, (&directory, path))?;
            let mut changed = Changed::default();
            settle(tx, &nodes.blocks, &directory, &mut changed)?;
            Ok(changed)
        })?;
        tx.commit()?;
        Ok(changed)
    }
}
