// SPDX-License-Identifier: GPL-2.0

//! Volumes without a free block.

use rdaxfs_core::file::{Fallocate, FallocateRange, State};
use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::platform::Stores;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;

use crate::common::{volume, DramVolume};
use crate::extents::{fallocate, file, remove};
use crate::{extents, findings, free_blocks, NOW};

/// A volume without a block for data, and files: one of many unwritten extents of two pages and more,
/// one of written ones, and what has the rest.
fn full() -> (DramVolume, Box<Workspace>, [MapState; 3]) {
    let (volume, mut workspace) = volume(32);
    let mut unwritten = file(&volume, &mut workspace, "unwritten");
    let mut written = file(&volume, &mut workspace, "written");
    let mut rest = file(&volume, &mut workspace, "rest");
    for turn in 0..700 {
        let pages = (4 * turn, 3);
        fallocate(
            &volume,
            &mut workspace,
            &mut unwritten,
            Fallocate::Allocate,
            pages,
        )
        .unwrap();
        let bytes = [1; 3 * BLOCK_SIZE as usize];
        let offset = 4 * turn * BLOCK_SIZE;
        let done = volume
            .files()
            .write(&mut workspace, &mut written, offset, &bytes, NOW);
        assert_eq!(done, Ok(bytes.len()));
    }
    let mut page = 0;
    loop {
        match volume.files().map_for_write(
            &mut workspace,
            &mut rest,
            (page, 512),
            &Change::modified(NOW),
        ) {
            Ok(writable) => {
                assert!(writable.new && writable.changed.is_some());
                page += writable.mapping.count;
            }
            Err(error) => {
                assert_eq!(error, Error::NoSpace);
                break;
            }
        }
    }
    (volume, workspace, [unwritten, written, rest])
}

/// Removes the files of [`full`].
fn remove_all(volume: &DramVolume, workspace: &mut Workspace, maps: [MapState; 3]) {
    for (name, map) in ["unwritten", "written", "rest"].into_iter().zip(maps) {
        remove(volume, workspace, name, map);
    }
}

#[test]
fn conversion_needs_no_block() {
    let (volume, mut workspace, [mut unwritten, ..]) = full();
    for turn in 0..700 {
        let page = 4 * turn + 1;
        if turn % 2 == 0 {
            volume
                .files()
                .convert(&mut workspace, &mut unwritten, (page, 1), &|_| false)
                .unwrap();
        } else {
            let got = volume
                .files()
                .map_for_write(
                    &mut workspace,
                    &mut unwritten,
                    (page, 1),
                    &Change::modified(NOW),
                )
                .unwrap();
            assert!(got.new && matches!(got.mapping.state, State::Mapped(_)));
        }
        let found = volume.files().map(&unwritten, page, 1).unwrap();
        assert!(matches!(found.state, State::Mapped(_)));
    }
    let list = extents(&volume, &unwritten);
    let readable = list.iter().filter(|extent| !extent.unwritten);
    // As a whole, where there was no block for the list.
    assert!(readable.map(|extent| extent.count).sum::<u64>() > 700);
    // Whatever became readable beside what was asked for is zeros, and not what the blocks held.
    let mut bytes = vec![0; 2 * BLOCK_SIZE as usize];
    for turn in (1..700).step_by(2) {
        for page in [4 * turn, 4 * turn + 1, 4 * turn + 2] {
            let page_bytes = &mut bytes[..BLOCK_SIZE as usize];
            volume
                .files()
                .read(&unwritten, page * BLOCK_SIZE, page_bytes)
                .unwrap();
            assert!(page_bytes.iter().all(|&byte| byte == 0), "page {page}");
        }
    }
}

/// Without a block, an extent becomes readable as a whole: what other writeback has put there stays.
#[test]
fn conversion_keeps_what_else_is_written() {
    let (volume, mut workspace, [mut unwritten, ..]) = full();
    let written = [6; BLOCK_SIZE as usize];
    let mut page_bytes = written;
    let mut whole = 0;
    for turn in 0..700 {
        let first = 4 * turn;
        let mapping = volume.files().map(&unwritten, first, 3).unwrap();
        let State::Unwritten(block) = mapping.state else {
            panic!("{mapping:?}");
        };
        for place in [1, 2] {
            let offset = (block + place) * BLOCK_SIZE;
            volume.platform().copy_nt(offset, &written).unwrap();
        }
        let last = |page| page == first + 2;
        volume
            .files()
            .convert(&mut workspace, &mut unwritten, (first + 1, 1), &last)
            .unwrap();
        let mapping = volume.files().map(&unwritten, first, 3).unwrap();
        whole += u64::from(mapping.count == 3);
        volume
            .files()
            .convert(&mut workspace, &mut unwritten, (first + 2, 1), &|_| false)
            .unwrap();
        for (page, byte) in [(first, 0), (first + 1, 6), (first + 2, 6)] {
            let offset = page * BLOCK_SIZE;
            volume
                .files()
                .read(&unwritten, offset, &mut page_bytes)
                .unwrap();
            assert!(page_bytes.iter().all(|&found| found == byte), "page {page}");
        }
    }
    assert!(whole > 0, "there was a block for every list");
}

#[test]
fn zeroing_needs_no_block() {
    let (volume, mut workspace, [unwritten, mut written, rest]) = full();
    let workspace = &mut *workspace;
    let free = free_blocks(&volume);
    let mut bytes = vec![0; 3 * BLOCK_SIZE as usize];
    for turn in 0..700 {
        let pages = (4 * turn + 1, 1);
        fallocate(
            &volume,
            workspace,
            &mut written,
            Fallocate::ZeroRange,
            pages,
        )
        .unwrap();
        volume
            .files()
            .read(&written, 4 * turn * BLOCK_SIZE, &mut bytes)
            .unwrap();
        for (page, page_bytes) in bytes.chunks(BLOCK_SIZE as usize).enumerate() {
            let byte = u8::from(page != 1);
            assert!(page_bytes.iter().all(|&found| found == byte));
        }
    }
    // The last blocks are for what gives blocks back.
    assert_eq!(free_blocks(&volume), free);
    remove_all(&volume, workspace, [unwritten, written, rest]);
}

#[test]
fn space_can_be_freed_on_a_full_volume() {
    let (volume, mut workspace, [unwritten, mut written, mut rest]) = full();
    let workspace = &mut *workspace;
    for turn in 0..700 {
        let pages = (4 * turn + 1, 1);
        fallocate(
            &volume,
            workspace,
            &mut written,
            Fallocate::PunchHole,
            pages,
        )
        .unwrap();
    }
    assert_eq!(extents(&volume, &written).len(), 1_400);
    for turn in 0..350 {
        let pages = (4 * turn, 4);
        let range = FallocateRange {
            mode: Fallocate::ZeroRange,
            keep_size: true,
            offset: pages.0 * BLOCK_SIZE,
            len: BLOCK_SIZE,
        };
        volume
            .files()
            .fallocate(workspace, &mut written, &range, &Change::modified(NOW))
            .unwrap();
    }
    volume
        .files()
        .truncate(workspace, &mut rest, BLOCK_SIZE, &Change::modified(NOW))
        .unwrap();
    volume
        .files()
        .truncate(workspace, &mut written, 77, &Change::modified(NOW))
        .unwrap();
    remove_all(&volume, workspace, [unwritten, written, rest]);
    assert_eq!(findings(&volume), []);
}
