// SPDX-License-Identifier: GPL-2.0

//! Files of a hundred and of a million extents.

use rdaxfs_core::platform::{Digest, Stores};

use crate::memory::Memory;
use crate::meter::Meter;
use crate::session::{Numbers, Session};

/// How often a page is looked up.
const TIMES: u64 = 10_000;

/// A volume with a file of so many extents, all of one page and with a hole before the next.
///
/// # Panics
///
/// If there is no room for it.
#[must_use]
pub fn prepare(extents: u64) -> Memory {
    let memory = Memory::new(extents + extents / 50 + 4096);
    let mut session = Session::new(memory.clone());
    let mut dir = session.mkdir(b"dir");
    let mut map = session.create(&mut dir, b"file");
    let Session {
        volume, workspace, ..
    } = &mut session;
    for extent in 0..extents {
        volume
            .files()
            .reserve_unwritten(workspace, &mut map, 2 * extent, 1)
            .expect("there is room");
    }
    session.unmount();
    memory
}

/// Looks pages up.
///
/// # Panics
///
/// If the medium is not what [`prepare`] made.
pub fn run<M: Stores + Digest>(medium: M, extents: u64, meter: &mut dyn Meter) {
    let session = Session::mount(medium);
    let volume = &session.volume;
    let open = |dir: &_, name: &[u8]| {
        let target = volume.names().lookup(dir, name).expect("it has been made");
        volume.inodes().open(target.ino, None).expect("it is one").0
    };
    let dir = open(&session.root, b"dir");
    let map = open(&dir, b"file");
    let mut numbers = Numbers::new(2);
    let pages: Vec<_> = (0..TIMES).map(|_| 2 * numbers.below(extents)).collect();
    meter.measure("look-up of a page", TIMES, &mut |at| {
        volume
            .files()
            .map(&map, pages[at as usize], 1)
            .expect("mapped");
    });
}
