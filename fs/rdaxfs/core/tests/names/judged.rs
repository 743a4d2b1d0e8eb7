// SPDX-License-Identifier: GPL-2.0

//! Blocks that are judged once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rdaxfs_core::judged::JUDGED;
use rdaxfs_core::platform::Locks;

use crate::trial::{file, Fs};

fn name(number: u32) -> Vec<u8> {
    format!("entry-{number:04}").into_bytes()
}

fn notes(fs: &Fs) -> &[AtomicU64; JUDGED] {
    fs.volume.platform().judged().expect("there are notes")
}

/// How many blocks are noted.
fn noted(fs: &Fs) -> usize {
    let notes = notes(fs).iter();
    notes.filter(|note| note.load(Relaxed) != 0).count()
}

/// How many bytes a look-up reads.
fn reads(fs: &Fs, dir: u64, wanted: &[u8]) -> u64 {
    let before = fs.medium().read_bytes.load(Relaxed);
    fs.lookup(dir, wanted).unwrap();
    fs.medium().read_bytes.load(Relaxed) - before
}

#[test]
fn a_block_that_is_given_back_is_judged_again() {
    let mut fs = Fs::new(4096, 0);
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    let before = noted(&fs);
    for number in 0..500 {
        fs.link(dir, &name(number), ino).unwrap();
    }
    for number in 0..500 {
        fs.lookup(dir, &name(number)).unwrap();
    }
    assert!(noted(&fs) > before + 5, "a tree's nodes are noted");
    for number in 0..500 {
        fs.unlink(dir, &name(number)).unwrap();
    }
    fs.rmdir(root, b"dir").unwrap();
    fs.finish_orphans();
    assert_eq!(noted(&fs), before, "none of them is left");
}

#[test]
fn a_node_that_is_known_is_not_read_as_a_whole() {
    let mut fs = Fs::new(4096, 0);
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    for number in 0..200 {
        fs.link(root, &name(number), ino).unwrap();
    }
    for note in notes(&fs) {
        note.store(0, Relaxed);
    }
    let (first, second) = (reads(&fs, root, &name(7)), reads(&fs, root, &name(7)));
    assert!(second + 64 < first, "{first} and then {second} bytes");
}
