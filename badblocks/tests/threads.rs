// SPDX-License-Identifier: GPL-2.0

//! Lock-free readers beside writers.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::map;

const SECTORS: u64 = 1 << 16;

/// A generator that needs no crate.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Sectors that are bad from the beginning and never cleared, whatever happens in their words.
fn is_kept(sector: u64) -> bool {
    sector % 997 == 5
}

#[test]
fn what_nobody_clears_is_always_seen() {
    let (map, index) = map(SECTORS);
    let index = Mutex::new(index);
    for sector in (0..SECTORS).filter(|&s| is_kept(s)) {
        map.set(&mut index.lock().unwrap(), sector, 1).unwrap();
    }
    let stop = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_millis(1500);

    thread::scope(|scope| {
        for seed in 1..=2 {
            let (map, index, stop) = (&map, &index, &stop);
            scope.spawn(move || {
                let mut seed = seed * 0x9e37_79b9;
                while Instant::now() < end {
                    let start = next(&mut seed) % SECTORS;
                    let len = (next(&mut seed) % 2000).min(SECTORS - start);
                    let mut index = index.lock().unwrap();
                    if next(&mut seed) % 2 == 0 && len > 0 {
                        map.set(&mut index, start, len).unwrap();
                        assert!(map.any_in(start, len));
                    } else {
                        // Around what is kept.
                        let mut from = start;
                        for at in start..=start + len {
                            if at == start + len || is_kept(at) {
                                if from < at {
                                    map.clear(&mut index, from, at - from).unwrap();
                                }
                                from = at + 1;
                            }
                        }
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
        for seed in 3..=4 {
            let (map, stop) = (&map, &stop);
            scope.spawn(move || {
                let mut seed = seed * 0x9e37_79b9;
                while !stop.load(Ordering::Relaxed) {
                    let at = next(&mut seed) % (SECTORS / 997) * 997 + 5;
                    let before = (next(&mut seed) % 5000).min(at);
                    let after = 1 + next(&mut seed) % 5000;
                    assert!(map.any_in(at, 1));
                    assert!(map.any_in(at - before, before + after));
                    let first = map.first_in(at - before, before + after).unwrap();
                    assert!(first.start() <= at);
                    // The runs that follow one another lead to it, too.
                    let mut from = at - before;
                    loop {
                        let run = map.first_in(from, at + 1 - from).unwrap();
                        if run.end() > at {
                            break;
                        }
                        from = run.end();
                    }
                }
            });
        }
    });

    let mut index = index.into_inner().unwrap();
    let kept = (0..SECTORS).filter(|&s| is_kept(s)).count() as u64;
    for sector in (0..SECTORS).filter(|&s| !is_kept(s)) {
        map.clear(&mut index, sector, 1).unwrap();
    }
    assert_eq!(map.bad_sectors(), kept);
    assert_eq!(index.ranges(), kept);
}

/// A reader that learns of a `set` by a release store of its own sees it.
#[test]
fn what_is_set_is_seen() {
    let (map, mut index) = map(SECTORS);
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            // From the back, so that each is the first of a summary word at some time.
            for i in 0..SECTORS {
                map.set(&mut index, SECTORS - 1 - i, 1).unwrap();
                done.store(i + 1, Ordering::Release);
            }
        });
        scope.spawn(|| loop {
            let n = done.load(Ordering::Acquire);
            if n > 0 {
                assert!(map.any_in(SECTORS - n, 1));
                assert!(map.bad_sectors() >= n);
                assert_eq!(map.first_in(SECTORS - n, n).unwrap().sectors(), n);
            }
            if n == SECTORS {
                break;
            }
        });
    });
}
