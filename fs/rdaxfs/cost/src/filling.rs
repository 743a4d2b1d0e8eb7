// SPDX-License-Identifier: GPL-2.0

//! Allocation in an empty volume, and in full ones.

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{BLOCK_SIZE, CHUNK_BLOCKS};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::platform::{Digest, Stores};

use crate::memory::Memory;
use crate::meter::Meter;
use crate::session::{now, Numbers, Session};

/// The volume's blocks: eight groups.
const BLOCKS: u64 = 256 << 10;
/// How full it is made, in percent.
const FULL: u64 = 95;
/// The volumes that [`prepare`] makes.
pub const STATES: [&str; 4] = ["empty", "in order", "files removed", "pages punched"];

/// A volume: empty; filled from its start on; filled with files of mixed sizes, some of which were
/// removed; filled, and then single pages freed everywhere.
///
/// # Panics
///
/// If there is no such state.
#[must_use]
pub fn prepare(state: &str) -> Memory {
    let memory = Memory::new(BLOCKS);
    let mut session = Session::new(memory.clone());
    let target = session.free() * (100 - FULL) / 100;
    match state {
        "empty" => {}
        "in order" => {
            let mut map = keep(&mut session, 0);
            let pages = session.free() - target;
            reserve(&mut session, &mut map, pages);
        }
        "files removed" => remove_files(&mut session, target),
        "pages punched" => punch_pages(&mut session, target),
        _ => panic!("there is no state '{state}'"),
    }
    assert!(session.free().abs_diff(target) < BLOCKS / 100 || state == "empty");
    session.unmount();
    memory
}

fn keep<M: Stores + Digest>(session: &mut Session<M>, number: u64) -> MapState {
    let mut dir = session.mkdir(format!("dir-{number}").as_bytes());
    session.create(&mut dir, b"file")
}

fn reserve<M: Stores + Digest>(session: &mut Session<M>, map: &mut MapState, pages: u64) {
    let Session {
        volume, workspace, ..
    } = session;
    let mut page = 0;
    while page < pages {
        let mapping = volume
            .files()
            .reserve_unwritten(workspace, map, page, pages - page);
        page += mapping.expect("there is room").count;
    }
    volume.files().close(map);
}

fn remove_files<M: Stores + Digest>(session: &mut Session<M>, target: u64) {
    let mut numbers = Numbers::new(3);
    let mut files = Vec::new();
    while session.free() > target / 2 {
        let pages = 1 + numbers.below(1 << numbers.clone().below(8));
        let mut map = session.tmpfile();
        reserve(session, &mut map, pages);
        files.push(map);
    }
    while session.free() < target {
        let at = numbers.below(files.len() as u64) as usize;
        let mut map = files.swap_remove(at);
        let Session {
            volume, workspace, ..
        } = &mut *session;
        volume.files().finish(workspace, &mut map).expect("freed");
    }
}

fn punch_pages<M: Stores + Digest>(session: &mut Session<M>, target: u64) {
    let mut map = keep(session, 0);
    let pages = session.free() - target / 4;
    reserve(session, &mut map, pages);
    let mut numbers = Numbers::new(4);
    while session.free() < target {
        let range = FallocateRange {
            mode: Fallocate::PunchHole,
            keep_size: true,
            offset: numbers.below(pages) * BLOCK_SIZE,
            len: BLOCK_SIZE,
        };
        let Session {
            volume, workspace, ..
        } = &mut *session;
        volume
            .files()
            .fallocate(workspace, &mut map, &range, &Change::modified(now()))
            .expect("punched");
    }
}

/// Takes blocks for files: a page, 64 KiB, 2 MiB. Each operation takes one run.
///
/// # Panics
///
/// If the medium is not what [`prepare`] made.
pub fn run<M: Stores + Digest>(medium: M, meter: &mut dyn Meter) {
    let mut session = Session::mount(medium);
    // The first look at each group after a mount reads its bitmap.
    let mut map = session.tmpfile();
    for group in 0..u64::from(session.volume.groups()) {
        let Session {
            volume, workspace, ..
        } = &mut session;
        volume
            .files()
            .reserve_unwritten(workspace, &mut map, group * CHUNK_BLOCKS * 2, CHUNK_BLOCKS)
            .expect("there is room");
    }
    session.volume.files().close(&mut map);
    for (what, pages, times) in [
        ("4 KiB", 1, 1000),
        ("64 KiB", 16, 200),
        ("2 MiB", CHUNK_BLOCKS, 10),
    ] {
        let mut maps: Vec<_> = (0..times).map(|_| session.tmpfile()).collect();
        let Session {
            volume, workspace, ..
        } = &mut session;
        let mut got = 0;
        meter.measure(what, times, &mut |at| {
            let mapping =
                volume
                    .files()
                    .reserve_unwritten(workspace, &mut maps[at as usize], 0, pages);
            got += mapping.expect("there is room").count;
        });
        for map in &mut maps {
            volume.files().finish(workspace, map).expect("freed");
        }
    }
}
