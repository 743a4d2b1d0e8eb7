// SPDX-License-Identifier: GPL-2.0

//! Where blocks are taken, and what a look-up costs.

use std::sync::atomic::Ordering::Relaxed;

use rdaxfs_core::file::State;
use rdaxfs_core::format::{BLOCK_SIZE, CHUNK_BLOCKS};
use rdaxfs_core::inode::MapState;
use rdaxfs_core::workspace::Workspace;

use crate::common::{volume, DramVolume};
use crate::medium::flaky_volume;
use crate::{contents, extents, file, findings, free_blocks, NOW};

/// A file that is written from front to back lies in chunks, at the places that huge pages need.
#[test]
fn large_files_are_aligned() {
    const SLOTS: u64 = 8;
    let (volume, mut workspace) = volume(64);
    let mut map = file(&volume, &mut workspace);
    let bytes = vec![5; 64 * 1024];
    let mut offset = 0;
    while offset < SLOTS * CHUNK_BLOCKS * BLOCK_SIZE {
        let written = volume
            .files()
            .write(&mut workspace, &mut map, offset, &bytes, NOW);
        assert_eq!(written, Ok(bytes.len()));
        offset += bytes.len() as u64;
    }
    for slot in 0..SLOTS {
        let page = slot * CHUNK_BLOCKS;
        let mapping = volume.files().map(&map, page, CHUNK_BLOCKS).unwrap();
        let State::Mapped(block) = mapping.state else {
            panic!("{mapping:?}");
        };
        assert_eq!(mapping.count, CHUNK_BLOCKS);
        assert_eq!(block % CHUNK_BLOCKS, 0);
    }
    assert_eq!(extents(&volume, &map).len(), 1);
}

/// Two files that grow at the same time do not lie among each other.
#[test]
fn growing_files_keep_their_chunks() {
    let (volume, mut workspace) = volume(64);
    let mut maps = [0, 1].map(|_| file(&volume, &mut workspace));
    let bytes = vec![5; 64 * 1024];
    for piece in 0..96 {
        for map in &mut maps {
            let offset = piece * bytes.len() as u64;
            volume
                .files()
                .write(&mut workspace, map, offset, &bytes, NOW)
                .unwrap();
        }
    }
    for map in &maps {
        let list = extents(&volume, map);
        assert!(list.len() <= 3, "{list:?}");
        for extent in list {
            assert_eq!(extent.block % CHUNK_BLOCKS, extent.page % CHUNK_BLOCKS);
        }
    }
}

/// A look-up among a million extents costs at most three times that among 100, and reads a line
/// at a time. The tree of 100,000 is as deep as that of a million, whose blocks would be 4 GiB.
#[test]
fn look_ups_scale() {
    let cost = |count: u64| {
        let (volume, mut workspace) = flaky_volume(8 * count.div_ceil(2_000) + 8);
        let mut map = file(&volume, &mut workspace);
        for page in 0..count {
            volume
                .files()
                .reserve_unwritten(&mut workspace, &mut map, 2 * page, 1)
                .unwrap();
        }
        let flaky = volume.platform().medium();
        flaky.reads.store(0, Relaxed);
        flaky.longest_read.store(0, Relaxed);
        for lookup in 0..100 {
            let page = 2 * (lookup * 7_919 % count);
            volume.files().map(&map, page, 1).unwrap();
        }
        assert!(flaky.longest_read.load(Relaxed) <= 64);
        flaky.reads.load(Relaxed)
    };
    let (few, many) = (cost(100), cost(100_000));
    println!("100 look-ups: {few} reads among 100 extents, {many} among 100,000");
    assert!(many <= 3 * few);
}

/// A file that grows by small appends, beside others that stay small, has its first huge page whole too;
/// what it holds is what was written.
#[test]
fn appended_files_are_aligned() {
    let (volume, mut workspace) = volume(64);
    let mut new = || file(&volume, &mut workspace);
    let mut maps: Vec<MapState> = (0..4).map(|_| new()).collect();
    let mut small: Vec<MapState> = (0..600).map(|_| new()).collect();
    let sizes = [4096, 8000, 65_536, 12_345];
    let end = 5 << 20;
    let mut written = [0; 4];
    for round in 0.. {
        if let Some(map) = small.get_mut(round) {
            volume
                .files()
                .write(&mut workspace, map, 0, &[9; 3000], NOW)
                .unwrap();
        }
        for (at, map) in maps.iter_mut().enumerate() {
            if written[at] >= end {
                continue;
            }
            let bytes: Vec<u8> = (written[at]..)
                .take(sizes[at])
                .map(|byte| byte as u8)
                .collect();
            let offset = written[at] as u64;
            volume
                .files()
                .write(&mut workspace, map, offset, &bytes, NOW)
                .unwrap();
            written[at] += bytes.len();
        }
        if written.iter().all(|&written| written >= end) {
            break;
        }
    }
    for map in &maps {
        for page in [0, CHUNK_BLOCKS] {
            let mapping = volume.files().map(map, page, CHUNK_BLOCKS).unwrap();
            assert!(matches!(mapping.state, State::Mapped(block) if block % CHUNK_BLOCKS == 0));
            assert_eq!(mapping.count, CHUNK_BLOCKS);
        }
        let bytes = contents(&volume, map);
        assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == at as u8));
    }
    assert_eq!(findings(&volume), []);
}

/// Many small files leave all chunks whole that they do not need.
#[test]
fn small_files_share_chunks() {
    let (volume, mut workspace) = volume(64);
    let whole = |volume: &DramVolume| {
        let free = free_blocks(volume) / CHUNK_BLOCKS;
        let mut workspace = Box::new(Workspace::new());
        let mut map = file(volume, &mut workspace);
        let mut found = 0;
        for slot in 0..free {
            let got = volume.files().reserve_unwritten(
                &mut workspace,
                &mut map,
                slot * CHUNK_BLOCKS,
                CHUNK_BLOCKS,
            );
            found += u64::from(got.is_ok_and(|got| got.count == CHUNK_BLOCKS));
        }
        (found, free)
    };
    for number in 0..700 {
        let mut map = file(&volume, &mut workspace);
        let bytes = vec![7; 1 + number * 97 % 30_000];
        volume
            .files()
            .write(&mut workspace, &mut map, 0, &bytes, NOW)
            .unwrap();
        volume.files().close(&mut map);
    }
    let (found, free) = whole(&volume);
    assert!(
        found >= free - 1,
        "{found} whole chunks, although {free} are free"
    );
}

/// What cannot move stays, and what need not.
#[test]
fn what_cannot_move_stays() {
    let (volume, mut workspace) = volume(64);
    let mut map = file(&volume, &mut workspace);
    let half = CHUNK_BLOCKS / 2;
    volume
        .files()
        .write(&mut workspace, &mut map, 0, &[1; 4096], NOW)
        .unwrap();
    let before = extents(&volume, &map);
    // A hole is before the page.
    volume
        .files()
        .realign(&mut workspace, &mut map, 5, half)
        .unwrap();
    assert_eq!(extents(&volume, &map), before);
    // It would not come to half a huge page.
    volume
        .files()
        .realign(&mut workspace, &mut map, 1, half - 2)
        .unwrap();
    assert_eq!(extents(&volume, &map), before);
    volume
        .files()
        .realign(&mut workspace, &mut map, 1, half - 1)
        .unwrap();
    let after = extents(&volume, &map);
    assert_ne!(after, before);
    assert_eq!(after[0].block % CHUNK_BLOCKS, 0);
    // It lies well now.
    volume
        .files()
        .realign(&mut workspace, &mut map, 1, half - 1)
        .unwrap();
    assert_eq!(extents(&volume, &map), after);
    volume
        .files()
        .reserve_unwritten(&mut workspace, &mut map, 1, 3)
        .unwrap();
    let unwritten = extents(&volume, &map);
    volume.files().close(&mut map);
    volume
        .files()
        .realign(&mut workspace, &mut map, 4, half)
        .unwrap();
    assert_eq!(extents(&volume, &map), unwritten);
    assert_eq!(findings(&volume), []);
}
