// SPDX-License-Identifier: GPL-2.0

//! Where blocks are taken, and what a look-up costs.

use std::sync::atomic::Ordering::Relaxed;

use rdaxfs_core::file::State;
use rdaxfs_core::format::{BLOCK_SIZE, CHUNK_BLOCKS, S_IFREG};
use rdaxfs_core::name::NewInode;

use crate::common::{root, volume};
use crate::medium::flaky_volume;
use crate::{extents, NOW};

/// A file that is written from front to back lies in chunks, at the places that huge pages need.
#[test]
fn large_files_are_aligned() {
    const SLOTS: u64 = 8;
    let (volume, mut workspace) = volume(64);
    let (mut map, _) = root(&volume);
    let bytes = vec![5; 64 * 1024];
    let mut offset = 0;
    while offset < SLOTS * CHUNK_BLOCKS * BLOCK_SIZE {
        let written = volume.write_file(&mut workspace, &mut map, offset, &bytes, NOW);
        assert_eq!(written, Ok(bytes.len()));
        offset += bytes.len() as u64;
    }
    for slot in 0..SLOTS {
        let page = slot * CHUNK_BLOCKS;
        let mapping = volume.map(&map, page, CHUNK_BLOCKS).unwrap();
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
    let mut maps = [0, 1].map(|_| {
        let new = NewInode {
            mode: S_IFREG,
            ..NewInode::default()
        };
        let made = volume.tmpfile(&mut workspace, volume.root(), &new, NOW);
        made.unwrap().0
    });
    let bytes = vec![5; 64 * 1024];
    for piece in 0..96 {
        for map in &mut maps {
            let offset = piece * bytes.len() as u64;
            volume
                .write_file(&mut workspace, map, offset, &bytes, NOW)
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
        let (mut map, _) = volume.open(volume.root(), None).unwrap();
        for page in 0..count {
            volume
                .reserve_unwritten(&mut workspace, &mut map, 2 * page, 1)
                .unwrap();
        }
        let flaky = volume.platform().medium();
        flaky.reads.store(0, Relaxed);
        flaky.longest_read.store(0, Relaxed);
        for lookup in 0..100 {
            let page = 2 * (lookup * 7_919 % count);
            volume.map(&map, page, 1).unwrap();
        }
        assert!(flaky.longest_read.load(Relaxed) <= 64);
        flaky.reads.load(Relaxed)
    };
    let (few, many) = (cost(100), cost(100_000));
    println!("100 look-ups: {few} reads among 100 extents, {many} among 100,000");
    assert!(many <= 3 * few);
}
