// SPDX-License-Identifier: GPL-2.0

//! Collapsing and inserting ranges of files with many extents, and what is read when that is half done.

use std::sync::atomic::Ordering::Relaxed;

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{
    Time, BLOCK_SIZE, EXTENT_LEAF_MAGIC, EXTENT_ORDER, MAX_CHILDREN, MAX_EXTENTS, S_IFREG,
};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::owner::Use;
use rdaxfs_core::platform::{Medium, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::Host;

use crate::common::volume;
use crate::extents::{fallocate, file, scattered};
use crate::medium::{flaky_volume, mount, Flaky, NEVER};
use crate::{contents, extents, findings, free_blocks, NOW};

/// The pages that have blocks, each with its block.
pub(crate) fn pages<P: rdaxfs_core::platform::Platform>(
    volume: &Volume<P>,
    map: &MapState,
) -> Vec<(u64, u64)> {
    let all = extents(volume, map).into_iter();
    all.flat_map(|extent| (0..extent.count).map(move |at| (extent.page + at, extent.block + at)))
        .collect()
}

/// Extents of one page and of some, in leaves of two levels: wherever a range begins and ends, each page's block
/// comes to where the page does.
#[test]
fn pages_of_many_leaves_move() {
    const COUNT: u64 = 70_000;
    let (volume, mut workspace) = volume(512);
    let workspace = &mut *workspace;
    let mut map = file(&volume, workspace, "file");
    let free = free_blocks(&volume);
    let mut page = 0;
    for turn in 0..COUNT {
        let count = 1 + u64::from(turn % 100 == 0) * 3;
        let range = (page, count);
        fallocate(&volume, workspace, &mut map, Fallocate::Allocate, range).unwrap();
        page += count + 1 + u64::from(turn % 1000 == 0) * 300;
    }
    let mut known = pages(&volume, &map);
    for (mode, at, by) in [
        (Fallocate::CollapseRange, 0, 1),
        (Fallocate::CollapseRange, 2, 40_000),
        (Fallocate::InsertRange, 0, 77),
        (Fallocate::InsertRange, 1_000, 1),
        (Fallocate::InsertRange, 5_001, 100_000),
        (Fallocate::CollapseRange, 4_000, 99_000),
        (Fallocate::InsertRange, 60_000, 1 << 31),
        (Fallocate::InsertRange, 60_100, 300),
        (Fallocate::CollapseRange, 60_050, (1 << 31) - 10),
        (Fallocate::CollapseRange, 3_333, 30_333),
    ] {
        fallocate(&volume, workspace, &mut map, mode, (at, by)).unwrap();
        if mode == Fallocate::CollapseRange {
            known.retain(|(page, _)| !(at..at + by).contains(page));
            for (page, _) in known.iter_mut().filter(|(page, _)| *page >= at) {
                *page -= by;
            }
        } else {
            for (page, _) in known.iter_mut().filter(|(page, _)| *page >= at) {
                *page += by;
            }
        }
        assert!(pages(&volume, &map) == known, "{mode:?} {at}+{by}");
        assert_eq!(findings(&volume), [], "{mode:?} {at}+{by}");
        let attributes = volume.inodes().attributes(&map).unwrap();
        assert_eq!(attributes.blocks, free - free_blocks(&volume));
        assert!(!attributes.has_intent);
    }
}

/// A leaf has got the keys of all before it, and says a higher key than all that it has: pages from behind come to
/// below that key. It is one of two in all, or the only one of an inner node.
#[test]
fn pages_move_to_below_the_key_of_a_leaf_before_them() {
    move_below_the_key_before(8, LEAF);
    move_below_the_key_before(1024, LEAF * MAX_CHILDREN as u64);
}

const LEAF: u64 = MAX_EXTENTS as u64;

/// `count` is the number of extents before that leaf.
fn move_below_the_key_before(mib: u64, count: u64) {
    let (volume, mut workspace) = volume(mib);
    let workspace = &mut *workspace;
    let mut map = scattered(&volume, workspace, "file", 0..2 * count + 2 * LEAF);
    let page = |number: u64| 2 * number;
    let second = page(count);
    let third = page(2 * count);
    for (mode, from, end) in [
        // All before the leaf goes, and all behind it in its inner node. It gets a page before its own.
        (Fallocate::PunchHole, 0, second),
        (Fallocate::PunchHole, second + 1, third),
        (Fallocate::Allocate, second - 100, second - 99),
        (Fallocate::PunchHole, second, second + 1),
    ] {
        fallocate(&volume, workspace, &mut map, mode, (from, end - from)).unwrap();
        assert_eq!(findings(&volume), []);
    }
    let (at, by) = (second - 50, third - second + 50);
    let mut known = pages(&volume, &map);
    assert_eq!(known.len() as u64, 1 + 2 * LEAF);
    fallocate(
        &volume,
        workspace,
        &mut map,
        Fallocate::CollapseRange,
        (at, by),
    )
    .unwrap();
    for (page, _) in &mut known[1..] {
        *page -= by;
    }
    assert!(pages(&volume, &map) == known);
    assert_eq!(findings(&volume), []);
    fallocate(
        &volume,
        workspace,
        &mut map,
        Fallocate::Allocate,
        (second - 70, 1),
    )
    .unwrap();
    assert_eq!(pages(&volume, &map).len(), known.len() + 1);
    assert_eq!(findings(&volume), []);
}

/// What an insertion has cut, a collapse of what it put there makes whole, in the inode and in a leaf.
#[test]
fn what_comes_together_is_one_extent_again() {
    for count in [2, 100] {
        let (volume, mut workspace) = volume(8);
        let workspace = &mut *workspace;
        let mut map = file(&volume, workspace, "file");
        let mut change = |mode, range| {
            fallocate(&volume, workspace, &mut map, mode, range).unwrap();
            assert_eq!(findings(&volume), []);
            extents(&volume, &map)
        };
        let whole = change(Fallocate::Allocate, (0, 200));
        assert_eq!(whole.len(), 1);
        for at in 1..count {
            let cut = change(Fallocate::InsertRange, (2 * at - 1, 1));
            assert_eq!(cut.len() as u64, at + 1);
        }
        for at in 1..count {
            let joined = change(Fallocate::CollapseRange, (at, 1));
            assert_eq!(joined.len() as u64, count - at);
        }
        assert_eq!(extents(&volume, &map), whole);
    }
}

#[test]
fn what_cannot_move_is_refused() {
    let (volume, mut workspace) = volume(8);
    let workspace = &mut *workspace;
    let mut map = file(&volume, workspace, "file");
    let bytes = [3; 10_000];
    volume
        .files()
        .write(workspace, &mut map, 0, &bytes, NOW)
        .unwrap();
    let before = volume.inodes().attributes(&map).unwrap();
    let mut change = |mode, offset, len, keep_size| {
        let range = FallocateRange {
            mode,
            keep_size,
            offset,
            len,
        };
        let done =
            volume
                .files()
                .fallocate(workspace, &mut map, &range, &Change::modified(Time(9)));
        assert_eq!(volume.inodes().attributes(&map).unwrap(), before);
        done.map(drop)
    };
    for (offset, len, keep_size) in [
        (1, 4096, false),
        (0, 4095, false),
        (0, 0, false),
        (0, 4096, true),
        (12_288, 4096, false),
    ] {
        for mode in [Fallocate::CollapseRange, Fallocate::InsertRange] {
            let done = change(mode, offset, len, keep_size);
            assert_eq!(done, Err(Error::Invalid), "{mode:?} {offset}+{len}");
        }
    }
    // It reaches the end of file.
    let done = change(Fallocate::CollapseRange, 4096, 8192, false);
    assert_eq!(done, Err(Error::Invalid));
    let most = (1 << 44) - 4096;
    let done = change(Fallocate::InsertRange, 4096, most, false);
    assert_eq!(done, Err(Error::FileTooBig));
}

type FlakyVolume = Volume<Host<Flaky>>;

const COUNT: u64 = 600;

/// A file of pages, each followed by a hole, that say which they are.
fn numbered() -> (FlakyVolume, Box<Workspace>, MapState) {
    let (volume, mut workspace) = flaky_volume(8);
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let new = NewInode {
        mode: S_IFREG,
        ..NewInode::default()
    };
    let made = volume.names().create(
        &mut workspace,
        &mut root,
        b"file",
        &new,
        NOW,
        &mut unannounced,
    );
    let mut map = made.unwrap().map;
    for turn in 0..COUNT {
        let bytes = [1 + (turn % 250) as u8; BLOCK_SIZE as usize];
        let offset = 2 * turn * BLOCK_SIZE;
        let written = volume
            .files()
            .write(&mut workspace, &mut map, offset, &bytes, NOW);
        assert_eq!(written, Ok(bytes.len()));
    }
    (volume, workspace, map)
}

/// Reads fail at any time. The file is what it was or what it is to be, at once, on a mount that stores
/// nothing, and when it has been finished.
#[test]
fn a_half_done_move_is_read_as_done() {
    let page = BLOCK_SIZE as usize;
    for (mode, at, by) in [
        (Fallocate::CollapseRange, 11, 700),
        (Fallocate::CollapseRange, 0, 3),
        (Fallocate::InsertRange, 13, 1),
        (Fallocate::InsertRange, 400, 5_000),
        (Fallocate::InsertRange, 0, 2),
    ] {
        let mut left = 0;
        for good_reads in (0..).step_by(61) {
            let (volume, mut workspace, mut map) = numbered();
            let before = contents(&volume, &map);
            let mut after = before.clone();
            let (from, len) = (at as usize * page, by as usize * page);
            if mode == Fallocate::CollapseRange {
                after.drain(from..from + len);
            } else {
                after.splice(from..from, vec![0; len]);
            }
            let flaky = volume.platform().medium();
            flaky.good_reads.store(good_reads, Relaxed);
            let range = FallocateRange {
                mode,
                keep_size: false,
                offset: at * BLOCK_SIZE,
                len: by * BLOCK_SIZE,
            };
            let done: Result<_> =
                volume
                    .files()
                    .fallocate(&mut workspace, &mut map, &range, &Change::modified(NOW));
            flaky.good_reads.store(NEVER, Relaxed);
            let intent = volume.inodes().attributes(&map).unwrap().has_intent;
            left += u64::from(intent);
            let expected = if intent || done.is_ok() {
                &after
            } else {
                &before
            };
            assert!(
                contents(&volume, &map) == *expected,
                "{mode:?} {good_reads}"
            );
            let seen = pages(&volume, &map);
            let in_file = |&(page, _): &(u64, u64)| page * BLOCK_SIZE < expected.len() as u64;
            assert!(seen.iter().all(in_file));

            let ino = map.ino();
            let medium = volume.into_platform().into_medium();
            let superblock = probe(&medium).unwrap();
            let host = Host::new(medium, &superblock);
            let volume =
                mount::mount(host, Access::NoStores, Time::new(1, 0), &mut workspace).unwrap();
            let (map, _) = volume.inodes().open(ino, None).unwrap();
            assert!(contents(&volume, &map) == *expected);
            assert_eq!(pages(&volume, &map), seen);

            let (volume, mut workspace) = mount(volume.into_platform().into_medium()).unwrap();
            let (mut map, _) = volume.inodes().open(ino, None).unwrap();
            volume.files().finish(&mut workspace, &mut map).unwrap();
            assert!(!volume.inodes().attributes(&map).unwrap().has_intent);
            assert!(contents(&volume, &map) == *expected);
            assert_eq!(pages(&volume, &map), seen);
            assert_eq!(findings(&volume), []);
            if done.is_ok() {
                break;
            }
        }
        assert!(left > 2, "{mode:?} was half done {left} times only");
    }
}

/// A leaf whose extents are not in order does not move without end.
#[test]
fn a_leaf_in_disorder_is_corrupt() {
    for mode in [Fallocate::InsertRange, Fallocate::CollapseRange] {
        let (volume, mut workspace, mut map) = numbered();
        let flaky = volume.platform().medium();
        let leaves = (1..volume.blocks() - 1)
            .filter(|&block| volume.owners().use_of(block) == Ok(Use::Node { ino: map.ino() }))
            .map(|block| block * BLOCK_SIZE)
            .filter(|&leaf| flaky.load_u64(leaf).unwrap() as u32 == EXTENT_LEAF_MAGIC);
        let mut count = 0;
        for leaf in leaves {
            // The order begins with the number of extents: the first word has seven of them.
            let order = leaf + EXTENT_ORDER as u64;
            let [number, first, rest @ .., last] = flaky.load_u64(order).unwrap().to_le_bytes();
            let mut turned = [number, last, 0, 0, 0, 0, 0, first];
            turned[2..7].copy_from_slice(&rest);
            flaky.store_u64(order, u64::from_le_bytes(turned));
            count += 1;
        }
        assert!(count > 1, "there is a tree");
        flaky.reads_left.store(1_000_000, Relaxed);
        let range = FallocateRange {
            mode,
            keep_size: false,
            offset: 8 * BLOCK_SIZE,
            len: 5 * BLOCK_SIZE,
        };
        let moved =
            volume
                .files()
                .fallocate(&mut workspace, &mut map, &range, &Change::modified(NOW));
        assert_eq!(moved.map(drop), Err(Error::Corrupt), "{mode:?}");
    }
}
