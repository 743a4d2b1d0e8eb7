// SPDX-License-Identifier: GPL-2.0

//! The cache of inodes that the core's caller keeps, as the VFS does: one state for each inode in use.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use rdaxfs_core::inode::{MapState, XattrState};
use rdaxfs_core::{Error, Result};
use rdaxfs_crash::{Held, Lock};

use crate::mounted::Mounted;

/// An inode in use.
pub(crate) struct Inode {
    pub(crate) map: MapState,
    pub(crate) xattrs: XattrState,
    /// It has been freed with its name: who has waited for it looks again.
    pub(crate) freed: bool,
}

/// Inodes by their numbers.
pub(crate) type Inodes = BTreeMap<u64, Arc<Lock<Inode>>>;

/// Inodes that are locked.
pub(crate) type Locked<'a> = BTreeMap<u64, Held<'a, Inode>>;

impl Mounted<'_> {
    fn cache(&self) -> MutexGuard<'_, Inodes> {
        self.inodes
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Puts a new inode into the cache.
    pub(crate) fn enter(&self, map: MapState) -> Arc<Lock<Inode>> {
        let xattrs = XattrState::new(&map);
        let inode = Arc::new(Lock::new(Inode {
            map,
            xattrs,
            freed: false,
        }));
        let ino = inode.lock().map.ino();
        self.cache().insert(ino, inode.clone());
        inode
    }

    /// The inode with a number.
    pub(crate) fn get(&self, ino: u64) -> Result<Arc<Lock<Inode>>> {
        let mut cache = self.cache();
        if let Some(inode) = cache.get(&ino) {
            return Ok(inode.clone());
        }
        // What is left to do for it is done by the next change: to look needs no store.
        let (map, _) = self.volume.inodes().open(ino, None)?;
        let xattrs = XattrState::new(&map);
        let inode = Arc::new(Lock::new(Inode {
            map,
            xattrs,
            freed: false,
        }));
        cache.insert(ino, inode.clone());
        Ok(inode)
    }

    /// Drops all inodes that are not open. What comes again has forgotten which records have words of it.
    pub(crate) fn evict(&self) {
        self.forget_bad_blocks();
        let handles = self.handles();
        self.cache()
            .retain(|ino, _| handles.values().any(|open| open == ino));
    }

    /// Several inodes.
    pub(crate) fn get_all(&self, inos: impl IntoIterator<Item = u64>) -> Result<Inodes> {
        inos.into_iter()
            .map(|ino| Ok((ino, self.get(ino)?)))
            .collect()
    }

    /// Whether nobody uses an inode but one, who has its lock.
    pub(crate) fn is_unused(&self, ino: u64) -> bool {
        if self.handles().values().any(|&open| open == ino) {
            return false;
        }
        let cache = self.cache();
        cache
            .get(&ino)
            .is_some_and(|inode| Arc::strong_count(inode) == 2)
    }

    /// An inode has been freed, whose lock is held: nobody finds it any more.
    pub(crate) fn forget(&self, inode: &mut Inode) {
        inode.freed = true;
        self.cache().remove(&inode.map.ino());
    }

    /// A user of inodes goes: those without a name that nobody else uses are freed.
    pub(crate) fn put(&self, inodes: Inodes) -> Result {
        for (ino, inode) in inodes {
            drop(inode);
            let last = {
                let cache = self.cache();
                let unused = cache
                    .get(&ino)
                    .is_some_and(|inode| Arc::strong_count(inode) == 1);
                unused && !self.handles().values().any(|&open| open == ino)
            };
            if !last {
                continue;
            }
            let inode = self.get(ino)?;
            let links = self.volume.inodes().attributes(&inode.lock().map)?.links;
            if links == 0 {
                self.cache().remove(&ino);
                self.volume
                    .files()
                    .finish(&mut self.workspace(), &mut inode.lock().map)?;
            }
        }
        Ok(())
    }
}

/// Locks inodes, in the order that the core wants: ascending.
pub(crate) fn lock(inodes: &Inodes) -> Locked<'_> {
    inodes
        .iter()
        .map(|(&ino, inode)| (ino, inode.lock()))
        .collect()
}

/// The locked inodes with these numbers; the same number twice is an error.
pub(crate) fn pick<'l, const N: usize>(
    locked: &'l mut Locked<'_>,
    inos: [u64; N],
) -> Result<[&'l mut Inode; N]> {
    let mut places = [const { None }; N];
    for (ino, inode) in locked {
        if inode.freed && inos.contains(ino) {
            return Err(Error::Stale);
        }
        if let Some(at) = inos.iter().position(|wanted| wanted == ino) {
            places[at] = Some(&mut **inode);
        }
    }
    if places.iter().any(Option::is_none) {
        return Err(Error::Invalid);
    }
    Ok(places.map(|place| place.expect("none is missing")))
}
