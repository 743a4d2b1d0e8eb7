// SPDX-License-Identifier: GPL-2.0

//! Files of many extents.

use rdaxfs_core::file::{Fallocate, FallocateRange, State};
use rdaxfs_core::format::{BLOCK_SIZE, S_IFREG};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};

use crate::common::{root, volume, DramVolume};
use crate::{extents, findings, free_blocks, NOW};

pub(crate) fn file(volume: &DramVolume, workspace: &mut Workspace, name: &str) -> MapState {
    let (mut root, _) = root(volume);
    let new = NewInode {
        mode: S_IFREG | 0o600,
        ..NewInode::default()
    };
    let made = volume.names().create(
        workspace,
        &mut root,
        name.as_bytes(),
        &new,
        NOW,
        &mut unannounced,
    );
    made.expect("a file can be made").map
}

/// Removes a file and all that it has.
pub(crate) fn remove(
    volume: &DramVolume,
    workspace: &mut Workspace,
    name: &str,
    mut map: MapState,
) {
    let (mut root, _) = root(volume);
    volume
        .names()
        .unlink(workspace, &mut root, name.as_bytes(), &mut map, NOW)
        .unwrap();
    volume.files().finish(workspace, &mut map).unwrap();
    assert_eq!(
        volume.inodes().open(map.ino(), None).err(),
        Some(Error::Stale)
    );
}

pub(crate) fn fallocate(
    volume: &DramVolume,
    workspace: &mut Workspace,
    map: &mut MapState,
    mode: Fallocate,
    (page, count): (u64, u64),
) -> Result {
    let range = FallocateRange {
        mode,
        keep_size: false,
        offset: page * BLOCK_SIZE,
        len: count * BLOCK_SIZE,
    };
    volume
        .files()
        .fallocate(workspace, map, &range, &Change::modified(NOW))
        .map(drop)
}

/// A file that has every other page, so that each is an extent.
pub(crate) fn scattered(
    volume: &DramVolume,
    workspace: &mut Workspace,
    name: &str,
    order: impl Iterator<Item = u64>,
) -> MapState {
    let mut map = file(volume, workspace, name);
    for page in order {
        let pages = (2 * page, 1);
        fallocate(volume, workspace, &mut map, Fallocate::Allocate, pages).unwrap();
    }
    map
}

#[test]
fn a_file_of_100_000_extents() {
    const COUNT: u64 = 100_000;
    let (volume, mut workspace) = volume(512);
    let workspace = &mut *workspace;
    // The root's chunk of inodes stays when it is empty.
    let first = file(&volume, workspace, "first");
    let free = free_blocks(&volume);

    let mut map = scattered(&volume, workspace, "file", 0..COUNT);
    assert_eq!(extents(&volume, &map).len() as u64, COUNT);
    for page in [0, 2, 4_000, 100_000, 199_998] {
        let found = volume.files().map(&map, page, 5).unwrap();
        assert!(matches!(found.state, State::Unwritten(_)) && found.count == 1);
        let hole = volume.files().map(&map, page + 1, 1).unwrap();
        assert_eq!(hole.state, State::Hole);
    }

    // Holes of all sizes, in leaves and across them.
    let mut left: Vec<u64> = (0..COUNT).map(|page| 2 * page).collect();
    for (page, count) in [
        (0, 3),
        (1_001, 40),
        (50_000, 7_000),
        (150_001, 1),
        (199_998, 1),
    ] {
        let pages = (page, count);
        fallocate(&volume, workspace, &mut map, Fallocate::PunchHole, pages).unwrap();
        left.retain(|known| !(page..page + count).contains(known));
        let found: Vec<u64> = extents(&volume, &map)
            .iter()
            .map(|extent| extent.page)
            .collect();
        assert!(found == left, "after {page}+{count}");
    }
    let attributes = volume.inodes().attributes(&map).unwrap();
    assert_eq!(attributes.blocks, free - free_blocks(&volume));
    assert_eq!(findings(&volume), []);

    volume
        .files()
        .truncate(
            workspace,
            &mut map,
            100_000 * BLOCK_SIZE,
            &Change::modified(NOW),
        )
        .unwrap();
    left.retain(|&page| page < 100_000);
    assert_eq!(extents(&volume, &map).len(), left.len());
    remove(&volume, workspace, "file", map);
    assert_eq!(free_blocks(&volume), free);
    remove(&volume, workspace, "first", first);
}

#[test]
fn extents_come_in_any_order() {
    const COUNT: u64 = 5_000;
    let (volume, mut workspace) = volume(64);
    let workspace = &mut *workspace;
    let backwards = scattered(&volume, workspace, "backwards", (0..COUNT).rev());
    // 1,009 has no divisor in common with the number.
    let mixed = scattered(
        &volume,
        workspace,
        "mixed",
        (0..COUNT).map(|n| n * 1_009 % COUNT),
    );
    for map in [&backwards, &mixed] {
        let list = extents(&volume, map);
        assert!(list
            .iter()
            .map(|extent| extent.page)
            .eq((0..COUNT).map(|page| 2 * page)));
    }
    assert_eq!(findings(&volume), []);
    remove(&volume, workspace, "mixed", mixed);
    remove(&volume, workspace, "backwards", backwards);
}

#[test]
fn a_large_file_is_freed_in_pieces() {
    let (volume, mut workspace) = volume(512);
    let workspace = &mut *workspace;
    let mut map = file(&volume, workspace, "file");
    let free = free_blocks(&volume);
    fallocate(
        &volume,
        workspace,
        &mut map,
        Fallocate::Allocate,
        (0, 100_000),
    )
    .unwrap();
    assert!(extents(&volume, &map).len() < 20);
    volume
        .files()
        .truncate(
            workspace,
            &mut map,
            5 * BLOCK_SIZE + 1,
            &Change::modified(NOW),
        )
        .unwrap();
    assert_eq!(
        extents(&volume, &map)
            .iter()
            .map(|extent| extent.count)
            .sum::<u64>(),
        6
    );
    volume
        .files()
        .truncate(workspace, &mut map, 0, &Change::modified(NOW))
        .unwrap();
    assert_eq!(free_blocks(&volume), free);
    assert!(!volume.inodes().attributes(&map).unwrap().has_intent);
}
