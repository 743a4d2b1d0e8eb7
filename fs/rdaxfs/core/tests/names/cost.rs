// SPDX-License-Identifier: GPL-2.0

//! What operations cost in a small and in a large directory.

use std::sync::atomic::Ordering::Relaxed;

use crate::many::Numbers;
use crate::trial::{file, Fs};

/// How often each operation is done.
const TIMES: u64 = 1000;

fn name(number: u64) -> Vec<u8> {
    format!("entry-{number:08}").into_bytes()
}

/// Calls and bytes of the medium that an operation takes on average, times `TIMES`.
#[derive(Clone, Copy, Debug)]
struct Cost {
    reads: u64,
    read_bytes: u64,
    written_bytes: u64,
    fences: u64,
}

impl Cost {
    fn now(fs: &Fs) -> Self {
        let medium = fs.medium();
        Self {
            reads: medium.reads.load(Relaxed),
            read_bytes: medium.read_bytes.load(Relaxed),
            written_bytes: medium.written_bytes.load(Relaxed),
            fences: medium.fences.load(Relaxed),
        }
    }

    fn since(self, fs: &Fs) -> Self {
        let now = Self::now(fs);
        Self {
            reads: now.reads - self.reads,
            read_bytes: now.read_bytes - self.read_bytes,
            written_bytes: now.written_bytes - self.written_bytes,
            fences: now.fences - self.fences,
        }
    }
}

/// A directory of so many names.
fn directory(fs: &mut Fs, entries: u64) -> u64 {
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    for number in 0..entries {
        fs.link(dir, &name(number), ino).unwrap();
    }
    dir
}

fn measured_lookups(fs: &mut Fs, dir: u64, entries: u64) {
    let mut numbers = Numbers(7);
    for _ in 0..TIMES {
        let name = name(numbers.below(entries));
        fs.lookup(dir, &name).unwrap();
    }
}

fn measured_creates(fs: &mut Fs, dir: u64, entries: u64) {
    for number in 0..TIMES {
        fs.create(dir, &name(entries + number), &file()).unwrap();
    }
}

fn measured_unlinks(fs: &mut Fs, dir: u64, entries: u64) {
    for number in 0..TIMES {
        fs.unlink(dir, &name(entries + number)).unwrap();
    }
}

fn costs(blocks: u64, entries: u64) -> [Cost; 3] {
    let mut fs = Fs::new(blocks, 0);
    let dir = directory(&mut fs, entries);
    [measured_lookups, measured_creates, measured_unlinks].map(|measured| {
        let before = Cost::now(&fs);
        measured(&mut fs, dir, entries);
        before.since(&fs)
    })
}

/// A large directory costs what one more level of inner nodes does: two words of its header, which has been judged
/// before, and little more than one line of children, for a look-up; twice that for what also looks up before,
/// as [`Fs`] does.
fn compare(small: [Cost; 3], large: [Cost; 3]) {
    for (what, small, large, more) in [
        ("look-up", small[0], large[0], 4),
        ("create", small[1], large[1], 7),
        ("unlink", small[2], large[2], 10),
    ] {
        println!(
            "{what}: {small:?}\n{:width$}  {large:?}",
            "",
            width = what.len()
        );
        assert!(large.reads <= small.reads + more * TIMES, "{what}");
        assert_eq!(large.fences, small.fences, "{what}");
    }
}

#[test]
fn a_large_directory_costs_little_more() {
    compare(costs(4096, 1000), costs(16384, 100_000));
}
