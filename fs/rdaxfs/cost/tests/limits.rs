// SPDX-License-Identifier: GPL-2.0

//! Limits that hold on every machine.

use std::path::Path;

use rdaxfs_cost::counting::Counting;
use rdaxfs_cost::memory::Memory;
use rdaxfs_cost::session::{now, Session};
use rdaxfs_cost::{ageing, mounting};

#[test]
fn a_mount_reads_the_same_however_large_the_volume_is() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mounted");
    let counts = mounting::LENGTHS.map(|(_, len)| mounting::mount(&path, len).unwrap());
    println!("{counts:?}");
    assert!(counts.iter().all(|count| *count == counts[0]));
    assert!(counts[0].read_bytes < 4096);
}

/// A write that changes nothing but bytes, in the same tick of the clock as the one before, is durable
/// when it returns as any other is.
#[test]
fn an_overwrite_is_fenced_even_if_no_word_changes() {
    let (medium, counters) = Counting::new(Memory::new(4096));
    let mut session = Session::new(medium);
    let mut map = session.tmpfile();
    let time = now();
    let mut fences = || {
        let before = counters.read().fences;
        let Session {
            volume, workspace, ..
        } = &mut session;
        let written = volume
            .files()
            .write(workspace, &mut map, 0, &[7; 4096], time);
        assert_eq!(written, Ok(4096));
        counters.read().fences - before
    };
    assert_eq!(fences(), 3);
    assert_eq!(fences(), 1);
}

#[test]
fn files_lie_well_after_long_use() {
    let aged = ageing::run(ageing::MIXES[1], 10);
    println!("{aged:?}");
    assert!(aged.slots > 100 && aged.aligned() >= 90.0);
}
