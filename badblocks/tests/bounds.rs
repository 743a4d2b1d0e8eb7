// SPDX-License-Identifier: GPL-2.0

//! The edges: of the device, of a word, of what storage may be.

mod common;

use badblocks::{
    index_words_needed, words_needed, AtomicU64, Badblocks, Extent, NewError, RangeError,
    MAX_SECTORS,
};
use common::{map, text};

fn words(n: usize) -> Vec<AtomicU64> {
    (0..n).map(|_| AtomicU64::new(0)).collect()
}

#[test]
fn storage_of_known_sizes() {
    assert_eq!(words_needed(0), None);
    assert_eq!(words_needed(1), Some(3));
    assert_eq!(words_needed(64), Some(3));
    assert_eq!(words_needed(65), Some(4));
    assert_eq!(words_needed(4096), Some(66));
    assert_eq!(words_needed(4097), Some(65 + 2 * (2 + 1)));
    // 1 GiB
    assert_eq!(words_needed(1 << 21), Some(32768 + 2 * (512 + 8 + 1)));
    assert_eq!(index_words_needed(1 << 21), Some(4096));
    assert!(words_needed(MAX_SECTORS).is_some());
    assert_eq!(words_needed(MAX_SECTORS + 1), None);
    assert_eq!(words_needed(u64::MAX), None);
    assert_eq!(index_words_needed(0), None);
    assert_eq!(index_words_needed(u64::MAX), None);
}

#[test]
fn storage_that_does_not_do() {
    let error = |map: usize, index: usize, sectors| {
        Badblocks::new(words(map), vec![0; index], sectors).err()
    };
    assert_eq!(error(9, 9, 0), Some(NewError::Size { sectors: 0 }));
    assert_eq!(
        error(2, 1, 64),
        Some(NewError::Map {
            needed: 3,
            given: 2
        })
    );
    assert_eq!(
        error(3, 0, 64),
        Some(NewError::Index {
            needed: 1,
            given: 0
        })
    );
    assert_eq!(error(3, 1, 64), None);
    assert_eq!(
        NewError::Size { sectors: 0 }.to_string(),
        "0 sectors cannot be mapped: a device has 1 to 18014398509481984 sectors"
    );
    assert_eq!(
        NewError::Map {
            needed: 3,
            given: 2
        }
        .to_string(),
        "2 words are too few for the map: allocate 3"
    );
    assert_eq!(
        NewError::Index {
            needed: 1,
            given: 0
        }
        .to_string(),
        "0 words are too few for the index: allocate 1"
    );
}

#[test]
fn ranges_that_are_none() {
    let (map, mut index) = map(1000);
    for (sector, sectors, error) in [
        (0, 0, RangeError::Empty),
        (u64::MAX, 0, RangeError::Empty),
        (u64::MAX, 1, RangeError::Wraps),
        (1, u64::MAX, RangeError::Wraps),
        (1000, 1, RangeError::BeyondDevice { sectors: 1000 }),
        (999, 2, RangeError::BeyondDevice { sectors: 1000 }),
        (0, 1001, RangeError::BeyondDevice { sectors: 1000 }),
    ] {
        assert_eq!(map.set(&mut index, sector, sectors), Err(error));
        assert_eq!(map.clear(&mut index, sector, sectors), Err(error));
    }
    assert!(map.is_empty());
    assert_eq!(index.ranges(), 0);
    assert_eq!(
        RangeError::BeyondDevice { sectors: 1000 }.to_string(),
        "the range ends beyond the device's 1000 sectors"
    );
    for error in [
        RangeError::Empty,
        RangeError::Wraps,
        RangeError::ForeignIndex,
    ] {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn looks_beyond_the_device() {
    let (map, mut index) = map(1000);
    map.set(&mut index, 999, 1).unwrap();
    assert!(map.any_in(0, u64::MAX));
    assert!(map.any_in(999, u64::MAX));
    assert!(!map.any_in(1000, u64::MAX));
    assert!(!map.any_in(u64::MAX, u64::MAX));
    assert!(!map.any_in(999, 0));
    assert_eq!(map.first_in(0, u64::MAX), Extent::new(999, 1));
    assert_eq!(map.first_in(1000, 1), None);
    assert_eq!(map.next_range(u64::MAX), None);
}

#[test]
fn the_whole_device() {
    for sectors in [1, 63, 64, 65, 4095, 4096, 4097, 1 << 18, (1 << 18) + 1] {
        let (map, mut index) = map(sectors);
        assert_eq!(map.set(&mut index, 0, sectors), Ok(sectors));
        assert_eq!(map.set(&mut index, 0, sectors), Ok(0));
        assert_eq!(map.next_range(0), Extent::new(0, sectors));
        assert_eq!(text(&map, &mut index, 1, 64), format!("0 {sectors}\n"));
        assert_eq!(map.clear(&mut index, sectors - 1, 1), Ok(1));
        assert_eq!(map.set(&mut index, sectors - 1, 1), Ok(1));
        assert_eq!(map.next_range(0), Extent::new(0, sectors));
        assert_eq!(map.clear(&mut index, 0, sectors), Ok(sectors));
        assert_eq!(map.clear(&mut index, 0, sectors), Ok(0));
        assert_eq!(map.next_range(0), None);
        assert!(map.is_empty());
        assert_eq!(index.text_len(), 0);
        assert_eq!(text(&map, &mut index, 1, 64), "");
    }
}

#[test]
fn the_index_of_another_map_changes_nothing() {
    let (one, mut index) = map(1000);
    let (other, mut others) = map(1000);
    one.set(&mut index, 5, 1).unwrap();
    assert_eq!(other.set(&mut index, 5, 1), Err(RangeError::ForeignIndex));
    assert_eq!(one.clear(&mut others, 5, 1), Err(RangeError::ForeignIndex));
    assert_eq!(one.read_text(&mut others, 1, 0, &mut [0; 64]), 0);
    assert!(one.any_in(5, 1));
    assert!(other.is_empty());
}

#[test]
fn storage_that_somebody_else_writes_to_misleads_and_no_more() {
    let storage = words(words_needed(100_000).unwrap());
    let mut sums = vec![0; index_words_needed(100_000).unwrap()];
    let (map, mut index) = Badblocks::new(&storage[..], &mut sums[..], 100_000).unwrap();
    map.set(&mut index, 0, 100_000).unwrap();
    for (i, word) in storage.iter().enumerate() {
        let noise = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word.store(noise, std::sync::atomic::Ordering::Relaxed);
    }
    let mut buf = [0; 100];
    for sector in (0..100_000).step_by(777) {
        map.any_in(sector, 10_000);
        map.first_in(sector, 100_000);
        map.next_range(sector);
        map.clear(&mut index, sector, 100).unwrap();
        map.set(&mut index, sector, 300).unwrap();
        map.read_text(&mut index, sector, sector, &mut buf);
    }
}

#[test]
fn empty_buffer() {
    let (map, mut index) = map(100);
    map.set(&mut index, 1, 1).unwrap();
    assert_eq!(map.read_text(&mut index, 1, 0, &mut []), 0);
    assert_eq!(map.read_text(&mut index, 1, u64::MAX, &mut [0; 9]), 0);
    assert_eq!(map.read_text(&mut index, 1, 4, &mut [0; 9]), 0);
}
