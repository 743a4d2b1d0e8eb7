// SPDX-License-Identifier: GPL-2.0

//! What to try: trees to start from, and the operations over a few names.
//!
//! The bounds are those that CrashMonkey's ACE found enough for the bugs of its time, and that Chipmunk took over for
//! persistent memory: one or two operations, files foo and bar in the root and in two directories, and data
//! written at the start, in the middle, over the end and behind it.

use super::{Change, DeviceKind, FallocateMode, Op, RenameMode, XattrMode, PAGE_BYTES};

/// A tree to start from, as the operations that make it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What is special about it.
    pub name: &'static str,
    /// How it is made.
    pub ops: Vec<Op>,
}

/// Trees to start from. All have what [`operations`] find.
#[must_use]
pub fn prepared() -> Vec<Prepared> {
    let small = small_tree();
    let mut wide = small.clone();
    // More than an inode holds, and more than a leaf: both directories that operations change are trees.
    for number in 0..70 {
        wide.push(create(&format!(
            "A/a-name-that-takes-some-room-{number:03}"
        )));
        wide.push(create(&format!("entry-{number:03}")));
    }
    let mut scattered = small.clone();
    // Holes in a file, so that it has more extents than fit into an inode.
    scattered.push(write("foo", 0, 40 * PAGE_BYTES, 9));
    scattered.extend((0..20).map(|hole| {
        fallocate(
            "foo",
            FallocateMode::PunchHole,
            2 * hole * PAGE_BYTES,
            PAGE_BYTES,
        )
    }));
    vec![
        Prepared {
            name: "small",
            ops: small,
        },
        Prepared {
            name: "wide",
            ops: wide,
        },
        Prepared {
            name: "scattered",
            ops: scattered,
        },
    ]
}

fn small_tree() -> Vec<Op> {
    vec![
        mkdir("A"),
        mkdir("B"),
        mkdir("A/C"),
        create("foo"),
        write("foo", 0, 3 * PAGE_BYTES + 100, 1),
        create("A/foo"),
        write("A/foo", 0, 100, 2),
        set_xattr("A/foo", "user.one", 20, XattrMode::Set),
        create("A/bar"),
        Op::Link {
            from: "A/bar".into(),
            to: "B/linked".into(),
        },
        Op::Symlink {
            path: "B/symlink".into(),
            target: "../foo".into(),
        },
        Op::Tmpfile {
            directory: "A".into(),
            mode: 0o600,
            handle: 1,
        },
    ]
}

/// Each operation, in the ways in which it can go; if `brief`, one or two ways of each.
#[must_use]
pub fn operations(brief: bool) -> Vec<Op> {
    let mut ops = names();
    ops.extend(data());
    ops.extend(attributes());
    if !brief {
        ops.extend(more_names());
        ops.extend(more_data());
        ops.extend(more_attributes());
    }
    ops
}

fn names() -> Vec<Op> {
    use RenameMode::{Exchange, Replace, ReplaceUnused, Whiteout};
    vec![
        create("A/new"),
        mkdir("A/D"),
        Op::Symlink {
            path: "A/s".into(),
            target: "x".repeat(30),
        },
        Op::Link {
            from: "foo".into(),
            to: "A/linked".into(),
        },
        Op::Unlink { path: "foo".into() },
        Op::Unlink {
            path: "A/bar".into(),
        },
        Op::Rmdir { path: "A/C".into() },
        Op::UnlinkUnused { path: "foo".into() },
        Op::UnlinkUnused {
            path: "A/foo".into(),
        },
        Op::RmdirUnused { path: "A/C".into() },
        rename("A/bar", "foo", ReplaceUnused),
        rename("foo", "B/foo", Whiteout),
        rename("A/foo", "B/foo", Replace),
        rename("foo", "A/foo", Replace),
        rename("A/C", "B/C", Replace),
        rename("foo", "A/C", Exchange),
        Op::Tmpfile {
            directory: "B".into(),
            mode: 0o644,
            handle: 2,
        },
        Op::LinkOrphan {
            handle: 1,
            to: "B/found".into(),
        },
    ]
}

fn more_names() -> Vec<Op> {
    use RenameMode::{Exchange, NoReplace, Replace, ReplaceUnused, Whiteout};
    let mknod = |path: &str, kind| Op::Mknod {
        path: path.into(),
        mode: 0o640,
        kind,
    };
    vec![
        create("bar"),
        create("foo"),
        create("nowhere/bar"),
        mkdir("foo"),
        mkdir("B/E"),
        create(&format!("A/{}", "n".repeat(255))),
        Op::Symlink {
            path: "long".into(),
            target: "y".repeat(1000),
        },
        mknod("A/pipe", DeviceKind::Fifo),
        mknod("A/socket", DeviceKind::Socket),
        mknod("A/tty", DeviceKind::Char(4 << 32 | 64)),
        mknod("A/disk", DeviceKind::Block(259 << 32 | 1)),
        Op::Link {
            from: "A".into(),
            to: "B/A".into(),
        },
        Op::Link {
            from: "A/bar".into(),
            to: "A/foo".into(),
        },
        Op::Unlink {
            path: "B/linked".into(),
        },
        Op::Unlink {
            path: "B/symlink".into(),
        },
        Op::Unlink { path: "A".into() },
        Op::Unlink { path: "bar".into() },
        Op::Rmdir { path: "A".into() },
        Op::Rmdir { path: "foo".into() },
        rename("foo", "bar", Replace),
        rename("foo", "bar", Whiteout),
        rename("A/foo", "foo", Whiteout),
        rename("A/bar", "B/linked", Whiteout),
        rename("A/C", "B/D", Whiteout),
        rename("A/C", "B", ReplaceUnused),
        rename("A/foo", "B/symlink", ReplaceUnused),
        rename("A/foo", "A/bar", ReplaceUnused),
        Op::UnlinkUnused {
            path: "B/linked".into(),
        },
        Op::UnlinkUnused {
            path: "B/symlink".into(),
        },
        Op::RmdirUnused { path: "A".into() },
        rename("foo", "bar", NoReplace),
        rename("foo", "A/foo", NoReplace),
        rename("A/foo", "A/bar", Replace),
        rename("A/bar", "B/linked", Replace),
        rename("A/C", "B", Replace),
        rename("B", "A/C", Replace),
        rename("A", "A/C/below", Replace),
        rename("A/C", "A", Replace),
        rename("A/foo", "B/symlink", Exchange),
        rename("A/foo", "A/bar", Exchange),
        rename("A/C", "B", Exchange),
        rename("A/C", "foo", Replace),
        rename("foo", "A/C", Replace),
        rename("nothing", "A/foo", Replace),
    ]
}

fn data() -> Vec<Op> {
    use FallocateMode::{Allocate, Collapse, Insert, PunchHole, ZeroRange};
    vec![
        short_write("foo", 6 * PAGE_BYTES, (3 * PAGE_BYTES, PAGE_BYTES + 7), 20),
        fallocate("foo", Collapse, PAGE_BYTES, PAGE_BYTES),
        fallocate("foo", Insert, PAGE_BYTES, 2 * PAGE_BYTES),
        write("foo", PAGE_BYTES - 12, 40, 11),
        write("foo", 3 * PAGE_BYTES + 100, 5000, 12),
        write("A/bar", 0, 200, 13),
        truncate("foo", 0),
        truncate("foo", PAGE_BYTES + 10),
        truncate("foo", 5 * PAGE_BYTES),
        fallocate("A/foo", Allocate, 0, 4 * PAGE_BYTES),
        fallocate("foo", PunchHole, 100, 2 * PAGE_BYTES),
        fallocate("foo", ZeroRange, PAGE_BYTES, 4 * PAGE_BYTES),
        Op::BadBlock { nth: 0 },
    ]
}

fn more_data() -> Vec<Op> {
    use FallocateMode::{Allocate, Collapse, Insert, KeepSize, PunchHole, ZeroKeepSize, ZeroRange};
    vec![
        short_write("A/bar", 100 * PAGE_BYTES + 9, (2 * PAGE_BYTES, 20), 21),
        fallocate("foo", Collapse, 0, 2 * PAGE_BYTES),
        fallocate("foo", Collapse, 0, 100 * PAGE_BYTES),
        fallocate("foo", Collapse, 1, PAGE_BYTES),
        fallocate("foo", Insert, 0, PAGE_BYTES),
        fallocate("foo", Insert, 2 * PAGE_BYTES, 1 << 32),
        fallocate("A/foo", Insert, PAGE_BYTES, PAGE_BYTES),
        write("foo", 0, 0, 14),
        write("foo", 0, 2 * PAGE_BYTES, 15),
        write("foo", 8 * PAGE_BYTES + 3, 10, 16),
        write("foo", 3 * PAGE_BYTES + 50, 100, 17),
        write("A/foo", 100, 1, 18),
        write("A", 0, 10, 19),
        truncate("A/bar", 0),
        truncate("A/bar", 1),
        truncate("A/foo", 99),
        truncate("foo", 3 * PAGE_BYTES + 100),
        truncate("foo", 1 << 40),
        truncate("A", 0),
        fallocate("A/bar", KeepSize, 0, 3 * PAGE_BYTES),
        fallocate("foo", KeepSize, PAGE_BYTES, 9 * PAGE_BYTES),
        fallocate("foo", Allocate, 4 * PAGE_BYTES + 1, 10),
        fallocate("foo", Allocate, 0, 0),
        fallocate("foo", PunchHole, 0, 100 * PAGE_BYTES),
        fallocate("foo", PunchHole, PAGE_BYTES + 8, 16),
        fallocate("foo", ZeroRange, 10, 2 * PAGE_BYTES),
        fallocate("foo", ZeroKeepSize, 0, 8 * PAGE_BYTES),
        fallocate("A/bar", ZeroRange, 0, 100),
        Op::BadBlock { nth: 3 },
    ]
}

fn attributes() -> Vec<Op> {
    let change = Change {
        mode: Some(0o600),
        uid: Some(1000),
        gid: Some(1001),
        ..Change::default()
    };
    vec![
        Op::SetAttributes {
            path: "A/foo".into(),
            change,
        },
        set_xattr("A/foo", "user.one", 300, XattrMode::Set),
        set_xattr("foo", "user.two", 50, XattrMode::Create),
        Op::RemoveXattr {
            path: "A/foo".into(),
            name: "user.one".into(),
        },
        Op::SetFlags {
            path: "A/bar".into(),
            flags: 0x40,
        },
    ]
}

fn more_attributes() -> Vec<Op> {
    let change = Change {
        accessed: Some(5 << 30),
        modified: Some(6 << 30 | 7),
        ..Change::default()
    };
    vec![
        Op::SetAttributes {
            path: "foo".into(),
            change,
        },
        Op::SetAttributes {
            path: "A".into(),
            change: Change {
                mode: Some(0o711),
                ..Change::default()
            },
        },
        set_xattr("A/foo", "user.two", 5000, XattrMode::Set),
        set_xattr("A/foo", "user.one", 5, XattrMode::Create),
        set_xattr("foo", "user.one", 5, XattrMode::Replace),
        set_xattr("A", "trusted.t", 0, XattrMode::Set),
        set_xattr("A/foo", "security.s", 10, XattrMode::Set),
        Op::RemoveXattr {
            path: "foo".into(),
            name: "user.one".into(),
        },
        Op::SetProject {
            path: "foo".into(),
            project: 77,
        },
    ]
}

fn create(path: &str) -> Op {
    Op::Create {
        path: path.into(),
        mode: 0o644,
    }
}

fn mkdir(path: &str) -> Op {
    Op::Mkdir {
        path: path.into(),
        mode: 0o755,
    }
}

fn rename(from: &str, to: &str, mode: RenameMode) -> Op {
    Op::Rename {
        from: from.into(),
        to: to.into(),
        mode,
    }
}

fn write(path: &str, offset: u64, len: u64, seed: u8) -> Op {
    Op::Write {
        path: path.into(),
        offset,
        len,
        seed,
    }
}

fn short_write(path: &str, offset: u64, (len, copied): (u64, u64), seed: u8) -> Op {
    Op::ShortWrite {
        path: path.into(),
        offset,
        len,
        copied,
        seed,
    }
}

fn truncate(path: &str, size: u64) -> Op {
    Op::Truncate {
        path: path.into(),
        size,
    }
}

fn fallocate(path: &str, mode: FallocateMode, offset: u64, len: u64) -> Op {
    Op::Fallocate {
        path: path.into(),
        mode,
        offset,
        len,
    }
}

fn set_xattr(path: &str, name: &str, len: u64, mode: XattrMode) -> Op {
    let value = super::pattern(3, 0, len);
    Op::SetXattr {
        path: path.into(),
        name: name.into(),
        value,
        mode,
    }
}
