// SPDX-License-Identifier: GPL-2.0

//! A new entry of a directory, with what it changes in the directory's inode.

use super::words::{check_directory, modified};
use crate::directory::{directory_of, insert, search, settle, Name, Search};
use crate::format::Time;
use crate::inode::{Changed, MapState};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::tree::{Path, Tree};
use crate::volume::Volume;
use crate::workspace::Scratch;
use crate::{Error, Result};

/// An entry that is to be.
pub(super) struct NewEntry<'e> {
    pub(super) directory: Tree,
    pub(super) name: Name<'e>,
    /// Where it goes.
    pub(super) search: &'e Search,
    /// The last blocks of a group may be taken for it.
    pub(super) reserve: bool,
}

impl<'e> NewEntry<'e> {
    /// An entry for a name that the directory does not have; `search` is a new one, and `way` the workspace's.
    pub(super) fn find<P: Platform>(
        volume: &Volume<P>,
        map: &MapState,
        name: &'e [u8],
        reserve: bool,
        place: &'e mut Search,
        way: &mut Path,
    ) -> Result<Self> {
        volume.check_writable()?;
        check_directory(volume, map)?;
        let (name, directory) = (Name::new(volume, name)?, directory_of(map));
        search(volume, &directory, &name, place, way)?;
        if place.found.is_some() {
            return Err(Error::Exists);
        }
        Ok(Self {
            directory,
            name,
            search: place,
            reserve,
        })
    }

    /// Makes it lead to an inode, of whose type it tells. `changed` is of the directory.
    pub(super) fn add<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        scratch: &mut Scratch,
        target: (u64, u8),
        now: Time,
        changed: &mut Changed,
    ) -> Result {
        let blocks = &mut scratch.nodes.blocks;
        blocks.start(self.directory.ino, self.reserve);
        insert(
            tx,
            scratch,
            &self.directory,
            (&self.name, self.search),
            target,
        )?;
        modified(tx, self.directory.ino, now)?;
        settle(tx, &scratch.nodes.blocks, &self.directory, changed)
    }
}
