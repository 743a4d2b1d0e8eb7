// SPDX-License-Identifier: GPL-2.0

//! Last names that go together with their inode, and names that a rename leaves behind.

use rdaxfs_core::format::{inode_offset, XattrSpace, BLOCK_SIZE, S_IFCHR};
use rdaxfs_core::name::{NewInode, RenameMode};
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::xattr::{NewXattr, XattrName};
use rdaxfs_core::Error;

use crate::trial::{file, Fs};

fn fences(fs: &mut Fs, body: impl FnOnce(&mut Fs)) -> u64 {
    use std::sync::atomic::Ordering::Relaxed;
    let before = fs.medium().fences.load(Relaxed);
    body(fs);
    fs.medium().fences.load(Relaxed) - before
}

/// Makes a file with two extents, and attributes that are not in the inode.
fn file_with_blocks(fs: &mut Fs, name: &[u8]) -> u64 {
    let label = NewXattr {
        name: XattrName::new(XattrSpace::Security, b"selinux").unwrap(),
        value: &[7; 100],
    };
    let new = NewInode {
        xattrs: &[label],
        ..file()
    };
    let root = fs.root();
    let ino = fs.create(root, name, &new).unwrap();
    for page in [0, 9] {
        fs.write(ino, page * BLOCK_SIZE, &[5; 4096]);
    }
    assert_eq!(fs.attributes(ino).blocks, 3);
    ino
}

#[test]
fn an_unused_inode_goes_with_its_last_name() {
    let mut fs = Fs::new(2048, 0);
    let root = fs.root();
    // Its inode chunk stays.
    fs.create(root, b"other", &file()).unwrap();
    let free = fs.free();
    let ino = file_with_blocks(&mut fs, b"file");
    let count = fences(&mut fs, |fs| fs.unlink_last(root, b"file").unwrap());
    assert_eq!(count, 2);
    assert!(!fs.is_known(ino));
    assert_eq!(fs.volume.inodes().open(ino, None).err(), Some(Error::Stale));
    assert_eq!(fs.orphans(), []);
    assert_eq!(fs.free(), free);
    fs.check();

    let dir = fs.mkdir(root, b"dir").unwrap();
    let links = fs.attributes(root).links;
    let count = fences(&mut fs, |fs| fs.rmdir_last(root, b"dir").unwrap());
    assert_eq!((count, fs.is_known(dir)), (2, false));
    assert_eq!(fs.attributes(root).links, links - 1);
    fs.check();

    let ino = file_with_blocks(&mut fs, b"file");
    let (old, new) = ((root, &b"other"[..]), (root, &b"file"[..]));
    let count = fences(&mut fs, |fs| {
        let renamed = fs.rename_as(old, new, RenameMode::Replace, true, None);
        renamed.unwrap();
    });
    assert_eq!((count, fs.is_known(ino)), (2, false));
    assert_eq!(fs.orphans(), []);
    assert_eq!(fs.free(), free);
    fs.check();
}

#[test]
fn it_stays_while_it_has_another_name() {
    let mut fs = Fs::new(2048, 0);
    let root = fs.root();
    let ino = file_with_blocks(&mut fs, b"one");
    fs.link(root, b"two", ino).unwrap();
    fs.unlink_last(root, b"one").unwrap();
    assert_eq!(fs.attributes(ino).links, 1);
    fs.create(root, b"other", &file()).unwrap();
    let (old, new) = ((root, &b"other"[..]), (root, &b"two"[..]));
    fs.link(root, b"three", ino).unwrap();
    fs.rename_as(old, new, RenameMode::Replace, true, None)
        .unwrap();
    assert_eq!(fs.attributes(ino).links, 1);
    assert_eq!(fs.orphans(), []);
    fs.check();
}

#[test]
fn it_becomes_an_orphan_when_a_record_does_not_hold_it() {
    let mut fs = Fs::new(4096, 0);
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    // More extents than fit into the inode.
    for page in 0..9 {
        fs.write(ino, 2 * page * BLOCK_SIZE, &[5; 4096]);
    }
    fs.unlink_last(root, b"file").unwrap();
    assert_eq!((fs.orphans(), fs.attributes(ino).links), (vec![ino], 0));
    fs.check();
    fs.finish_orphans();
    fs.check();
}

#[test]
fn a_directory_with_entries_is_not_removed() {
    let mut fs = Fs::new(2048, 0);
    let root = fs.root();
    let dir = fs.mkdir(root, b"dir").unwrap();
    fs.create(dir, b"file", &file()).unwrap();
    assert_eq!(fs.rmdir_last(root, b"dir"), Err(Error::NotEmpty));
    assert_eq!(fs.unlink_last(root, b"dir"), Err(Error::IsDirectory));
    assert_eq!(fs.rmdir_last(dir, b"file"), Err(Error::NotDirectory));
    fs.mkdir(root, b"other").unwrap();
    let (old, new) = ((root, &b"other"[..]), (root, &b"dir"[..]));
    let renamed = fs.rename_as(old, new, RenameMode::Replace, true, None);
    assert_eq!(renamed, Err(Error::NotEmpty));
    fs.check();
}

fn whiteout() -> NewInode<'static> {
    NewInode {
        mode: S_IFCHR,
        ..NewInode::default()
    }
}

#[test]
fn a_whiteout_gets_the_old_name() {
    for directories in [1, 2] {
        // As many names as fit into the inode, and so many that they need leaves.
        for others in [0, 100] {
            for replaces in [false, true] {
                let mut fs = Fs::new(2048, 0);
                let root = fs.root();
                let from = fs.mkdir(root, b"from").unwrap();
                let to = if directories == 1 {
                    from
                } else {
                    fs.mkdir(root, b"to").unwrap()
                };
                let ino = fs.create(from, b"old", &file()).unwrap();
                for number in 0..others {
                    let name = format!("another name, of number {number}");
                    fs.link(from, name.as_bytes(), ino).unwrap();
                }
                if replaces {
                    fs.create(to, b"new", &file()).unwrap();
                }
                let whiteout = whiteout();
                let (old, new) = ((from, &b"old"[..]), (to, &b"new"[..]));
                let mode = RenameMode::Replace;
                fs.rename_as(old, new, mode, true, Some(&whiteout)).unwrap();
                assert_eq!(fs.lookup(to, b"new").unwrap().ino, ino);
                let left = fs.lookup(from, b"old").unwrap();
                assert_eq!(left.kind, 2);
                let attributes = fs.attributes(left.ino);
                assert_eq!((attributes.mode, attributes.device), (S_IFCHR, 0));
                assert_eq!((attributes.links, attributes.ctime), (1, fs.last_time()));
                fs.check();
                fs.unlink_last(from, b"old").unwrap();
                fs.check();
            }
        }
    }
}

#[test]
fn a_directory_leaves_a_whiteout_too() {
    let mut fs = Fs::new(2048, 0);
    let root = fs.root();
    let (from, to) = (
        fs.mkdir(root, b"from").unwrap(),
        fs.mkdir(root, b"to").unwrap(),
    );
    fs.mkdir(from, b"dir").unwrap();
    let whiteout = whiteout();
    let (old, new) = ((from, &b"dir"[..]), (to, &b"dir"[..]));
    fs.rename_as(old, new, RenameMode::NoReplace, false, Some(&whiteout))
        .unwrap();
    assert_eq!(fs.attributes(from).links, 2);
    assert_eq!(fs.attributes(to).links, 3);
    fs.check();
}

#[test]
fn what_a_whiteout_cannot_be() {
    let mut fs = Fs::new(2048, 0);
    let root = fs.root();
    fs.create(root, b"one", &file()).unwrap();
    fs.create(root, b"two", &file()).unwrap();
    let (old, new) = ((root, &b"one"[..]), (root, &b"two"[..]));
    let (good, bad) = (whiteout(), file());
    let exchange = fs.rename_as(old, new, RenameMode::Exchange, false, Some(&good));
    assert_eq!(exchange, Err(Error::Invalid));
    let of_file = fs.rename_as(old, new, RenameMode::Replace, false, Some(&bad));
    assert_eq!(of_file, Err(Error::Invalid));
    fs.check();
}

/// As a chmod of an open file without a name leaves it between two words of its record.
#[test]
fn an_orphan_goes_while_its_neighbours_change() {
    let mut fs = Fs::new(2048, 0);
    let root = fs.root();
    let orphans: Vec<u64> = (0..3).map(|_| fs.tmpfile(root).unwrap()).collect();
    // The word with the magic number and the checksum.
    let heads = [orphans[0], orphans[2]].map(inode_offset);
    let before = heads.map(|at| fs.medium().load_u64(at).unwrap());
    for (at, word) in heads.into_iter().zip(before) {
        fs.medium().store_u64(at, word ^ 1 << 40);
    }
    assert_eq!(fs.orphans().len(), 3);
    fs.finish(orphans[1]).unwrap();
    assert_eq!(fs.orphans(), [orphans[2], orphans[0]]);
    for (at, word) in heads.into_iter().zip(before) {
        fs.medium().store_u64(at, word);
    }
    fs.finish_orphans();
    fs.check();
}
