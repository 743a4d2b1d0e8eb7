// SPDX-License-Identifier: GPL-2.0

//! What a reader is promised: the list in the crate's documentation, item by item.

use crate::common::map;
use crate::explore::{explore, thread, Arc, Mutex};
use crate::{extent, runs_have, with_bad, Word, ONE_WORD, THREE_LEVELS, TWO_LEVELS};

/// Once `set` has returned and the reader knows, each way to ask says so.
fn set_then_look(sectors: u64, before: &'static [(u64, u64)], bad: (u64, u64)) {
    let (map, mut index) = with_bad(sectors, before);
    let word = Word::new();
    let writer = thread::spawn({
        let (map, word) = (map.clone(), word.clone());
        move || {
            map.set(&mut index, bad.0, bad.1).unwrap();
            word.send();
        }
    });
    if word.has_come() {
        assert!(!map.is_empty());
        assert!(map.any_in(bad.0, bad.1));
        assert_eq!(map.first_in(bad.0, bad.1), Some(extent(bad.0, bad.1)));
        assert!(runs_have(&map, 0, sectors, bad.0 + bad.1 - 1));
    }
    writer.join().unwrap();
}

#[test]
fn what_is_set_is_seen() {
    explore(4, || set_then_look(TWO_LEVELS, &[], (64, 1)));
}

#[test]
fn what_is_set_is_seen_through_two_summaries() {
    explore(4, || set_then_look(THREE_LEVELS, &[], (4096, 1)));
}

/// The last sector of a word that is all bad by then: its *full* summary is set too.
#[test]
fn what_fills_a_word_is_seen() {
    explore(4, || set_then_look(TWO_LEVELS, &[(0, 63)], (63, 2)));
}

/// A word has told its summaries of an earlier range; of this one it tells nobody.
#[test]
fn what_is_set_beside_another_is_seen() {
    explore(4, || set_then_look(TWO_LEVELS, &[(0, 1)], (2, 1)));
}

/// The count comes last: who sees it, from nobody else, sees what it counts.
#[test]
fn what_is_counted_is_seen() {
    for (sectors, sector) in [(TWO_LEVELS, 64), (THREE_LEVELS, 4096)] {
        explore(4, move || {
            let (map, mut index) = with_bad(sectors, &[]);
            let writer = thread::spawn({
                let map = map.clone();
                move || map.set(&mut index, sector, 1).unwrap()
            });
            if !map.is_empty() {
                assert!(map.any_in(sector, 1));
                assert_eq!(map.next_range(0), Some(extent(sector, 1)));
            }
            writer.join().unwrap();
        });
    }
}

/// Once `clear` has returned and the reader knows, the sector is good whoever is asked.
fn clear_then_look(sectors: u64, before: &'static [(u64, u64)], gone: u64) {
    let (map, mut index) = with_bad(sectors, before);
    let word = Word::new();
    let writer = thread::spawn({
        let (map, word) = (map.clone(), word.clone());
        move || {
            map.clear(&mut index, gone, 1).unwrap();
            word.send();
        }
    });
    if word.has_come() {
        assert!(!map.any_in(gone, 1));
        assert_eq!(map.first_in(gone, 1), None);
        assert!(!runs_have(&map, 0, sectors, gone));
    }
    writer.join().unwrap();
}

#[test]
fn what_is_cleared_is_good() {
    explore(4, || clear_then_look(TWO_LEVELS, &[(64, 1)], 64));
    explore(4, || clear_then_look(THREE_LEVELS, &[(4096, 1)], 4096));
}

#[test]
fn what_is_cleared_inside_a_range_is_good() {
    explore(4, || clear_then_look(TWO_LEVELS, &[(0, 130)], 64));
}

/// A bad sector that nobody clears is found by every search, while its neighbours in the word, in
/// the summary and in the range come and go.
fn keep(
    sectors: u64,
    before: &'static [(u64, u64)],
    kept: u64,
    edits: &'static [(bool, u64, u64)],
) {
    let (map, mut index) = with_bad(sectors, before);
    let writer = thread::spawn({
        let map = map.clone();
        move || {
            for &(bad, sector, len) in edits {
                if bad {
                    map.set(&mut index, sector, len).unwrap();
                } else {
                    map.clear(&mut index, sector, len).unwrap();
                }
            }
        }
    });
    assert!(map.any_in(kept, 1));
    assert!(map.any_in(0, sectors));
    assert!(runs_have(&map, 0, sectors, kept));
    writer.join().unwrap();
    assert!(map.any_in(kept, 1));
}

#[test]
fn what_nobody_clears_stays_seen_among_neighbours() {
    explore(2, || {
        keep(ONE_WORD, &[(5, 1)], 5, &[(true, 6, 1), (false, 6, 1)]);
    });
}

#[test]
fn what_nobody_clears_stays_seen_when_its_range_is_cut() {
    explore(2, || keep(TWO_LEVELS, &[(0, 130)], 64, &[(false, 0, 64)]));
    explore(2, || keep(TWO_LEVELS, &[(0, 130)], 63, &[(false, 64, 2)]));
}

#[test]
fn what_nobody_clears_stays_seen_when_its_word_fills() {
    explore(2, || keep(TWO_LEVELS, &[(70, 1)], 70, &[(true, 60, 70)]));
}

#[test]
fn what_nobody_clears_stays_seen_when_others_leave_the_summary() {
    explore(2, || {
        keep(THREE_LEVELS, &[(3, 1), (4096, 1)], 4096, &[(false, 3, 1)]);
    });
}

/// What is reported was bad at some time: nothing outside of what the writer ever sets, and nothing
/// that was cleared before.
#[test]
fn nothing_good_is_reported() {
    explore(2, || {
        let (map, mut index) = with_bad(TWO_LEVELS, &[(0, 128)]);
        map.clear(&mut index, 64, 1).unwrap();
        let writer = thread::spawn({
            let map = map.clone();
            move || {
                map.clear(&mut index, 62, 2).unwrap();
                map.set(&mut index, 62, 2).unwrap();
            }
        });
        assert!(!map.any_in(64, 1));
        assert!(!runs_have(&map, 0, TWO_LEVELS, 64));
        assert!(!runs_have(&map, 0, TWO_LEVELS, 128));
        writer.join().unwrap();
    });
}

/// The count is never lower than what the reader knows to be bad, and in the end exact.
#[test]
fn the_count_is_exact_once_all_are_done() {
    explore(2, || {
        let (map, index) = with_bad(TWO_LEVELS, &[(100, 3)]);
        let index = Arc::new(Mutex::new(index));
        let writers = [(10, 2), (11, 5)].map(|(sector, len)| {
            let (map, index) = (map.clone(), index.clone());
            thread::spawn(move || {
                map.set(&mut index.lock().unwrap(), sector, len).unwrap();
            })
        });
        assert!(map.bad_sectors() >= 3);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(map.bad_sectors(), 3 + 6);
        assert_eq!(map.first_in(0, 50), Some(extent(10, 6)));
        assert_eq!(index.lock().unwrap().ranges(), 2);
    });
}

/// A writer reads its words relaxed: the lock is what shows it those of the writer before.
#[test]
fn writers_see_one_another_through_the_lock() {
    explore(2, || {
        let (map, index) = map(ONE_WORD);
        let (map, index) = (Arc::new(map), Arc::new(Mutex::new(index)));
        let other = thread::spawn({
            let (map, index) = (map.clone(), index.clone());
            move || {
                map.set(&mut index.lock().unwrap(), 0, 32).unwrap();
                map.clear(&mut index.lock().unwrap(), 31, 1).unwrap();
            }
        });
        map.set(&mut index.lock().unwrap(), 32, 32).unwrap();
        other.join().unwrap();
        assert_eq!(map.first_in(0, 64), Some(extent(0, 31)));
        assert_eq!(map.next_range(31), Some(extent(32, 32)));
        assert_eq!(map.bad_sectors(), 63);
        let index = index.lock().unwrap();
        assert_eq!((index.ranges(), index.text_len()), (2, 5 + 6));
    });
}
