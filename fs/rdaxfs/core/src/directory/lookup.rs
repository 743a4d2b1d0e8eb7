// SPDX-License-Identifier: GPL-2.0

//! From a name to its entry.

use super::entry::{Found, Name};
use super::leaf::Leaf;
use super::{contents, directory_of, inline, Contents};
use crate::format::last_key;
use crate::inode::MapState;
use crate::name::Names;
use crate::platform::Platform;
use crate::tree::{descend, Path, Tree};
use crate::volume::Volume;
use crate::{Error, Result};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The inode's number; [`Inodes::open`](crate::inode::Inodes::open) judges whether there is one.
    pub ino: u64,
    /// Its type (`DT_*`).
    pub kind: u8,
}

impl<P: Platform> Names<'_, P> {
    /// Looks a name up in a directory.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`] if there is no such name, [`Error::NotDirectory`] if the inode, which the
    /// caller knows to be a directory, has contents of another kind,
    /// [`Error::NameTooLong`] and [`Error::Invalid`] as [`check_name`](super::check_name) says,
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn lookup(self, directory: &MapState, name: &[u8]) -> Result<Target> {
        let name = Name::new(self.volume, name)?;
        let (mut place, mut path) = (Search::default(), Path::new());
        let directory = directory_of(directory);
        search(self.volume, &directory, &name, &mut place, &mut path)?;
        let found = place.found.ok_or(Error::NoEntry)?;
        Ok(Target {
            ino: found.ino(),
            kind: found.kind(),
        })
    }
}

/// What a search for a name has come upon.
#[derive(Default)]
pub(crate) struct Search {
    pub(crate) found: Option<Found>,
    /// The largest key of a name with the same hash; of all of them if the name is not among them.
    pub(super) last: Option<u64>,
    /// The last leaf that was looked at. It and the way to it are what they were until the tree is changed;
    /// which lines of the leaf are in use may have changed since.
    pub(super) leaf: Option<Leaf>,
}

impl Search {
    /// Notes the key of a name with the same hash.
    pub(super) fn saw(&mut self, key: u64) {
        self.last = self.last.max(Some(key));
    }
}

/// Looks for a name in a directory as it is on the medium; `search` is a new one, and `path` becomes the way to its
/// leaf. Both are of no use when that fails.
pub(crate) fn search<P: Platform>(
    volume: &Volume<P>,
    directory: &Tree,
    name: &Name<'_>,
    search: &mut Search,
    path: &mut Path,
) -> Result {
    let root = match contents(volume, directory)? {
        Contents::Empty => return Ok(()),
        Contents::Inline(len) => {
            return inline::Entries::read(volume, directory, len)?.find(volume, name, search);
        }
        Contents::Tree(block, level) => (block, level),
    };
    let mut key = name.key;
    loop {
        descend(volume, volume, directory, root, key, path)?;
        let leaf = Leaf::read(volume, volume, directory, path)?;
        leaf.find(volume, name, search)?;
        // The names with one hash may be in several leaves.
        if search.found.is_some() || path.end > last_key(name.key) {
            search.leaf = Some(leaf);
            return Ok(());
        }
        if path.end <= key {
            return Err(Error::Corrupt);
        }
        key = path.end;
    }
}
