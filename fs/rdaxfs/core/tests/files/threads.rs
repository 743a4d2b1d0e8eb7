// SPDX-License-Identifier: GPL-2.0

//! Files that several CPUs change at once.

use std::thread;

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Error;

use crate::common::{volume, DramVolume};
use crate::{contents, extents, file, findings, free_blocks, NOW};

const THREADS: u64 = 4;
const ROUNDS: u64 = 300;

/// A file that is written, punched and cut, of which every byte is the thread's.
fn work(volume: &DramVolume, thread: u64) -> MapState {
    let mut workspace = Box::new(Workspace::new());
    let mut map = file(volume, &mut workspace);
    let bytes = vec![thread as u8 + 1; 9 * BLOCK_SIZE as usize];
    for round in 0..ROUNDS {
        let page = (round * 7 + thread) % 400;
        let offset = page * BLOCK_SIZE;
        match volume
            .files()
            .write(&mut workspace, &mut map, offset, &bytes, NOW)
        {
            Ok(_) | Err(Error::NoSpace) => {}
            Err(error) => panic!("round {round}: {error}"),
        }
        let range = FallocateRange {
            mode: Fallocate::PunchHole,
            keep_size: true,
            offset: offset + BLOCK_SIZE,
            len: 3 * BLOCK_SIZE,
        };
        volume
            .files()
            .fallocate(&mut workspace, &mut map, &range, &Change::modified(NOW))
            .unwrap();
        if round % 50 == 49 {
            volume
                .files()
                .truncate(&mut workspace, &mut map, offset, &Change::modified(NOW))
                .unwrap();
        }
    }
    map
}

#[test]
fn files_keep_apart() {
    // Large enough for two groups, so that they are waited for and tried; small enough to be full at times.
    for mib in [6, 160] {
        let (volume, mut workspace) = volume(mib);
        let free = free_blocks(&volume);
        let mut maps: Vec<MapState> = thread::scope(|scope| {
            let volume = &volume;
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || work(volume, thread)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let mut all = Vec::new();
        for (thread, map) in maps.iter().enumerate() {
            let byte = thread as u8 + 1;
            let found = contents(&volume, map);
            assert!(found.iter().all(|&found| found == byte || found == 0));
            all.extend(extents(&volume, map));
        }
        all.sort_by_key(|extent| extent.block);
        for pair in all.windows(2) {
            assert!(pair[0].block + pair[0].count <= pair[1].block);
        }
        for map in &mut maps {
            volume.files().finish(&mut workspace, map).unwrap();
        }
        assert_eq!(findings(&volume), []);
        // A chunk of inodes in each group stays.
        let left = free - free_blocks(&volume);
        assert!(left <= u64::from(volume.groups()), "{left} blocks are lost");
    }
}
