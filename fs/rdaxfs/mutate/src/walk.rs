// SPDX-License-Identifier: GPL-2.0

//! Reads all that a volume has, whatever it is.

use rdaxfs_core::format::{XattrSpace, BLOCK_SIZE, MAX_XATTR_VALUE};
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

/// Reads everything. Errors are what a damaged volume is expected to give.
pub(crate) fn walk(session: &mut Session, choices: &mut Choices<'_>) -> Found {
    let mut found = Found::default();
    session.begin();
    let mut at = 0;
    while let Ok(Some(ino)) = session.volume.next_inode(at) {
        assert!(ino > at, "inode {ino} comes after {at}");
        at = ino;
        found.inodes.push(ino);
        assert!(found.inodes.len() < MANY_INODES);
    }
    for _ in 0..8 {
        let block = choices.below(session.volume.blocks() + 1);
        let _ = session.volume.use_of(block);
    }
    for group in 0..=session.volume.groups() {
        if group < session.volume.groups() {
            let _ = session.volume.count_group(group);
        }
        if let Ok(Some(ino)) = session.volume.first_unfinished(group) {
            let _ = session.volume.next_unfinished(ino);
            found.inodes.push(ino);
        }
    }
    let known = found.inodes.clone();
    for ino in known {
        walk_inode(session, ino, choices, &mut found);
    }
    // Where names lead to what the bitmaps do not know.
    let mut more: Vec<u64> = found.entries.iter().map(|&(_, _, ino)| ino).collect();
    more.push(choices.word());
    more.retain(|ino| !found.inodes.contains(ino));
    more.sort_unstable();
    more.dedup();
    for ino in more {
        walk_inode(session, ino, choices, &mut found);
        found.inodes.push(ino);
    }
    found
}

fn walk_inode(session: &mut Session, ino: u64, choices: &mut Choices<'_>, found: &mut Found) {
    let block = choices.below(session.volume.blocks());
    let page = choices.word() >> (32 + choices.below(32));
    let cookie = choices.word() >> choices.below(64);
    let offset = choices.word() >> choices.below(64);
    let _ = session.with(ino, |volume, workspace, map, _| {
        let _ = volume.attributes(map);
        let _ = volume.part_of(map, block);
        let _ = volume.map(map, page, 1);
        let _ = volume.map(map, 0, 1 << 32);
        let mut at = 0;
        while let Ok(Some(extent)) = volume.next_extent(map, at) {
            assert!(extent.end() > at, "{extent:?} is no further than page {at}");
            at = extent.end();
        }
        let mut bytes = vec![0; 3 * BLOCK_SIZE as usize];
        let _ = volume.read_file(map, 0, &mut bytes);
        let _ = volume.read_file(map, offset, &mut bytes[..100]);
        let _ = volume.readlink(map, &mut bytes);
        let _ = volume.readlink(map, &mut bytes[..5]);
        let _ = volume.parent(map);
        let xattrs = XattrState::new(map);
        let mut names = Vec::new();
        let _ = volume.list_xattrs(&xattrs, |name, _| {
            names.push((name.space(), name.rest().to_vec()));
            Ok(())
        });
        names.push((XattrSpace::System, b"posix_acl_access".to_vec()));
        let mut value = vec![0; MAX_XATTR_VALUE];
        for (space, rest) in names {
            if let Ok(name) = XattrName::new(space, &rest) {
                let _ = volume.get_xattr(&xattrs, name, &mut value);
                let _ = volume.get_xattr(&xattrs, name, &mut []);
            }
        }
        let mut entries = Vec::new();
        let mut last = 0;
        let _ = volume.readdir(workspace, map, 0, |entry| {
            assert!(entry.cookie > last, "cookie {} after {last}", entry.cookie);
            last = entry.cookie;
            entries.push((ino, entry.name.to_vec(), entry.ino));
            assert!(entries.len() < MANY_ENTRIES);
            true
        });
        let _ = volume.readdir(workspace, map, cookie, |entry| {
            assert!(entry.cookie >= cookie);
            true
        });
        for (_, name, _) in entries.iter().take(40) {
            let _ = volume.lookup(map, name);
        }
        let _ = volume.lookup(map, b"no such name");
        found.entries.extend(entries);
        Ok(())
    });
}
