// SPDX-License-Identifier: GPL-2.0

//! Directories of a thousand and of a million files.

use rdaxfs_core::name::unannounced;
use rdaxfs_core::platform::{Digest, Stores};

use crate::memory::Memory;
use crate::meter::Meter;
use crate::session::{file, now, Numbers, Session};

/// How often each operation is done.
const TIMES: u64 = 2000;
/// The volume's blocks: five groups.
const BLOCKS: u64 = 160 << 10;

fn name(number: u64) -> Vec<u8> {
    format!("entry-{number:08}").into_bytes()
}

/// A volume with a directory of so many files.
#[must_use]
pub fn prepare(entries: u64) -> Memory {
    let memory = Memory::new(BLOCKS);
    let mut session = Session::new(memory.clone());
    let mut dir = session.mkdir(b"dir");
    for number in 0..entries {
        session.create(&mut dir, &name(number));
    }
    session.unmount();
    memory
}

/// Looks names up, makes files and removes them.
///
/// # Panics
///
/// If the medium is not what [`prepare`] made.
pub fn run<M: Stores + Digest>(medium: M, entries: u64, meter: &mut dyn Meter) {
    let mut session = Session::mount(medium);
    let target = session.volume.names().lookup(&session.root, b"dir");
    let ino = target.expect("it has been made").ino;
    let (mut dir, _) = session.volume.inodes().open(ino, None).expect("it is one");
    let Session {
        volume, workspace, ..
    } = &mut session;
    let mut numbers = Numbers::new(1);
    let names: Vec<_> = (0..TIMES).map(|_| name(numbers.below(entries))).collect();
    meter.measure("look-up", TIMES, &mut |at| {
        volume
            .names()
            .lookup(&dir, &names[at as usize])
            .expect("it is there");
    });
    // The first one after a mount looks at its group, and flushes the marks of all slots.
    volume
        .names()
        .create(
            workspace,
            &mut dir,
            b"first",
            &file(),
            now(),
            &mut unannounced,
        )
        .expect("made");
    let names: Vec<_> = (0..TIMES).map(|at| name(entries + at)).collect();
    let mut maps = Vec::new();
    meter.measure("create", TIMES, &mut |at| {
        let made = volume.names().create(
            workspace,
            &mut dir,
            &names[at as usize],
            &file(),
            now(),
            &mut unannounced,
        );
        maps.push(made.expect("made").map);
    });
    meter.measure("unlink", TIMES, &mut |at| {
        let (name, map) = (&names[at as usize], &mut maps[at as usize]);
        volume
            .names()
            .unlink(workspace, &mut dir, name, map, now())
            .expect("gone");
    });
}
