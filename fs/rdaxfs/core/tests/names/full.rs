// SPDX-License-Identifier: GPL-2.0

//! Volumes without a free block.

use rdaxfs_core::format::{Time, GROUP_BLOCKS};
use rdaxfs_core::name::{unannounced, RenameMode};
use rdaxfs_core::Error;

use crate::trial::{file, Fs};

fn name(number: u64) -> Vec<u8> {
    let mut name = format!("{number}-").into_bytes();
    name.resize(50 + (number * 37 % 200) as usize, b'x');
    name
}

/// Takes all blocks and inodes that there are; returns the names in `dir` that do.
fn fill(fs: &mut Fs, dir: u64) -> Vec<Vec<u8>> {
    let mut made = Vec::new();
    let mut number = 0;
    // First what takes two blocks, then what takes one, then what takes none.
    for len in [4000, 10] {
        loop {
            let name = format!("{number}").into_bytes();
            match fs.symlink(dir, &name, &vec![b't'; len]) {
                Ok(_) => made.push(name),
                Err(Error::NoSpace) => break,
                Err(error) => panic!("{error}"),
            }
            number += 1;
        }
    }
    made
}

#[test]
fn names_can_be_removed_from_a_full_volume() {
    let mut fs = Fs::new(1024, 0);
    let root = fs.root();
    let free = fs.free();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let (dir, other) = (
        fs.mkdir(root, b"dir").unwrap(),
        fs.mkdir(root, b"other").unwrap(),
    );
    let empty = fs.mkdir(root, b"empty").unwrap();
    let victim = fs.mkdir(root, b"victim").unwrap();
    let mut count = 0;
    // Enough for several inner nodes' worth of splits, in one node.
    while fs.attributes(dir).blocks < 300 {
        fs.link(dir, &name(count), ino).unwrap();
        count += 1;
    }
    fill(&mut fs, other);

    fs.check();

    // Nothing can be added, and nothing changes when it is tried.
    let before = fs.snapshot();
    assert_eq!(fs.create(dir, b"new", &file()), Err(Error::NoSpace));
    assert_eq!(fs.mkdir(dir, b"new"), Err(Error::NoSpace));
    assert_eq!(fs.tmpfile(dir), Err(Error::NoSpace));
    assert_eq!(fs.symlink(dir, b"new", b"target"), Err(Error::NoSpace));
    // Names only need room in a leaf: some leaf has none.
    let mut linked = 0;
    while fs.link(dir, &name(count + linked), ino).is_ok() {
        linked += 1;
    }
    assert_eq!(
        fs.link(dir, &name(count + linked), ino),
        Err(Error::NoSpace)
    );
    for number in 0..linked {
        fs.unlink(dir, &name(count + number)).unwrap();
    }
    // All but the times is as it was.
    let times = |line: &String| line.split("atime").next().unwrap().to_owned();
    let after = fs.snapshot();
    assert_eq!(
        before.iter().map(times).collect::<Vec<_>>(),
        after.iter().map(times).collect::<Vec<_>>()
    );

    // What needs no block works.
    let (first, second) = (name(0), name(1));
    let exchange = RenameMode::Exchange;
    fs.rename((dir, &first), (root, b"file"), exchange).unwrap();
    fs.rename((root, b"empty"), (root, b"victim"), RenameMode::Replace)
        .unwrap();
    assert_eq!(fs.lookup(root, b"victim").unwrap().ino, empty);
    assert_eq!(fs.attributes(victim).links, 0);
    fs.rename((dir, &first), (dir, &second), RenameMode::Replace)
        .unwrap();
    fs.rmdir(root, b"victim").unwrap();
    assert_eq!(fs.list(dir).len() as u64, count);

    // And so do removals, to the last one, which give back what there was.
    for number in 0..count {
        fs.unlink(dir, &name(number)).unwrap();
    }
    assert_eq!(fs.attributes(dir).blocks, 0);
    fs.check();
    fs.empty(root);
    fs.check();
    assert!(free - fs.free() <= 1);
}

#[test]
fn a_failed_rename_changes_nothing() {
    let mut fs = Fs::new(256, 0);
    let root = fs.root();
    let dir = fs.mkdir(root, b"dir").unwrap();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let mut made = Vec::new();
    for number in 0..40 {
        fs.link(dir, &name(number), ino).unwrap();
        made.push(name(number));
    }
    let other = fs.mkdir(root, b"other").unwrap();
    fill(&mut fs, other);
    let mut failed = 0;
    for number in 1000..1100 {
        let before = fs.snapshot();
        let old = made.pop().unwrap();
        let new = name(number);
        match fs.rename((dir, &old), (dir, &new), RenameMode::NoReplace) {
            Ok(()) => made.insert(0, new),
            Err(error) => {
                assert_eq!(error, Error::NoSpace);
                assert_eq!(fs.snapshot(), before);
                made.insert(0, old);
                failed += 1;
            }
        }
    }
    assert!(failed > 0, "some leaf has no room");
    assert_eq!(fs.list(dir).len(), 40);
}

/// When there is no room near a directory, its files share the chunks of inodes that are elsewhere.
#[test]
fn inodes_of_a_full_group_share_chunks_elsewhere() {
    let mut fs = Fs::new(2 * GROUP_BLOCKS, 0);
    let root = fs.root();
    let (volume, workspace) = (&fs.volume, &mut fs.workspace);
    let made = volume
        .names()
        .tmpfile(workspace, root, &file(), Time::new(1, 0), &mut unannounced);
    let mut map = made.unwrap().map;
    let mut page = 0;
    while volume.space().of_group(0).unwrap().0 > 1024 {
        let got = volume
            .files()
            .reserve_unwritten(workspace, &mut map, page, 512);
        page += got.unwrap().count;
    }
    let mut number = 0;
    while fs.volume.space().of_group(0).unwrap().0 > 8 {
        let name = format!("link-{number}").into_bytes();
        fs.symlink(root, &name, &[b't'; 400]).unwrap();
        number += 1;
    }
    let before = fs.free();
    for number in 0..300 {
        fs.create(root, &name(number), &file()).unwrap();
    }
    // 15 inodes in a block, and one or two names of that length in ten lines of a leaf.
    let used = before - fs.free();
    assert!(used < 100, "{used} blocks for 300 files");
    fs.check();
}
