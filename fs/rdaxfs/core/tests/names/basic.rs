// SPDX-License-Identifier: GPL-2.0

//! Each operation by itself.

use std::mem::offset_of;

use rdaxfs_core::format::{
    inode_offset, Inode, Time, XattrSpace, MAX_LINKS, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK,
};
use rdaxfs_core::inode::XattrState;
use rdaxfs_core::name::{unannounced, NewInode, RenameMode};
use rdaxfs_core::platform::Stores;
use rdaxfs_core::xattr::{NewXattr, XattrName};
use rdaxfs_core::Error;

use crate::trial::{file, Fs};

fn fs() -> Fs {
    Fs::new(1024, 0)
}

#[test]
fn a_file_is_what_it_was_made_as() {
    let mut fs = fs();
    let root = fs.root();
    let acl = NewXattr {
        name: XattrName::new(XattrSpace::System, b"posix_acl_access").unwrap(),
        value: b"an acl",
    };
    let new = NewInode {
        uid: 1,
        gid: 2,
        project: 3,
        flags: 4,
        xattrs: &[acl],
        ..file()
    };
    let ino = fs.create(root, b"name", &new).unwrap();
    let now = fs.last_time();
    let found = fs.attributes(ino);
    assert_eq!((found.mode, found.links, found.size), (new.mode, 1, 0));
    assert_eq!(
        (found.uid, found.gid, found.project, found.flags),
        (1, 2, 3, 4)
    );
    assert_eq!(
        [found.btime, found.atime, found.mtime, found.ctime],
        [now; 4]
    );
    assert_eq!((found.blocks, found.has_xattrs), (0, true));
    let mut value = [0; 16];
    let xattrs = XattrState::new(fs.map(ino));
    assert_eq!(fs.volume.xattrs().get(&xattrs, acl.name, &mut value), Ok(6));
    assert_eq!(value[..6], *b"an acl");

    let parent = fs.attributes(root);
    assert_eq!((parent.mtime, parent.ctime, parent.links), (now, now, 2));
    let target = fs.lookup(root, b"name").unwrap();
    assert_eq!((target.ino, target.kind), (ino, 8));
    assert_eq!(fs.lookup(root, b"nam"), Err(Error::NoEntry));
    assert_eq!(fs.create(root, b"name", &new), Err(Error::Exists));
}

#[test]
fn special_files() {
    let mut fs = fs();
    let root = fs.root();
    for (name, kind, device) in [
        (b"fifo", S_IFIFO, 0),
        (b"sock", S_IFSOCK, 0),
        (b"char", S_IFCHR, 5 << 32 | 1),
        (b"disk", S_IFBLK, 8 << 32),
    ] {
        let new = NewInode {
            mode: kind | 0o600,
            device,
            ..NewInode::default()
        };
        let ino = fs.create(root, name, &new).unwrap();
        assert_eq!(fs.attributes(ino).device, device);
        assert_eq!(u16::from(fs.lookup(root, name).unwrap().kind), kind >> 12);
    }
    let bad = NewInode {
        device: 1,
        ..file()
    };
    assert_eq!(fs.create(root, b"bad", &bad), Err(Error::Invalid));
    let bad = NewInode {
        mode: 0o644,
        ..file()
    };
    assert_eq!(fs.create(root, b"bad", &bad), Err(Error::Invalid));
}

#[test]
fn names_that_are_none() {
    let mut fs = fs();
    let root = fs.root();
    for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0"] {
        assert_eq!(fs.create(root, name, &file()), Err(Error::Invalid));
        assert_eq!(fs.lookup(root, name), Err(Error::Invalid));
    }
    assert_eq!(
        fs.create(root, &[b'a'; 256], &file()),
        Err(Error::NameTooLong)
    );
    fs.create(root, &[b'a'; 255], &file()).unwrap();
    fs.create(root, b"...", &file()).unwrap();
    let link = fs.symlink(root, b"link", b"target").unwrap();
    assert_eq!(fs.lookup(link, b"a"), Err(Error::NotDirectory));
    assert_eq!(fs.create(link, b"a", &file()), Err(Error::NotDirectory));
}

#[test]
fn directories_count_their_children() {
    let mut fs = fs();
    let root = fs.root();
    let a = fs.mkdir(root, b"a").unwrap();
    let b = fs.mkdir(a, b"b").unwrap();
    assert_eq!(fs.attributes(root).links, 3);
    assert_eq!((fs.attributes(a).links, fs.attributes(b).links), (3, 2));
    assert_eq!(fs.volume.names().parent(fs.map(b)), Ok(a));
    assert_eq!(fs.volume.names().parent(fs.map(a)), Ok(root));
    assert_eq!(fs.unlink(root, b"a"), Err(Error::IsDirectory));
    assert_eq!(fs.rmdir(root, b"a"), Err(Error::NotEmpty));
    fs.rmdir(a, b"b").unwrap();
    assert_eq!(fs.attributes(a).links, 2);
    assert_eq!(fs.volume.names().parent(fs.map(b)), Err(Error::NoEntry));
    assert_eq!(fs.create(b, b"c", &file()), Err(Error::NoEntry));
    fs.rmdir(root, b"a").unwrap();
    assert_eq!(fs.attributes(root).links, 2);
    let mut orphans = fs.orphans();
    orphans.sort_unstable();
    assert_eq!(orphans, [a, b]);
}

#[test]
fn links_and_orphans() {
    let mut fs = fs();
    let root = fs.root();
    let ino = fs.create(root, b"one", &file()).unwrap();
    fs.link(root, b"two", ino).unwrap();
    assert_eq!(fs.attributes(ino).links, 2);
    fs.unlink(root, b"one").unwrap();
    assert_eq!(fs.attributes(ino).links, 1);
    assert_eq!(fs.attributes(ino).ctime, fs.last_time());
    assert_eq!(fs.rmdir(root, b"two"), Err(Error::NotDirectory));
    fs.unlink(root, b"two").unwrap();
    assert_eq!(fs.orphans(), [ino]);

    let other = fs.tmpfile(root).unwrap();
    assert_eq!(fs.orphans(), [other, ino]);
    fs.link(root, b"three", ino).unwrap();
    assert_eq!(fs.orphans(), [other]);
    fs.link(root, b"four", other).unwrap();
    assert_eq!(fs.orphans(), []);
    assert_eq!(fs.attributes(other).links, 1);
    let dir = fs.mkdir(root, b"dir").unwrap();
    assert_eq!(fs.link(root, b"five", dir), Err(Error::IsDirectory));
}

#[test]
fn symbolic_links_of_every_length() {
    let mut fs = fs();
    let root = fs.root();
    let free = fs.free();
    for len in [1, 95, 96, 97, 128, 4094, 4095] {
        let target: Vec<u8> = (0..len).map(|at| b'a' + (at % 26) as u8).collect();
        let ino = fs.symlink(root, b"link", &target).unwrap();
        assert_eq!(fs.readlink(ino).unwrap(), target);
        let found = fs.attributes(ino);
        assert_eq!((found.size, found.blocks), (len, u64::from(len > 96)));
        let mut short = vec![0; target.len() - 1];
        let read = fs.volume.names().readlink(fs.map(ino), &mut short);
        assert_eq!(read, Err(Error::Range));
        fs.unlink(root, b"link").unwrap();
    }
    assert_eq!(
        fs.symlink(root, b"link", &[b'a'; 4096]),
        Err(Error::NameTooLong)
    );
    assert_eq!(fs.symlink(root, b"link", b""), Err(Error::Invalid));
    assert_eq!(fs.readlink(root), Err(Error::Invalid));
    // They are orphans, which keep their blocks.
    assert_eq!(free - fs.free(), 4);
}

#[test]
fn renames() {
    let mut fs = fs();
    let root = fs.root();
    let (a, b) = (fs.mkdir(root, b"a").unwrap(), fs.mkdir(root, b"b").unwrap());
    let f = fs.create(a, b"f", &file()).unwrap();
    let plain = RenameMode::Replace;

    fs.rename((a, b"f"), (b, b"g"), plain).unwrap();
    let now = fs.last_time();
    assert_eq!(fs.lookup(a, b"f"), Err(Error::NoEntry));
    assert_eq!(fs.lookup(b, b"g").unwrap().ino, f);
    assert_eq!([fs.attributes(a).mtime, fs.attributes(b).mtime], [now; 2]);
    assert_eq!((fs.attributes(f).ctime, fs.attributes(f).links), (now, 1));

    // Two names of one inode stay.
    fs.link(a, b"f", f).unwrap();
    fs.rename((a, b"f"), (b, b"g"), plain).unwrap();
    assert_eq!(fs.attributes(f).links, 2);
    fs.unlink(a, b"f").unwrap();

    let h = fs.create(b, b"h", &file()).unwrap();
    let no = RenameMode::NoReplace;
    assert_eq!(fs.rename((b, b"h"), (b, b"g"), no), Err(Error::Exists));
    fs.rename((b, b"h"), (b, b"i"), no).unwrap();
    fs.rename((b, b"i"), (b, b"g"), plain).unwrap();
    assert_eq!(fs.lookup(b, b"g").unwrap().ino, h);
    assert_eq!(fs.orphans(), [f]);

    let swap = RenameMode::Exchange;
    assert_eq!(fs.rename((b, b"g"), (a, b"g"), swap), Err(Error::NoEntry));
    let sub = fs.mkdir(a, b"sub").unwrap();
    fs.rename((b, b"g"), (a, b"sub"), swap).unwrap();
    assert_eq!(fs.lookup(a, b"sub").unwrap().ino, h);
    assert_eq!(fs.lookup(b, b"g").unwrap().kind, 4);
    assert_eq!(fs.volume.names().parent(fs.map(sub)), Ok(b));
    assert_eq!((fs.attributes(a).links, fs.attributes(b).links), (2, 3));

    assert_eq!(
        fs.rename((a, b"sub"), (b, b"g"), plain),
        Err(Error::IsDirectory)
    );
    assert_eq!(
        fs.rename((b, b"g"), (a, b"sub"), plain),
        Err(Error::NotDirectory)
    );
    let full = fs.mkdir(a, b"full").unwrap();
    fs.create(full, b"x", &file()).unwrap();
    assert_eq!(
        fs.rename((b, b"g"), (a, b"full"), plain),
        Err(Error::NotEmpty)
    );
    fs.unlink(full, b"x").unwrap();
    fs.rename((b, b"g"), (a, b"full"), plain).unwrap();
    assert_eq!((fs.attributes(a).links, fs.attributes(b).links), (3, 2));
    assert_eq!(fs.volume.names().parent(fs.map(sub)), Ok(a));
    assert_eq!(fs.attributes(full).links, 0);
    fs.check();
}

#[test]
fn links_are_counted_as_far_as_there_are_numbers() {
    let mut fs = fs();
    let root = fs.root();
    let ino = fs.create(root, b"file", &file()).unwrap();
    let dir = fs.mkdir(root, b"dir").unwrap();
    let sub = fs.mkdir(root, b"sub").unwrap();
    for ino in [ino, dir] {
        let links = inode_offset(ino) + offset_of!(Inode, links) as u64;
        fs.medium().store_u64(links, MAX_LINKS);
    }
    let before = fs.snapshot();
    assert_eq!(fs.link(root, b"more", ino), Err(Error::TooManyLinks));
    assert_eq!(fs.mkdir(dir, b"more"), Err(Error::TooManyLinks));
    let mode = RenameMode::Replace;
    let rename = fs.rename((root, b"sub"), (dir, b"sub"), mode);
    assert_eq!(rename, Err(Error::TooManyLinks));
    assert_eq!(fs.snapshot(), before);
    assert_eq!(fs.volume.names().parent(fs.map(sub)), Ok(root));
    fs.create(dir, b"more", &file()).unwrap();
    fs.unlink(root, b"file").unwrap();
    assert_eq!(fs.attributes(ino).links, MAX_LINKS - 1);
}

#[test]
fn what_is_passed_must_be_what_is_named() {
    let mut fs = fs();
    let root = fs.root();
    fs.create(root, b"a", &file()).unwrap();
    let (volume, workspace) = (&fs.volume, &mut fs.workspace);
    let now = Time::new(1, 1);
    let mut map = volume.inodes().open(root, None).unwrap().0;
    let made = volume
        .names()
        .create(workspace, &mut map, b"b", &file(), now, &mut unannounced);
    let mut b = made.unwrap().map;
    let result = volume
        .names()
        .unlink(workspace, &mut map, b"a", &mut b, now);
    assert_eq!(result, Err(Error::Stale));
}
