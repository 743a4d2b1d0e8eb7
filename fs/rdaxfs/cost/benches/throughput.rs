// SPDX-License-Identifier: GPL-2.0

//! What depends on the machine: how fast volumes are made, checked and filled with files in memory.

#![allow(missing_docs)]

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use rdaxfs_check::{survey, Image};
use rdaxfs_core::name::unannounced;
use rdaxfs_cost::memory::Memory;
use rdaxfs_cost::session::{file, format, now, Session};

/// 16 GiB.
const LARGE: u64 = 4 << 20;
/// 1 GiB.
const BLOCKS: u64 = 256 << 10;
const FILES: u64 = 50_000;

fn mkfs(c: &mut Criterion) {
    let mut group = c.benchmark_group("mkfs");
    group.throughput(Throughput::Elements(LARGE / (32 << 10)));
    let memory = Memory::new(LARGE);
    group.bench_function("groups", |b| {
        b.iter(|| format(&memory).expect("a volume can be made"));
    });
    group.finish();
}

fn fsck(c: &mut Criterion) {
    let memory = Memory::new(BLOCKS);
    let mut session = Session::new(memory.clone());
    let mut dir = session.mkdir(b"dir");
    for number in 0..FILES {
        let mut map = session.create(&mut dir, format!("file-{number}").as_bytes());
        session.write(&mut map, 0, &[5; 8192]);
    }
    let superblock = *session.volume.superblock();
    let mut group = c.benchmark_group("fsck");
    group.sample_size(10);
    group.throughput(Throughput::Elements(FILES));
    group.bench_function("files", |b| {
        b.iter(|| {
            let found = survey(&Image::new(&memory, superblock), |_| {});
            assert!(found.findings.is_empty());
        });
    });
    group.finish();
}

fn names(c: &mut Criterion) {
    let mut session = Session::new(Memory::new(BLOCKS));
    let mut dir = session.mkdir(b"dir");
    for number in 0..FILES {
        session.create(&mut dir, format!("file-{number}").as_bytes());
    }
    let Session {
        volume, workspace, ..
    } = &mut session;
    let mut group = c.benchmark_group("names");
    group.throughput(Throughput::Elements(1));
    group.bench_function("create, unlink and free", |b| {
        b.iter(|| {
            let made = volume.names().create(
                workspace,
                &mut dir,
                b"comes and goes",
                &file(),
                now(),
                &mut unannounced,
            );
            let mut map = made.expect("made").map;
            volume
                .names()
                .unlink(workspace, &mut dir, b"comes and goes", &mut map, now())
                .expect("gone");
            volume.files().finish(workspace, &mut map).expect("freed");
        });
    });
    group.bench_function("lookup", |b| {
        let mut number = 0;
        b.iter(|| {
            number = (number + 7_919) % FILES;
            volume
                .names()
                .lookup(&dir, format!("file-{number}").as_bytes())
        });
    });
    group.finish();
}

criterion_group!(benches, mkfs, fsck, names);
criterion_main!(benches);
