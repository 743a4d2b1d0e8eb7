// SPDX-License-Identifier: GPL-2.0

//! Large directories, and ones that are read while they change.

use std::collections::BTreeSet;
use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, inode_offset, Child, Inode, NodeHeader, Root, NODE_HEADER,
};
use rdaxfs_core::name::RenameMode;
use rdaxfs_core::platform::Medium;
use rdaxfs_core::Error;

use crate::leaves::leaves;
use crate::trial::{file, Fs};

const ENTRIES: u64 = 100_000;

/// A generator of numbers, the same ones each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A name that stays.
fn stays(number: u64) -> Vec<u8> {
    format!("stays-{number}").into_bytes()
}

/// A name that comes and goes.
fn moves(number: u64) -> Vec<u8> {
    format!("comes and goes, and takes two lines or three of a leaf: {number}").into_bytes()
}

#[test]
fn reading_in_pieces_while_entries_come_and_go() {
    let mut fs = Fs::new(24 << 10, 0);
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    for number in 0..ENTRIES {
        fs.link(dir, &stays(number), ino).unwrap();
    }

    let mut numbers = Numbers(1);
    let mut moving = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut cookie = 0;
    loop {
        let piece = 1 + numbers.below(800) as usize;
        let mut found = Vec::new();
        let (volume, workspace) = (&fs.volume, &mut fs.workspace);
        let map = volume.inodes().open(dir, None).unwrap().0;
        volume
            .names()
            .readdir(workspace, &map, cookie, |entry| {
                found.push((entry.cookie, entry.name.to_vec()));
                found.len() < piece
            })
            .unwrap();
        let Some(last) = found.last() else { break };
        assert!(found[0].0 >= cookie);
        cookie = last.0 + 1;
        for (_, name) in found {
            assert!(seen.insert(name), "an entry is listed once");
        }
        for _ in 0..30 {
            let (old, new) = (moves(numbers.below(4000)), moves(numbers.below(4000)));
            if moving.contains(&old) {
                if numbers.below(3) == 0 && !moving.contains(&new) {
                    let rename = fs.rename((dir, &old), (dir, &new), RenameMode::NoReplace);
                    rename.unwrap();
                    moving.insert(new);
                } else {
                    fs.unlink(dir, &old).unwrap();
                }
                moving.remove(&old);
            } else {
                fs.link(dir, &old, ino).unwrap();
                moving.insert(old);
            }
        }
    }
    for number in 0..ENTRIES {
        assert!(seen.contains(&stays(number)), "{number} is listed");
        assert_eq!(fs.lookup(dir, &stays(number)).unwrap().ino, ino);
    }
    let all = fs.list(dir).len() as u64;
    assert_eq!(all, ENTRIES + moving.len() as u64);

    fs.check();

    // Half of a leaf's lines are in use at least when entries are only added; many have moved here.
    let leaves = fs.attributes(dir).blocks;
    assert!(leaves < ENTRIES / 31 + 4000 * 3 / 31, "{leaves} blocks");
    fs.empty(dir);
    assert_eq!(fs.attributes(dir).size, 0);
}

/// An inner node gets the keys of the one before it when all names of that one go, as an interrupted `rm -r`, which
/// takes them in order, makes them. New names split its first leaf at a key below the one that it says of it.
#[test]
fn names_come_back_before_the_ones_that_an_interrupted_rm_left() {
    let mut fs = Fs::new(24 << 10, 0);
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    for number in 0..40_000 {
        fs.link(dir, &stays(number), ino).unwrap();
    }
    let mut gone = leaves(&mut fs, dir);
    let left = gone.split_off(leaves_of_first_inner(&fs, dir));
    for name in gone.iter().flatten() {
        fs.unlink(dir, name).unwrap();
    }
    for name in gone.iter().flatten() {
        fs.link(dir, name, ino).unwrap();
        assert_eq!(fs.lookup(dir, name).unwrap().ino, ino);
    }
    for name in gone.iter().chain(&left).flatten() {
        assert_eq!(fs.lookup(dir, name).unwrap().ino, ino);
    }
    assert_eq!(fs.list(dir).len(), 40_000);
    fs.check();
}

/// How many leaves are below the first child of a directory's root, which is two levels above the leaves.
fn leaves_of_first_inner(fs: &Fs, dir: u64) -> usize {
    let word = |at: u64| fs.medium().load_u64(at).unwrap();
    let root = word(inode_offset(dir) + offset_of!(Inode, root) as u64);
    let Some(Root::DirectoryTree { block, level: 2 }) = Root::from_word(root) else {
        panic!("the root is {root:x}");
    };
    let child = block_offset(block) + (NODE_HEADER + offset_of!(Child, block)) as u64;
    let leaves = block_offset(word(child)) + offset_of!(NodeHeader, word) as u64;
    word(leaves) as usize
}

/// Runs of names, in the order in which a directory lists them, go and some of them come back: leaves and inner nodes
/// are emptied, filled and split at any place.
#[test]
fn runs_of_names_go_and_come_back() {
    const NAMES: u64 = 40_000;
    let mut fs = Fs::new(24 << 10, 0);
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    for number in 0..NAMES {
        fs.link(dir, &stays(number), ino).unwrap();
    }
    let mut numbers = Numbers(20);
    let mut gone = Vec::new();
    for turn in 0..40 {
        let all = leaves(&mut fs, dir);
        // Whole leaves, and part of the last one; at times from the start, as rm does it.
        let first = numbers.below(2) * numbers.below(all.len() as u64);
        let run = all.iter().skip(first as usize);
        let mut went: Vec<_> = run
            .take(1 + numbers.below(300) as usize)
            .flatten()
            .cloned()
            .collect();
        went.truncate(went.len() - numbers.below(20).min(went.len() as u64) as usize);
        for name in &went {
            fs.unlink(dir, name).unwrap();
        }
        gone.append(&mut went);
        for _ in 0..numbers.below(9_000).min(gone.len() as u64) {
            let name = gone.swap_remove(numbers.below(gone.len() as u64) as usize);
            assert_eq!(fs.link(dir, &name, ino), Ok(()), "turn {turn}");
            assert_eq!(fs.lookup(dir, &name).unwrap().ino, ino);
        }
        let mut listed = BTreeSet::new();
        for entry in fs.list(dir) {
            assert!(listed.insert(entry.name), "turn {turn}");
        }
        assert_eq!((listed.len() + gone.len()) as u64, NAMES, "turn {turn}");
        for name in &listed {
            assert_eq!(fs.lookup(dir, name).unwrap().ino, ino, "turn {turn}");
        }
        assert!(!gone.iter().any(|name| listed.contains(name)));
        fs.check();
    }
}

#[test]
fn discriminators_are_used_again() {
    let mut fs = Fs::new(1024, 1);
    let root = fs.root();
    let ino = fs.create(root, b"aa", &file()).unwrap();
    fs.link(root, b"ab", ino).unwrap();
    let first = fs.list(root)[0].cookie;
    // Each takes the number behind the last one's.
    let name = |number: u32| format!("a{number}").into_bytes();
    fs.link(root, &name(0), ino).unwrap();
    for number in 1..(1 << 15) - 2 {
        fs.link(root, &name(number), ino).unwrap();
        fs.unlink(root, &name(number - 1)).unwrap();
    }
    let cookies = |fs: &mut Fs| -> Vec<u64> {
        let list = fs.list(root);
        list.iter().map(|entry| entry.cookie - first).collect()
    };
    assert_eq!(cookies(&mut fs), [0, 1, (1 << 15) - 1]);
    fs.link(root, b"ac", ino).unwrap();
    fs.link(root, b"ad", ino).unwrap();
    assert_eq!(cookies(&mut fs), [0, 1, 2, 3, (1 << 15) - 1]);
    fs.check();
    assert_eq!(fs.lookup(root, b"ac").unwrap().ino, ino);
}

/// So many names of one hash have keys; for one more there is none until one of them goes.
#[test]
fn names_of_one_hash_end_with_their_keys() {
    const NAMES: u32 = 1 << 15;
    let mut fs = Fs::new(8192, 1);
    let root = fs.root();
    let ino = fs.create(root, b"a", &file()).unwrap();
    let name = |number: u32| format!("a{number}").into_bytes();
    for number in 1..NAMES {
        fs.link(root, &name(number), ino).unwrap();
    }
    assert_eq!(fs.link(root, b"another", ino), Err(Error::NoSpace));
    assert_eq!(fs.lookup(root, b"another").err(), Some(Error::NoEntry));
    assert_eq!(fs.lookup(root, &name(NAMES - 1)).unwrap().ino, ino);
    let cookies: BTreeSet<u64> = fs.list(root).iter().map(|entry| entry.cookie).collect();
    assert_eq!(cookies.len(), NAMES as usize);
    fs.unlink(root, &name(777)).unwrap();
    fs.link(root, b"another", ino).unwrap();
    assert_eq!(fs.lookup(root, b"another").unwrap().ino, ino);
    fs.check();
}

#[test]
fn entries_keep_their_cookies_when_the_inode_is_full() {
    let mut fs = Fs::new(1024, 0);
    let root = fs.root();
    for name in [b"a", b"b", b"c"] {
        fs.create(root, name, &file()).unwrap();
    }
    let before = fs.list(root);
    assert_eq!(fs.attributes(root).blocks, 0);
    fs.create(root, &[b'd'; 70], &file()).unwrap();
    assert_eq!(fs.attributes(root).blocks, 1);
    assert_eq!(fs.attributes(root).size, 4096);
    let after = fs.list(root);
    assert!(before.iter().all(|entry| after.contains(entry)));
    fs.unlink(root, &[b'd'; 70]).unwrap();
    assert_eq!(fs.list(root), before);
}
