// SPDX-License-Identifier: GPL-2.0

//! Reads what a volume has, whatever it is.

use std::collections::BTreeSet;

use rdaxfs_core::format::{XattrSpace, BLOCK_BYTES, MAX_XATTR_VALUE};
use rdaxfs_core::inode::XattrState;
use rdaxfs_core::xattr::XattrName;

use crate::choices::Choices;
use crate::session::Session;

/// More inodes than a volume of the corpus has room for.
const MANY_INODES: usize = 10_000;
/// More entries than one of its directories has room for.
const MANY_ENTRIES: usize = 100_000;

/// What has been found.
#[derive(Default)]
pub(crate) struct Found {
    /// Inodes.
    pub(crate) inodes: Vec<u64>,
    /// Entries: directory, name, inode.
    pub(crate) entries: Vec<(u64, Vec<u8>, u64)>,
}

/// How much is read.
#[derive(Clone, Copy)]
pub(crate) struct Depth {
    /// Of so many inodes all that they have; of the others that they are there.
    inodes: usize,
    /// So many extents of a file, from its start.
    extents: usize,
}

impl Depth {
    pub(crate) const ALL: Self = Self {
        inodes: usize::MAX,
        extents: usize::MAX,
    };
    /// What differs from one trial to the next.
    pub(crate) const SOME: Self = Self {
        inodes: 16,
        extents: 40,
    };
}

/// Reads what there is. Errors are what a damaged volume is expected to give.
pub(crate) fn walk(session: &mut Session, choices: &mut Choices<'_>, depth: Depth) -> Found {
    let mut found = Found::default();
    session.begin();
    let mut at = 0;
    while let Ok(Some(ino)) = session.volume.inodes().next(at) {
        assert!(ino > at, "inode {ino} comes after {at}");
        at = ino;
        found.inodes.push(ino);
        assert!(found.inodes.len() < MANY_INODES);
    }
    for _ in 0..8 {
        let block = choices.below(session.volume.blocks() + 1);
        let _ = session.volume.owners().use_of(block);
    }
    for group in 0..=session.volume.groups() {
        if group < session.volume.groups() {
            let _ = session.volume.space().of_group(group);
        }
        if let Ok(Some(ino)) = session.volume.inodes().first_unfinished(group) {
            let _ = session.volume.inodes().next_unfinished(ino);
            found.inodes.push(ino);
        }
    }
    let mut bytes = vec![0; MAX_XATTR_VALUE];
    let mut walker = Walker {
        choices,
        depth,
        bytes: &mut bytes,
    };
    let mut known = found.inodes.clone();
    if known.len() > depth.inodes {
        let first = walker.choices.below(known.len() as u64) as usize;
        known.rotate_left(first);
        known.truncate(depth.inodes);
    }
    for ino in known {
        walker.walk_inode(session, ino, &mut found);
    }
    // Where names lead to what the bitmaps do not know.
    let inodes: BTreeSet<u64> = found.inodes.iter().copied().collect();
    let mut more: BTreeSet<u64> = found.entries.iter().map(|&(_, _, ino)| ino).collect();
    more.insert(walker.choices.word());
    for &ino in more.difference(&inodes).take(depth.inodes) {
        walker.walk_inode(session, ino, &mut found);
        found.inodes.push(ino);
    }
    found
}

struct Walker<'w, 'd> {
    choices: &'w mut Choices<'d>,
    depth: Depth,
    /// Room for what is read.
    bytes: &'w mut [u8],
}

impl Walker<'_, '_> {
    fn walk_inode(&mut self, session: &mut Session, ino: u64, found: &mut Found) {
        let Self {
            choices,
            depth,
            bytes,
        } = self;
        let block = choices.below(session.volume.blocks());
        let page = choices.word() >> (32 + choices.below(32));
        let cookie = choices.word() >> choices.below(64);
        let offset = choices.word() >> choices.below(64);
        let _ = session.with(ino, |volume, workspace, map, _| {
            let _ = volume.inodes().attributes(map);
            if choices.once_in(4) {
                let _ = volume.owners().part_of(map, block);
            }
            let _ = volume.files().map(map, page, 1);
            let _ = volume.files().map(map, 0, 1 << 32);
            let (mut at, mut extents) = (0, 0);
            while let Ok(Some(extent)) = volume.files().next_extent(map, at) {
                assert!(extent.end() > at, "{extent:?} is no further than page {at}");
                at = extent.end();
                extents += 1;
                if extents > depth.extents {
                    break;
                }
            }
            let _ = volume.files().read(map, 0, &mut bytes[..3 * BLOCK_BYTES]);
            let _ = volume.files().read(map, offset, &mut bytes[..100]);
            let _ = volume.names().readlink(map, bytes);
            let _ = volume.names().readlink(map, &mut bytes[..5]);
            let _ = volume.names().parent(map);
            let xattrs = XattrState::new(map);
            let mut names = Vec::new();
            let _ = volume.xattrs().list(&xattrs, |name, _| {
                names.push((name.space(), name.rest().to_vec()));
                Ok(())
            });
            names.push((XattrSpace::System, b"posix_acl_access".to_vec()));
            for (space, rest) in names {
                if let Ok(name) = XattrName::new(space, &rest) {
                    let len = if choices.once_in(4) { 0 } else { bytes.len() };
                    let _ = volume.xattrs().get(&xattrs, name, &mut bytes[..len]);
                }
            }
            let mut entries = Vec::new();
            let mut last = 0;
            let _ = volume.names().readdir(workspace, map, 0, |entry| {
                assert!(entry.cookie > last, "cookie {} after {last}", entry.cookie);
                last = entry.cookie;
                entries.push((ino, entry.name.to_vec(), entry.ino));
                assert!(entries.len() < MANY_ENTRIES);
                true
            });
            let _ = volume.names().readdir(workspace, map, cookie, |entry| {
                assert!(entry.cookie >= cookie);
                true
            });
            for (_, name, _) in entries.iter().take(40) {
                let _ = volume.names().lookup(map, name);
            }
            let _ = volume.names().lookup(map, b"no such name");
            found.entries.extend(entries);
            Ok(())
        });
    }
}
