// SPDX-License-Identifier: GPL-2.0

//! What happens at the edges of leaves.

use rdaxfs_core::name::RenameMode;
use rdaxfs_core::Error;

use crate::trial::{file, Fs};

/// The names in each leaf of a directory, by their cookies.
pub(crate) fn leaves(fs: &mut Fs, dir: u64) -> Vec<Vec<Vec<u8>>> {
    let (map, _) = fs.volume.inodes().open(dir, None).unwrap();
    let mut found = Vec::new();
    let mut from = Some(0);
    while let Some(cookie) = from {
        let entries = fs
            .volume
            .names()
            .entries(&mut fs.workspace, &map, cookie)
            .unwrap();
        from = entries.next_cookie();
        found.push(entries.map(|entry| entry.unwrap().name.to_vec()).collect());
    }
    found
}

#[test]
fn long_names_that_differ_at_their_ends() {
    let mut fs = Fs::new(1024, 1);
    let root = fs.root();
    let file_at = |fs: &mut Fs, name: &[u8]| fs.create(root, name, &file()).unwrap();
    for len in [47, 48, 49, 50, 111, 112, 113, 255] {
        let mut name = vec![b'n'; len];
        let mut made = Vec::new();
        for last in *b"abc" {
            name[len - 1] = last;
            assert_eq!(fs.lookup(root, &name), Err(Error::NoEntry));
            made.push((name.clone(), file_at(&mut fs, &name)));
        }
        for (name, ino) in made {
            assert_eq!(fs.lookup(root, &name).unwrap().ino, ino);
        }
    }
    fs.check();
}

#[test]
fn names_with_one_hash_come_back_below_the_edge_of_a_leaf() {
    // Names that begin with "b" have one hash, those that begin with "c" the next.
    let mut fs = Fs::new(1024, 2);
    let root = fs.root();
    let ino = fs.create(root, b"b", &file()).unwrap();
    let name = |first: char, number: u32| format!("{first}{number:070}").into_bytes();
    for number in 0..10 {
        fs.link(root, &name('c', number), ino).unwrap();
    }
    for number in 0..100 {
        fs.link(root, &name('b', number), ino).unwrap();
    }
    assert!(leaves(&mut fs, root).len() > 3);
    // The leaf that the two share stays, and keeps the keys that it was made for.
    for number in 10..100 {
        fs.unlink(root, &name('b', number)).unwrap();
    }
    for number in 10..40 {
        fs.link(root, &name('b', number), ino).unwrap();
        assert_eq!(fs.lookup(root, &name('b', number)).unwrap().ino, ino);
    }
    assert_eq!(fs.list(root).len(), 51);
    fs.check();
}

#[test]
fn a_rename_leaves_an_empty_leaf_when_it_rewrites_another() {
    let mut fs = Fs::new(2048, 0);
    let root = fs.root();
    let free = fs.free();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    for number in 0..1500 {
        let name = format!("{number:0100}").into_bytes();
        fs.link(dir, &name, ino).unwrap();
    }
    let mut stayed = 0;
    for (number, names) in leaves(&mut fs, dir).into_iter().enumerate() {
        let (last, others) = names.split_last().unwrap();
        for name in others {
            fs.unlink(dir, name).unwrap();
        }
        let before = fs.attributes(dir).blocks;
        let new = format!("{number:0255}").into_bytes();
        fs.rename((dir, last), (dir, &new), RenameMode::NoReplace)
            .unwrap();
        assert_eq!(fs.lookup(dir, &new).unwrap().ino, ino);
        let empty = leaves(&mut fs, dir).iter().any(Vec::is_empty);
        stayed += u32::from(empty && fs.attributes(dir).blocks >= before);
        fs.check();
    }
    assert!(stayed > 0);
    for entry in fs.list(dir) {
        fs.unlink(dir, &entry.name).unwrap();
    }
    fs.rmdir(root, b"dir").unwrap();
    fs.finish_orphans();
    fs.check();
    assert!(free - fs.free() <= 1);
}
