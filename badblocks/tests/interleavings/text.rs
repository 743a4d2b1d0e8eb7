// SPDX-License-Identifier: GPL-2.0

//! Reading the text in pieces while others record and clear between them.

use crate::common::Map;
use crate::explore::{explore, thread, Arc, Mutex};
use crate::with_bad;
use badblocks::{Edit, Edits, Extent, Index};

const SECTORS: u64 = 1100;

/// What `cat` sees with a buffer of `room` bytes; the lock is free between its reads.
fn cat(map: &Map, index: &Mutex<Index<Vec<u64>>>, cookie: u64, room: usize) -> Vec<Extent> {
    let mut text = Vec::new();
    let mut buf = vec![0; room];
    loop {
        let mut index = index.lock().unwrap();
        let len = map.read_text(&mut index, cookie, text.len() as u64, &mut buf);
        drop(index);
        if len == 0 {
            break;
        }
        text.extend_from_slice(&buf[..len]);
    }
    assert!(text.is_empty() || text.ends_with(b"\n"));
    let lines = Edits::new(&text, SECTORS).filter(|_| !text.is_empty());
    lines
        .map(|line| match line.unwrap() {
            Edit::Inject(range) => range,
            Edit::Clear(range) => panic!("a map shows no minus, but -{range}"),
        })
        .collect()
}

/// The ranges that stay are seen once each, in order; those that change as they were or are.
#[test]
fn a_sequential_reader_misses_nothing_and_repeats_nothing() {
    for room in [3, 6, 11] {
        explore(3, move || {
            let (map, index) = with_bad(SECTORS, &[(5, 1), (64, 2), (700, 1), (1099, 1)]);
            let index = Arc::new(Mutex::new(index));
            let writer = thread::spawn({
                let (map, index) = (map.clone(), index.clone());
                move || {
                    // A line in front of all goes, one grows, one comes at the end of a block.
                    map.clear(&mut index.lock().unwrap(), 5, 1).unwrap();
                    map.set(&mut index.lock().unwrap(), 66, 1).unwrap();
                    map.set(&mut index.lock().unwrap(), 511, 2).unwrap();
                }
            });
            let seen = cat(&map, &index, 1, room);
            writer.join().unwrap();

            // At 66 it is what has come to a range that was shown without it.
            let ever = [
                (5, 1),
                (64, 2),
                (64, 3),
                (66, 1),
                (511, 2),
                (700, 1),
                (1099, 1),
            ];
            for range in &seen {
                let line = (range.start(), range.sectors());
                assert!(ever.contains(&line), "no line ever was {range}");
            }
            assert!(seen.windows(2).all(|pair| pair[0].end() <= pair[1].start()));
            for kept in [64, 700, 1099] {
                let times = seen.iter().filter(|range| range.start() == kept).count();
                assert_eq!(times, 1, "the range at {kept} in {seen:?}");
            }
        });
    }
}

/// Readers of one list do not take one another's place.
#[test]
fn readers_keep_their_own_places() {
    explore(3, || {
        let (map, index) = with_bad(SECTORS, &[(5, 1), (64, 2), (700, 1)]);
        let index = Arc::new(Mutex::new(index));
        let other = thread::spawn({
            let (map, index) = (map.clone(), index.clone());
            move || cat(&map, &index, 2, 5)
        });
        let all = [(5, 1), (64, 2), (700, 1)];
        let all = all.map(|(sector, len)| Extent::new(sector, len).unwrap());
        assert_eq!(cat(&map, &index, 1, 4), all);
        assert_eq!(other.join().unwrap(), all);
    });
}
