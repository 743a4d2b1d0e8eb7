// SPDX-License-Identifier: GPL-2.0

//! Accesses that fail, one after the other: the volume is as before each time.

use rdaxfs_core::format::{XattrSpace, S_IFCHR};
use rdaxfs_core::name::{NewInode, RenameMode};
use rdaxfs_core::xattr::{NewXattr, XattrName};
use rdaxfs_core::{Error, Result};

use crate::trial::{file, Fs};

/// Something that is done, and what it is called.
type Step = (&'static str, Box<dyn Fn(&mut Fs) -> Result>);

fn step(what: &'static str, op: impl Fn(&mut Fs) -> Result + 'static) -> Step {
    (what, Box::new(op))
}

/// A volume on which the steps have been done.
fn after(steps: &[Step]) -> Fs {
    let mut fs = Fs::new(2048, 0);
    for (what, op) in steps {
        assert_eq!(op(&mut fs), Ok(()), "{what}");
    }
    fs
}

/// Does each step behind those before it until no access fails; returns how often one has.
fn every_failure(steps: &[Step]) -> u64 {
    let mut failures = 0;
    for (at, (what, op)) in steps.iter().enumerate() {
        let mut fs = after(&steps[..at]);
        let before = fs.snapshot();
        for accesses in 0.. {
            fs.medium().fail_after(accesses);
            let result = op(&mut fs);
            if !fs.medium().has_failed() {
                assert_eq!(result, Ok(()), "{what}");
                fs.check();
                assert!(accesses > 3, "{what} does something");
                break;
            }
            failures += 1;
            if result.is_ok() {
                // The poison was in a free block, and has been cleared.
                fs = after(&steps[..at]);
                continue;
            }
            assert_eq!(result, Err(Error::Io), "{what}, access {accesses}");
            assert_eq!(fs.snapshot(), before, "{what}, access {accesses}");
            fs.check();
        }
    }
    failures
}

fn long(number: u32) -> Vec<u8> {
    let mut name = format!("{number}-").into_bytes();
    name.resize(100, b'x');
    name
}

/// The inode with a name in the root directory.
fn at_root(fs: &Fs, name: &[u8]) -> Result<u64> {
    Ok(fs.lookup(fs.root(), name)?.ino)
}

#[test]
fn small_directories() {
    let replace = RenameMode::Replace;
    let failures = every_failure(&[
        step("mkdir", |fs| fs.mkdir(fs.root(), b"d").map(drop)),
        step("create", |fs| {
            let label = NewXattr {
                name: XattrName::new(XattrSpace::Security, b"selinux")?,
                value: &[7; 300],
            };
            let labelled = NewInode {
                xattrs: &[label],
                ..file()
            };
            fs.create(at_root(fs, b"d")?, b"f", &labelled).map(drop)
        }),
        step("link", |fs| {
            let dir = at_root(fs, b"d")?;
            fs.link(dir, b"g", fs.lookup(dir, b"f")?.ino)
        }),
        step("symlink", |fs| {
            fs.symlink(at_root(fs, b"d")?, b"s", &[b't'; 500]).map(drop)
        }),
        step("rename", move |fs| {
            fs.rename((at_root(fs, b"d")?, b"g"), (fs.root(), b"g"), replace)
        }),
        step("rename over", move |fs| {
            fs.rename((at_root(fs, b"d")?, b"s"), (fs.root(), b"g"), replace)
        }),
        step("exchange", |fs| {
            let root = fs.root();
            fs.rename((root, b"d"), (root, b"g"), RenameMode::Exchange)
        }),
        step("unlink", |fs| fs.unlink(at_root(fs, b"g")?, b"f")),
        step("create", |fs| {
            fs.create(fs.root(), b"old", &file()).map(drop)
        }),
        step("whiteout", |fs| {
            let whiteout = NewInode {
                mode: S_IFCHR,
                ..NewInode::default()
            };
            let (old, new) = ((fs.root(), &b"old"[..]), (at_root(fs, b"g")?, &b"new"[..]));
            fs.rename_as(old, new, RenameMode::Replace, false, Some(&whiteout))
        }),
        step("unlink", |fs| fs.unlink(at_root(fs, b"g")?, b"new")),
        step("rmdir", |fs| fs.rmdir(fs.root(), b"g")),
        step("tmpfile", |fs| fs.tmpfile(fs.root()).map(drop)),
    ]);
    println!("{failures} failures");
}

#[test]
fn large_directories() {
    let mut steps = vec![
        step("mkdir", |fs| fs.mkdir(fs.root(), b"dir").map(drop)),
        step("create", |fs| {
            fs.create(fs.root(), b"file", &file()).map(drop)
        }),
    ];
    // From the inode to a leaf, to two, and on.
    for number in 0..60 {
        steps.push(step("link", move |fs| {
            fs.link(at_root(fs, b"dir")?, &long(number), at_root(fs, b"file")?)
        }));
    }
    for number in 0..20 {
        steps.push(step("rename", move |fs| {
            let dir = at_root(fs, b"dir")?;
            let (old, new) = (long(number), long(number + 100));
            fs.rename((dir, &old), (dir, &new), RenameMode::NoReplace)
        }));
    }
    let blocks = |fs: &Fs| fs.attributes(at_root(fs, b"dir").unwrap()).blocks;
    assert!(blocks(&after(&steps)) > 3);
    for number in 20..120 {
        if (60..100).contains(&number) {
            continue;
        }
        steps.push(step("unlink", move |fs| {
            fs.unlink(at_root(fs, b"dir")?, &long(number))
        }));
    }
    println!("{} failures", every_failure(&steps));
    assert_eq!(blocks(&after(&steps)), 0);
}
