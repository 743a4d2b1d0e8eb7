// SPDX-License-Identifier: GPL-2.0

//! What a look and a change cost with no, one, a thousand and a million ranges.

#![allow(missing_docs)]

use std::hint::black_box;

use badblocks::{index_words_needed, words_needed, AtomicU64, Badblocks, Index};
use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion};

/// 16 GiB.
const SECTORS: u64 = 1 << 25;
/// Sectors of a 4 KiB I/O.
const IO: u64 = 8;

type Map = Badblocks<Vec<AtomicU64>>;

/// `ranges` ranges of one sector, evenly over the device.
///
/// None is in its last 16 MiB.
fn map(ranges: u64) -> (Map, Index<Vec<u64>>, u64) {
    let words = words_needed(SECTORS).unwrap();
    let words = (0..words).map(|_| AtomicU64::new(0)).collect();
    let index = vec![0; index_words_needed(SECTORS).unwrap()];
    let (map, mut index) = Badblocks::new(words, index, SECTORS).unwrap();
    let stride = (SECTORS - (1 << 15)) / ranges.max(1);
    for i in 0..ranges {
        map.set(&mut index, i * stride, 1).unwrap();
    }
    (map, index, stride)
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for ranges in [0, 1, 1_000, 1_000_000] {
        let (map, _index, stride) = map(ranges);
        let hit = ranges / 2 * stride;
        // In the word of a bad sector; half way to the next; where the device is good for long.
        for (name, sector) in [
            ("hit", hit),
            ("miss_near", hit + IO),
            ("miss_far", SECTORS - (1 << 14)),
        ] {
            let id = BenchmarkId::new(name, ranges);
            group.bench_with_input(id, &sector, |b, &sector| {
                b.iter(|| map.any_in(black_box(sector), black_box(IO)));
            });
        }
        let id = BenchmarkId::new("miss_far_1MiB", ranges);
        group.bench_with_input(id, &(SECTORS - (1 << 14)), |b, &sector| {
            b.iter(|| map.any_in(black_box(sector), black_box(2048)));
        });
        let id = BenchmarkId::new("first_in_device", ranges);
        group.bench_with_input(id, &(hit + 1), |b, &sector| {
            b.iter(|| map.first_in(black_box(sector), black_box(SECTORS)));
        });
    }
    group.finish();
}

fn change(c: &mut Criterion) {
    let mut group = c.benchmark_group("change");
    for ranges in [1, 1_000, 1_000_000] {
        let (map, mut index, stride) = map(ranges);
        let sector = ranges / 2 * stride + 4;
        group.bench_function(BenchmarkId::new("insert_clear", ranges), |b| {
            b.iter(|| {
                map.set(&mut index, black_box(sector), 1).unwrap();
                map.clear(&mut index, black_box(sector), 1).unwrap();
            });
        });
        let sector = SECTORS - (1 << 14);
        group.bench_function(BenchmarkId::new("insert_clear_1MiB", ranges), |b| {
            b.iter(|| {
                map.set(&mut index, black_box(sector), 2048).unwrap();
                map.clear(&mut index, black_box(sector), 2048).unwrap();
            });
        });
    }
    group.finish();
}

fn text(c: &mut Criterion) {
    let mut group = c.benchmark_group("text");
    for ranges in [1, 1_000, 1_000_000] {
        let (map, mut index, _stride) = map(ranges);
        let mut page = [0; 4096];
        let middle = index.text_len() / 2;
        group.bench_function(BenchmarkId::new("page_in_the_middle", ranges), |b| {
            b.iter(|| map.read_text(&mut index, 1, black_box(middle), &mut page));
        });
    }
    group.finish();
}

criterion_group!(benches, lookup, change, text);
criterion_main!(benches);
