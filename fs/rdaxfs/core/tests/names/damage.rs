// SPDX-License-Identifier: GPL-2.0

//! Directories that are not what they must be: whatever is done with them ends, and without a panic.

use std::mem::offset_of;

use proptest::prelude::*;
use rdaxfs_core::format::{
    inode_offset, NodeHeader, BLOCK_SIZE, DIRECTORY_LEAF_MAGIC, INNER_MAGIC,
};
use rdaxfs_core::name::RenameMode;
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::Error;

use crate::trial::{file, Fs};

fn name(number: u64) -> Vec<u8> {
    let mut name = format!("{number}-").into_bytes();
    name.resize(4 + (number * 29 % 120) as usize, b'x');
    name
}

/// The bytes of a directory's inode, and of its nodes: another's may be what the test stands on.
fn places(fs: &Fs, ino: u64) -> Vec<(u64, u64)> {
    let medium = fs.medium();
    let mut found = vec![(inode_offset(ino), 256)];
    for block in 0..medium.len() / BLOCK_SIZE {
        let mut magic = [0; 4];
        medium.read(block * BLOCK_SIZE, &mut magic).unwrap();
        let owner = word(
            fs,
            block * BLOCK_SIZE + offset_of!(NodeHeader, owner) as u64,
        );
        let is_node = [DIRECTORY_LEAF_MAGIC, INNER_MAGIC].contains(&u32::from_le_bytes(magic));
        if is_node && owner == ino {
            found.push((block * BLOCK_SIZE, BLOCK_SIZE));
        }
    }
    found
}

/// Makes a directory of so many names of one file; returns the directory and the file.
fn directory(fs: &mut Fs, entries: u64) -> (u64, u64) {
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    for number in 0..entries {
        fs.link(dir, &name(number), ino).unwrap();
    }
    (dir, ino)
}

/// Takes all entries out of a leaf, as fsck does with bad ones.
fn empty_leaf(fs: &Fs, block: u64) {
    for field in [offset_of!(NodeHeader, word), offset_of!(NodeHeader, more)] {
        fs.medium().store_u64(block + field as u64, 0);
    }
}

/// The blocks, in bytes, that are or were leaves, and have entries.
fn leaves(fs: &Fs, dir: u64) -> Vec<u64> {
    let places = places(fs, dir).into_iter().skip(1);
    places
        .map(|place| place.0)
        .filter(|&block| word(fs, block) as u32 == DIRECTORY_LEAF_MAGIC)
        .filter(|&block| word(fs, block + offset_of!(NodeHeader, word) as u64) != 0)
        .collect()
}

#[test]
fn empty_leaves_are_as_good_as_none() {
    let mut fs = Fs::new(1024, 0);
    let root = fs.root();
    let free = fs.free();
    let (dir, ino) = directory(&mut fs, 300);
    let leaves = leaves(&fs, dir);
    assert!(leaves.len() > 4);
    let before = fs.list(dir);
    for &block in &leaves[1..4] {
        empty_leaf(&fs, block);
    }
    let left = fs.list(dir);
    assert!(!left.is_empty() && left.len() < before.len());
    assert!(left.iter().all(|entry| before.contains(entry)));
    for entry in &before {
        let target = fs.lookup(dir, &entry.name);
        assert_eq!(target.is_ok(), left.contains(entry));
    }
    // They are filled and emptied again.
    for entry in before.iter().filter(|entry| !left.contains(entry)) {
        fs.link(dir, &entry.name, ino).unwrap();
    }
    assert_eq!(fs.list(dir), before);
    for entry in &left {
        fs.unlink(dir, &entry.name).unwrap();
    }
    assert_eq!(fs.rmdir(root, b"dir"), Err(Error::NotEmpty));
    for block in self::leaves(&fs, dir) {
        empty_leaf(&fs, block);
    }
    fs.rmdir(root, b"dir").unwrap();
    fs.finish_orphans();
    assert!(free - fs.free() <= 1);
}

/// How a word is damaged.
#[derive(Clone, Debug)]
enum Damage {
    Bit(u32),
    Word(u64),
    /// The word at another place.
    Copy(u16),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (0..64_u32).prop_map(Damage::Bit),
        any::<u64>().prop_map(Damage::Word),
        any::<u16>().prop_map(Damage::Copy),
    ]
}

fn word(fs: &Fs, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    fs.medium().read(offset, &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_damaged_directory_is_an_error_at_worst(
        entries in 1..120_u64,
        damages in proptest::collection::vec((any::<u16>(), 0..512_u64, damage()), 1..6),
        hashes in 0..3_u64,
    ) {
        let mut fs = Fs::new(512, hashes);
        let root = fs.root();
        let (dir, ino) = directory(&mut fs, entries);
        fs.damaged = true;
        let places = places(&fs, dir);
        for (place, at, damage) in damages {
            let (start, len) = places[usize::from(place) % places.len()];
            // The first lines have the most to say.
            let at = if at % 3 == 0 { at % 16 } else { at };
            let offset = start + at * 8 % len;
            let value = match damage {
                Damage::Bit(bit) => word(&fs, offset) ^ 1 << bit,
                Damage::Word(word) => word,
                Damage::Copy(from) => word(&fs, start + u64::from(from) * 8 % len),
            };
            fs.medium().store_u64(offset, value);
        }

        let mut seen = 0;
        let (map, _) = fs.volume.inodes().open(ino, None).unwrap();
        assert_eq!(map.ino(), ino);
        let list = fs.volume.names().readdir(&mut fs.workspace, &map, 0, |_| true);
        list.unwrap();
        if let Ok((map, _)) = fs.volume.inodes().open(dir, None) {
            let mut last = None;
            let _ = fs.volume.names().readdir(&mut fs.workspace, &map, 0, |entry| {
                assert!(last < Some(entry.cookie));
                last = Some(entry.cookie);
                seen += 1;
                true
            });
            assert!(seen < 10_000);
        }
        for number in 0..entries {
            let _ = fs.lookup(dir, &name(number));
        }
        for number in 0..30 {
            let _ = fs.link(dir, &name(entries + number), ino);
            let (old, new) = (name(number % entries), name(number + 1000));
            let is_file = |name: &[u8]| fs.lookup(dir, name).is_ok_and(|target| target.ino == ino);
            let has_none = fs.lookup(dir, &new).is_err();
            if is_file(&old) && (has_none || is_file(&new)) {
                let _ = fs.rename((dir, &old), (dir, &new), RenameMode::NoReplace);
            }
            if fs.lookup(dir, &new).is_ok_and(|target| target.ino == ino) {
                let _ = fs.unlink(dir, &new);
            }
        }
        let _ = fs.rmdir(root, b"dir");
    }
}
