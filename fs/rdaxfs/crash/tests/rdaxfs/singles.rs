// SPDX-License-Identifier: GPL-2.0

//! Every operation alone, and after every other one.

use rdaxfs_crash::spec::{operations, prepared, FallocateMode, Op};

use crate::case::{budget, explore_all, Case, Setting};

#[test]
fn a_crash_of_any_operation_shows_the_tree_before_or_after() {
    let states = prepared();
    let ops = operations(false);
    explore_all(
        "each operation alone",
        states.iter().flat_map(|state| {
            let setting = Setting::of(state);
            ops.iter().map(move |op| Case::record(&setting, op))
        }),
    );
}

#[test]
fn a_crash_on_a_full_volume_does_too() {
    let states = prepared();
    let ops = operations(false);
    let setting = Setting {
        name: "full",
        full: true,
        ..Setting::of(&states[0])
    };
    explore_all(
        "on a full volume",
        ops.iter().map(|op| Case::record(&setting, op)),
    );
}

/// A file that has come to half a huge page is moved, so that the rest goes on behind it.
#[test]
fn a_crash_while_pages_move_does_too() {
    let page = 4096;
    let write = |path: &str, from: u64, pages: u64| Op::Write {
        path: path.into(),
        offset: from * page,
        len: pages * page,
        seed: from as u8,
    };
    let make = |path: &str| Op::Create {
        path: path.into(),
        mode: 0o600,
    };
    let setting = |ops| Setting {
        name: "huge",
        ops,
        huge: true,
        ..Setting::default()
    };
    let one = [make("file"), write("file", 0, 255)];
    // Another file gets the block in the middle.
    let hole = Op::Fallocate {
        path: "file".into(),
        mode: FallocateMode::PunchHole,
        offset: 100 * page,
        len: page,
    };
    let several = [
        make("file"),
        make("other"),
        write("file", 0, 200),
        hole,
        write("other", 0, 1),
        write("file", 100, 1),
        write("file", 200, 55),
    ];
    explore_all(
        "pages that move",
        [&one[..], &several[..]]
            .iter()
            .map(|ops| Case::record(&setting(ops), &write("file", 255, 2))),
    );
}

/// Records of before may still be found, though nobody remembers which inodes they have words of.
#[test]
fn a_crash_after_inodes_have_left_the_cache_does_too() {
    let states = prepared();
    let (_, long) = budget();
    let ops = operations(!long);
    let of_inodes = || ops.iter().filter(|op| changes_an_inode(op));
    let pairs = of_inodes().flat_map(|first| of_inodes().map(move |second| (first, second)));
    explore_all(
        "after the cache was emptied",
        pairs.map(|(first, second)| {
            let setting = Setting {
                then: &[(1, first)],
                evicted: true,
                ..Setting::of(&states[0])
            };
            Case::record(&setting, second)
        }),
    );
}

/// Whether it changes an inode, and no name.
fn changes_an_inode(op: &Op) -> bool {
    matches!(
        op,
        Op::SetAttributes { .. }
            | Op::SetFlags { .. }
            | Op::SetProject { .. }
            | Op::SetXattr { .. }
            | Op::RemoveXattr { .. }
            | Op::Truncate { .. }
            | Op::Fallocate { .. }
            | Op::Write { .. }
            | Op::ShortWrite { .. }
    )
}

#[test]
fn a_crash_of_any_operation_after_any_other_does_too() {
    let states = prepared();
    // Without the time for all: each as the first and as the second, with some others.
    let (_, long) = budget();
    let ops = operations(!long);
    let pairs = (0..ops.len()).flat_map(|first| (0..ops.len()).map(move |second| (first, second)));
    let pairs = pairs.filter(|(first, second)| long || (first + 3 * second) % 8 == 0);
    explore_all(
        "each pair in sequence",
        pairs.map(|(first, second)| {
            let setting = Setting {
                // On the same CPU or another one, whose journal slot is another.
                then: &[(second as u32 % 2, &ops[first])],
                ..Setting::of(&states[0])
            };
            Case::record(&setting, &ops[second])
        }),
    );
}
