// SPDX-License-Identifier: GPL-2.0

//! Reads that fail: an operation reports it, and has changed nothing or leaves what the next one
//! completes.

use std::sync::atomic::Ordering::Relaxed;

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{Extent, BLOCK_SIZE, S_IFIFO};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::Host;

use crate::medium::{flaky_volume, Flaky, NEVER};
use crate::{contents, extents, file, free_blocks, NOW};

struct Setup {
    volume: Volume<Host<Flaky>>,
    workspace: Box<Workspace>,
    map: MapState,
}

impl Setup {
    /// A volume with a file of 10 extents and a half page at its end.
    fn new() -> Self {
        let (volume, mut workspace) = flaky_volume(4);
        let mut map = file(&volume, &mut workspace);
        for page in 0..10 {
            let len = if page == 9 { 2_000 } else { 6_000 };
            let bytes = vec![page as u8 + 1; len];
            let offset = page * 4 * BLOCK_SIZE;
            volume
                .files()
                .write(&mut workspace, &mut map, offset, &bytes, NOW)
                .unwrap();
        }
        Self {
            volume,
            workspace,
            map,
        }
    }

    fn flaky(&self) -> &Flaky {
        self.volume.platform().medium()
    }

    /// Poisons a page of the file.
    fn poison(&self, page: u64) {
        let extent = self
            .volume
            .files()
            .next_extent(&self.map, page)
            .unwrap()
            .unwrap();
        let block = extent.block + (page - extent.page);
        self.flaky().poison.store(block * BLOCK_SIZE, Relaxed);
    }

    fn state(&self) -> (Vec<u8>, Vec<Extent>, u64) {
        (
            contents(&self.volume, &self.map),
            extents(&self.volume, &self.map),
            free_blocks(&self.volume),
        )
    }

    fn run(&mut self, op: Op) -> Result {
        let Self {
            volume,
            workspace,
            map,
        } = self;
        match op {
            Op::Append => volume
                .files()
                .write(workspace, map, 41 * BLOCK_SIZE - 3, b"appended", NOW)
                .map(|_| ()),
            Op::Truncate(size) => volume
                .files()
                .truncate(workspace, map, size, &Change::modified(NOW))
                .map(drop),
            Op::Fallocate(mode, offset, len) => {
                let range = FallocateRange {
                    mode,
                    keep_size: true,
                    offset,
                    len,
                };
                volume
                    .files()
                    .fallocate(workspace, map, &range, &Change::modified(NOW))
                    .map(drop)
            }
            Op::Fault => volume
                .files()
                .map_for_write(workspace, map, (100, 1), &Change::modified(NOW))
                .map(|_| ()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Append,
    Truncate(u64),
    Fallocate(Fallocate, u64, u64),
    Fault,
}

/// Those that are one transaction: whatever fails, nothing has changed.
#[test]
fn what_fails_has_changed_nothing() {
    let ops = [
        Op::Truncate(9 * 4 * BLOCK_SIZE),
        Op::Truncate(0),
        Op::Fallocate(Fallocate::PunchHole, BLOCK_SIZE, 20 * BLOCK_SIZE),
        Op::Fallocate(Fallocate::Allocate, 50 * BLOCK_SIZE, BLOCK_SIZE),
        Op::Fault,
    ];
    for op in ops {
        let mut failures = 0;
        for good_reads in 0.. {
            let mut setup = Setup::new();
            let before = setup.state();
            setup.flaky().good_reads.store(good_reads, Relaxed);
            let result = setup.run(op);
            setup.flaky().good_reads.store(NEVER, Relaxed);
            if result.is_ok() {
                break;
            }
            assert_eq!(result, Err(Error::Io));
            failures += 1;
            let after = setup.state();
            if let Op::Fallocate(Fallocate::Allocate, ..) = op {
                // The block may have been taken; the size has not changed.
                assert!(before.0 == after.0, "{op:?} at read {good_reads}");
            } else {
                assert!(before == after, "{op:?} at read {good_reads}");
            }
            // And it succeeds once the medium does.
            setup.run(op).unwrap();
            setup.run(Op::Append).unwrap();
            setup.run(Op::Truncate(0)).unwrap();
            assert_eq!(
                setup.volume.inodes().attributes(&setup.map).unwrap().blocks,
                0
            );
        }
        assert!(failures > 10, "{op:?} has been hit {failures} times only");
    }
}

#[test]
fn poison_at_an_edge_is_an_error() {
    let (first, last) = (4 * BLOCK_SIZE, 36 * BLOCK_SIZE);
    let punch = |offset, len| Op::Fallocate(Fallocate::PunchHole, offset, len);
    for (page, op) in [
        (4, punch(first + 1, 5 * BLOCK_SIZE)),
        (8, punch(first, 4 * BLOCK_SIZE + 9)),
        (
            8,
            Op::Fallocate(Fallocate::ZeroRange, first, 4 * BLOCK_SIZE + 9),
        ),
        (4, Op::Truncate(first + 100)),
        (36, Op::Truncate(last + BLOCK_SIZE)),
        (36, Op::Append),
    ] {
        let mut setup = Setup::new();
        let before = setup.volume.inodes().attributes(&setup.map).unwrap();
        setup.poison(page);
        assert_eq!(setup.run(op), Err(Error::Io), "{op:?}");
        let after = setup.volume.inodes().attributes(&setup.map).unwrap();
        if !matches!(op, Op::Append) {
            assert_eq!(before, after, "{op:?}");
        }
        assert_eq!(before.size, after.size);
    }
}

#[test]
fn whole_pages_are_repaired() {
    let page = [7; BLOCK_SIZE as usize];
    let mut setup = Setup::new();
    setup.poison(4);
    let mut byte = [0];
    let read = setup
        .volume
        .files()
        .read(&setup.map, 4 * BLOCK_SIZE, &mut byte);
    assert_eq!(read, Err(Error::Io));
    let Setup {
        volume,
        workspace,
        map,
    } = &mut setup;
    let written = volume
        .files()
        .write(workspace, map, 4 * BLOCK_SIZE, &page, NOW);
    assert_eq!(written, Ok(page.len()));
    assert_eq!(volume.files().read(map, 4 * BLOCK_SIZE, &mut byte), Ok(1));
    assert_eq!(byte, [7]);

    setup.poison(4);
    let zero = Op::Fallocate(Fallocate::ZeroRange, 4 * BLOCK_SIZE, BLOCK_SIZE);
    setup.run(zero).unwrap();
    let read = setup
        .volume
        .files()
        .read(&setup.map, 4 * BLOCK_SIZE, &mut byte);
    assert_eq!((read, byte), (Ok(1), [0]));
}

/// Free blocks that are poisoned are not taken, neither for data nor for metadata.
#[test]
fn poisoned_blocks_are_not_taken() {
    for near in 0..30 {
        let mut setup = Setup::new();
        let first = setup
            .volume
            .files()
            .next_extent(&setup.map, 0)
            .unwrap()
            .unwrap();
        setup.run(Op::Truncate(0)).unwrap();
        let block = first.block + near;
        setup.flaky().poison.store(block * BLOCK_SIZE, Relaxed);
        for page in 0..20 {
            let range = Op::Fallocate(Fallocate::Allocate, 8 * page * BLOCK_SIZE, BLOCK_SIZE);
            setup.run(range).unwrap();
        }
        let list = extents(&setup.volume, &setup.map);
        assert_eq!(list.len(), 20);
        let has = |extent: &Extent| (extent.block..extent.block + extent.count).contains(&block);
        assert!(!list.iter().any(has));
        assert_ne!(
            setup.flaky().poison.load(Relaxed),
            NEVER,
            "nothing clears it"
        );
    }
}

/// What is not a regular file has no blocks of a file's, whatever the caller takes it for.
#[test]
fn only_files_are_written() {
    let (volume, mut workspace) = flaky_volume(4);
    let (mut empty, _) = volume.inodes().open(volume.root(), None).unwrap();
    refused(&volume, &mut workspace, &mut empty);
    let new = NewInode {
        mode: S_IFIFO,
        ..NewInode::default()
    };
    let made = volume.names().create(
        &mut workspace,
        &mut empty,
        b"fifo",
        &new,
        NOW,
        &mut unannounced,
    );
    refused(&volume, &mut workspace, &mut made.unwrap().map);
}

fn refused(volume: &Volume<Host<Flaky>>, workspace: &mut Workspace, map: &mut MapState) {
    let free = free_blocks(volume);
    let files = volume.files();
    let written = files.write(workspace, map, 0, &[1; BLOCK_SIZE as usize], NOW);
    assert_eq!(written.map(drop), Err(Error::Invalid));
    let claimed = files.claim(workspace, map, 0, BLOCK_SIZE);
    assert_eq!(claimed.map(drop), Err(Error::Invalid));
    let mapped = files.map_for_write(workspace, map, (0, 1), &Change::none());
    assert_eq!(mapped.map(drop), Err(Error::Invalid));
    let reserved = files.reserve_unwritten(workspace, map, 0, 1);
    assert_eq!(reserved.map(drop), Err(Error::Invalid));
    assert_eq!(free_blocks(volume), free);
}
