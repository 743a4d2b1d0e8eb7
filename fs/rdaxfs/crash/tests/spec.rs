// SPDX-License-Identifier: GPL-2.0

//! The model file system: what POSIX says of each operation, and what may be seen after a crash.

use rdaxfs_crash::spec::{
    operations, pattern, prepared, Change, Difference, Errno, Expectation, FallocateMode, Op,
    RenameMode, Snapshot, Tree, View, XattrMode,
};

fn do_all(tree: &mut Tree, ops: &[Op]) {
    for (now, op) in (100..).zip(ops) {
        tree.apply(op, now)
            .unwrap_or_else(|errno| panic!("{op:?}: {errno:?}"));
    }
}

/// A tree with directories A (0o755, with file A/f and directory A/d) and B, and file g with 100 bytes.
fn tree() -> Tree {
    let mut tree = Tree::new(0o755, 1);
    let mkdir = |path: &str| Op::Mkdir {
        path: path.into(),
        mode: 0o755,
    };
    let create = |path: &str| Op::Create {
        path: path.into(),
        mode: 0o644,
    };
    let write = Op::Write {
        path: "g".into(),
        offset: 0,
        len: 100,
        seed: 1,
    };
    do_all(
        &mut tree,
        &[
            mkdir("A"),
            mkdir("B"),
            mkdir("A/d"),
            create("A/f"),
            create("g"),
            write,
        ],
    );
    tree
}

fn links(tree: &Tree, path: &str) -> u64 {
    tree.node(tree.find(path).unwrap())
        .unwrap()
        .attributes
        .links
}

fn times(tree: &Tree, path: &str) -> (u64, u64) {
    let times = tree
        .node(tree.find(path).unwrap())
        .unwrap()
        .attributes
        .times;
    (times.modified, times.changed)
}

fn rename(from: &str, to: &str, mode: RenameMode) -> Op {
    Op::Rename {
        from: from.into(),
        to: to.into(),
        mode,
    }
}

#[track_caller]
fn fails(op: Op, errno: Errno) {
    let mut tree = tree();
    let before = tree.clone();
    assert_eq!(tree.apply(&op, 500), Err(errno), "{op:?}");
    assert_eq!(Snapshot::of(&tree), Snapshot::of(&before));
}

#[test]
fn errors_change_nothing() {
    use RenameMode::{Exchange, NoReplace, Replace};
    fails(
        Op::Create {
            path: "g".into(),
            mode: 0,
        },
        Errno::EEXIST,
    );
    fails(
        Op::Create {
            path: "C/x".into(),
            mode: 0,
        },
        Errno::ENOENT,
    );
    fails(
        Op::Create {
            path: "g/x".into(),
            mode: 0,
        },
        Errno::ENOTDIR,
    );
    fails(Op::Unlink { path: "A".into() }, Errno::EISDIR);
    fails(Op::Rmdir { path: "A".into() }, Errno::ENOTEMPTY);
    fails(Op::Rmdir { path: "g".into() }, Errno::ENOTDIR);
    fails(
        Op::Link {
            from: "A".into(),
            to: "C".into(),
        },
        Errno::EPERM,
    );
    fails(
        Op::Link {
            from: "g".into(),
            to: "A/f".into(),
        },
        Errno::EEXIST,
    );
    fails(rename("g", "A/f", NoReplace), Errno::EEXIST);
    fails(rename("g", "x", Exchange), Errno::ENOENT);
    fails(rename("A", "A/d/x", Replace), Errno::EINVAL);
    fails(rename("A/d", "A", Replace), Errno::ENOTEMPTY);
    fails(rename("A/d", "A", Exchange), Errno::EINVAL);
    fails(rename("A", "g", Replace), Errno::ENOTDIR);
    fails(rename("g", "B", Replace), Errno::EISDIR);
    fails(rename("B", "A", Replace), Errno::ENOTEMPTY);
    fails(
        Op::Truncate {
            path: "A".into(),
            size: 0,
        },
        Errno::EISDIR,
    );
    fails(
        Op::RemoveXattr {
            path: "g".into(),
            name: "user.x".into(),
        },
        Errno::ENODATA,
    );
    let xattr = |mode| Op::SetXattr {
        path: "g".into(),
        name: "user.x".into(),
        value: vec![],
        mode,
    };
    fails(xattr(XattrMode::Replace), Errno::ENODATA);
    fails(
        Op::LinkOrphan {
            handle: 4,
            to: "x".into(),
        },
        Errno::ENOENT,
    );
}

#[test]
fn directories_count_their_subdirectories() {
    let mut tree = tree();
    assert_eq!(
        (links(&tree, ""), links(&tree, "A"), links(&tree, "B")),
        (4, 3, 2)
    );
    tree.apply(&rename("A/d", "B/d", RenameMode::Replace), 200)
        .unwrap();
    assert_eq!(
        (links(&tree, ""), links(&tree, "A"), links(&tree, "B")),
        (4, 2, 3)
    );
    assert_eq!(
        (times(&tree, "A"), times(&tree, "B")),
        ((200, 200), (200, 200))
    );
    assert_eq!(times(&tree, "B/d"), (102, 200));
    // A directory and a file change places.
    tree.apply(&rename("B/d", "g", RenameMode::Exchange), 300)
        .unwrap();
    assert_eq!((links(&tree, ""), links(&tree, "B")), (5, 2));
    // Over an empty directory.
    tree.apply(&Op::Unlink { path: "B/d".into() }, 400).unwrap();
    tree.apply(&rename("g", "B", RenameMode::Replace), 500)
        .unwrap();
    assert_eq!(links(&tree, ""), 4);
}

#[test]
fn a_file_lives_as_long_as_it_has_a_name() {
    let mut tree = tree();
    let snapshot = |tree: &Tree| Snapshot::of(tree).entries;
    do_all(
        &mut tree,
        &[Op::Link {
            from: "g".into(),
            to: "A/h".into(),
        }],
    );
    let entries = snapshot(&tree);
    assert_eq!(entries[&b"g"[..]].same_as, b"A/h");
    assert_eq!(entries[&b"g"[..]].attributes.links, 2);
    do_all(&mut tree, &[Op::Unlink { path: "A/h".into() }]);
    assert_eq!(snapshot(&tree)[&b"g"[..]].same_as, b"g");
    do_all(&mut tree, &[rename("A/f", "g", RenameMode::Replace)]);
    assert_eq!(snapshot(&tree)[&b"g"[..]].attributes.size, 0);
}

#[test]
fn a_file_without_a_name_is_lost_in_a_crash_unless_it_gets_one() {
    let mut tree = tree();
    let before = Snapshot::of(&tree);
    do_all(
        &mut tree,
        &[Op::Tmpfile {
            directory: "A".into(),
            mode: 0o600,
            handle: 3,
        }],
    );
    assert_eq!(Snapshot::of(&tree), before);
    let crashed = tree.crashed();
    do_all(
        &mut tree,
        &[Op::LinkOrphan {
            handle: 3,
            to: "B/t".into(),
        }],
    );
    assert_eq!(links(&tree, "B/t"), 1);
    assert_eq!(Snapshot::of(&tree.crashed()), Snapshot::of(&tree));
    // It is open still.
    let again = |to: &str| Op::LinkOrphan {
        handle: 3,
        to: to.into(),
    };
    assert_eq!(tree.apply(&again("B/t"), 9), Err(Errno::EEXIST));
    do_all(&mut tree, &[again("B/u")]);
    assert_eq!(links(&tree, "B/t"), 2);
    let op = Op::LinkOrphan {
        handle: 3,
        to: "x".into(),
    };
    assert_eq!(crashed.clone().apply(&op, 9), Err(Errno::ENOENT));
}

#[test]
fn data_beyond_the_end_is_zero_when_the_file_grows_again() {
    let mut tree = tree();
    let truncate = |size| Op::Truncate {
        path: "g".into(),
        size,
    };
    do_all(&mut tree, &[truncate(10), truncate(50)]);
    let View::File(content) = &Snapshot::of(&tree).entries[&b"g"[..]].view.clone() else {
        panic!()
    };
    assert_eq!(content.byte(9), pattern(1, 9, 1)[0]);
    assert_eq!(content.byte(10), 0);
}

#[test]
fn fallocate_changes_the_size_only_if_it_says_so() {
    use FallocateMode::{Allocate, KeepSize, PunchHole, ZeroKeepSize, ZeroRange};
    for (mode, size) in [
        (Allocate, 150),
        (KeepSize, 100),
        (PunchHole, 100),
        (ZeroRange, 150),
        (ZeroKeepSize, 100),
    ] {
        let mut tree = tree();
        do_all(
            &mut tree,
            &[Op::Fallocate {
                path: "g".into(),
                mode,
                offset: 50,
                len: 100,
            }],
        );
        let entry = &Snapshot::of(&tree).entries[&b"g"[..]];
        assert_eq!(entry.attributes.size, size, "{mode:?}");
        let View::File(content) = &entry.view else {
            panic!()
        };
        let kept = matches!(mode, Allocate | KeepSize);
        assert_eq!(content.byte(60) != 0, kept, "{mode:?}");
        assert_ne!(content.byte(49), 0);
    }
}

#[test]
fn whoever_calls_fallocate_has_opened_the_file() {
    let nothing = |path: &str| Op::Fallocate {
        path: path.into(),
        mode: FallocateMode::Allocate,
        offset: 0,
        len: 0,
    };
    for (path, errno) in [
        ("g", Errno::EINVAL),
        ("absent", Errno::ENOENT),
        ("A", Errno::EISDIR),
    ] {
        assert_eq!(tree().apply(&nothing(path), 9), Err(errno), "{path}");
    }
}

#[test]
fn differences_name_path_field_and_both_values() {
    let mut other = tree();
    let change = Change {
        uid: Some(7),
        ..Change::default()
    };
    do_all(
        &mut other,
        &[
            Op::SetAttributes {
                path: "A/f".into(),
                change,
            },
            Op::Write {
                path: "g".into(),
                offset: 8,
                len: 8,
                seed: 2,
            },
            Op::Create {
                path: "n".into(),
                mode: 0,
            },
            Op::Rmdir { path: "A/d".into() },
        ],
    );
    let difference = Difference::between(&Snapshot::of(&tree()), &Snapshot::of(&other)).unwrap();
    let text = difference.to_string();
    for part in [
        "/A/f: uid is 7, not 0",
        "/g: 8 bytes differ, the first at 8",
        "/n: should not be: a file",
        "/A/d: is missing",
        "/A: links is 2, not 3",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(
        Difference::between(&Snapshot::of(&other), &Snapshot::of(&other)),
        None
    );
}

/// What a crash during a write of bytes 80 to 180 of g, which has 100, may show.
fn during_write(found: &[Op]) -> Result<(), String> {
    let op = Op::Write {
        path: "g".into(),
        offset: 80,
        len: 100,
        seed: 2,
    };
    let before = tree();
    let mut after = before.clone();
    after.apply(&op, 900).unwrap();
    let mut tree = before.clone();
    for op in found {
        tree.apply(op, 900).unwrap();
    }
    Expectation::of(Snapshot::of(&before), Snapshot::of(&after), &op).judge(&Snapshot::of(&tree))
}

#[test]
fn a_write_may_be_there_in_part_as_posix_allows() {
    let write = |offset, len, seed| Op::Write {
        path: "g".into(),
        offset,
        len,
        seed,
    };
    during_write(&[]).unwrap();
    during_write(&[write(80, 100, 2)]).unwrap();
    // A word of the old part, and the size as it was.
    during_write(&[write(88, 8, 2)]).unwrap();
    // A prefix.
    during_write(&[write(80, 60, 2)]).unwrap();
    // Not half a word, not other bytes, not a size without its data, no other size.
    during_write(&[write(88, 4, 2)]).unwrap_err();
    during_write(&[write(88, 8, 3)]).unwrap_err();
    during_write(&[Op::Truncate {
        path: "g".into(),
        size: 150,
    }])
    .unwrap_err();
    during_write(&[Op::Truncate {
        path: "g".into(),
        size: 90,
    }])
    .unwrap_err();
    during_write(&[write(80, 120, 2)]).unwrap_err();
    // And nothing else.
    during_write(&[write(88, 8, 2), Op::Rmdir { path: "B".into() }]).unwrap_err();
}

#[test]
fn other_operations_may_not() {
    let op = rename("g", "A/f", RenameMode::Replace);
    let before = tree();
    let mut after = before.clone();
    after.apply(&op, 900).unwrap();
    let mut half = before.clone();
    do_all(&mut half, &[Op::Unlink { path: "A/f".into() }]);
    let expectation = Expectation::of(Snapshot::of(&before), Snapshot::of(&after), &op);
    expectation.judge(&Snapshot::of(&before)).unwrap();
    expectation.judge(&Snapshot::of(&after)).unwrap();
    let said = expectation.judge(&Snapshot::of(&half)).unwrap_err();
    assert!(said.contains("/A/f: is missing"), "{said}");
}

#[test]
fn operations_to_try_do_something_or_fail_as_they_should() {
    for state in prepared() {
        let mut tree = Tree::new(0o755, 1);
        do_all(&mut tree, &state.ops);
        let (mut done, mut failed) = (0, 0);
        for op in operations(false) {
            match tree.clone().apply(&op, 1000) {
                Ok(()) => done += 1,
                Err(errno) => {
                    assert!(errno.0 > 0, "{op:?}");
                    failed += 1;
                }
            }
        }
        assert!(
            done >= 60 && failed >= 15,
            "{}: {done} and {failed}",
            state.name
        );
        // Those that are tried in pairs all succeed alone.
        for op in operations(true) {
            tree.clone()
                .apply(&op, 1000)
                .unwrap_or_else(|errno| panic!("{op:?}: {errno:?}"));
        }
    }
}
