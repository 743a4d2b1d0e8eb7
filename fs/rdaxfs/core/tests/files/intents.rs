// SPDX-License-Identifier: GPL-2.0

//! What takes many transactions, and does not get through all of them.

use std::sync::atomic::Ordering::Relaxed;

use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{
    block_offset, inode_offset, RecordEntry, RecordHeader, BLOCK_SIZE, INODE_SIZE, S_IFREG,
};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::Medium;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::Host;
use zerocopy::FromBytes;

use crate::medium::{flaky_volume, mount, Flaky, NEVER};
use crate::{contents, extents, findings, free_blocks, NOW};

const EXTENTS: u64 = 600;

type FlakyVolume = Volume<Host<Flaky>>;

/// A file with a name, of every other page, and how many blocks the volume had free before those.
fn scattered() -> (FlakyVolume, Box<Workspace>, MapState, u64) {
    let (volume, mut workspace) = flaky_volume(8);
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let new = NewInode {
        mode: S_IFREG | 0o600,
        ..NewInode::default()
    };
    let made = volume.names().create(
        &mut workspace,
        &mut root,
        b"file",
        &new,
        NOW,
        &mut unannounced,
    );
    let mut map = made.unwrap().map;
    let free = free_blocks(&volume);
    let page = [9; BLOCK_SIZE as usize];
    for turn in 0..EXTENTS {
        let offset = 2 * turn * BLOCK_SIZE;
        let written = volume
            .files()
            .write(&mut workspace, &mut map, offset, &page, NOW);
        assert_eq!(written, Ok(page.len()));
    }
    (volume, workspace, map, free)
}

#[derive(Clone, Copy, Debug)]
enum Job {
    Truncate,
    Punch,
    Zero,
}

/// Runs the job until a read fails; [`None`] if none does.
fn stopped(job: Job, good_reads: u64) -> Option<(FlakyVolume, Box<Workspace>, MapState, u64)> {
    let (volume, mut workspace, mut map, free) = scattered();
    volume
        .platform()
        .medium()
        .good_reads
        .store(good_reads, Relaxed);
    let result: Result = match job {
        Job::Truncate => volume
            .files()
            .truncate(&mut workspace, &mut map, BLOCK_SIZE, &Change::modified(NOW))
            .map(drop),
        Job::Punch | Job::Zero => {
            let range = FallocateRange {
                mode: match job {
                    Job::Punch => Fallocate::PunchHole,
                    _ => Fallocate::ZeroRange,
                },
                keep_size: true,
                offset: BLOCK_SIZE,
                len: 2 * EXTENTS * BLOCK_SIZE,
            };
            volume
                .files()
                .fallocate(&mut workspace, &mut map, &range, &Change::modified(NOW))
                .map(drop)
        }
    };
    volume.platform().medium().good_reads.store(NEVER, Relaxed);
    if result.is_ok() {
        return None;
    }
    assert_eq!(result, Err(Error::Io));
    Some((volume, workspace, map, free))
}

/// What the file must have once the job is done: a page, and zeros or nothing.
fn check_done(volume: &FlakyVolume, map: &MapState, job: Job) {
    assert!(!volume.inodes().attributes(map).unwrap().has_intent);
    assert_eq!(findings(volume), []);
    let found = contents(volume, map);
    let (first, rest) = found.split_at(BLOCK_SIZE as usize);
    assert!(first.iter().all(|&byte| byte == 9));
    assert!(rest.iter().all(|&byte| byte == 0));
    let written = |extent: &&rdaxfs_core::format::Extent| !extent.unwritten;
    let list = extents(volume, map);
    assert_eq!(list.iter().filter(written).count(), 1);
    assert_eq!(list.len() == 1, !matches!(job, Job::Zero));
}

#[test]
fn a_mount_finds_what_is_left() {
    for job in [Job::Truncate, Job::Punch, Job::Zero] {
        let mut finished = 0;
        for good_reads in (0..).step_by(1_009) {
            let Some((volume, _, map, free)) = stopped(job, good_reads) else {
                break;
            };
            let left = volume.inodes().attributes(&map).unwrap().has_intent;
            let ino = map.ino();
            let medium = volume.into_platform().into_medium();
            let (volume, mut workspace) = mount(medium).unwrap();
            let unfinished = volume.inodes().first_unfinished(0).unwrap();
            assert_eq!(unfinished, left.then_some(ino));
            let (mut map, _) = volume.inodes().open(ino, None).unwrap();
            if left {
                finished += 1;
                volume.files().finish(&mut workspace, &mut map).unwrap();
                check_done(&volume, &map, job);
            }
            assert_eq!(volume.inodes().first_unfinished(0), Ok(None));
            volume
                .files()
                .truncate(&mut workspace, &mut map, 0, &Change::modified(NOW))
                .unwrap();
            assert_eq!(free_blocks(&volume), free);
        }
        assert!(
            finished > 2,
            "{job:?} has left something {finished} times only"
        );
    }
}

#[test]
fn the_next_operation_goes_on() {
    for job in [Job::Truncate, Job::Punch, Job::Zero] {
        for good_reads in (0..).step_by(2_003) {
            let Some((volume, mut workspace, mut map, _)) = stopped(job, good_reads) else {
                break;
            };
            if volume.inodes().attributes(&map).unwrap().has_intent {
                volume
                    .files()
                    .map_for_write(&mut workspace, &mut map, (0, 1), &Change::modified(NOW))
                    .unwrap();
                check_done(&volume, &map, job);
            }
        }
    }
}

/// An inode without a name is freed, however often that fails.
#[test]
fn orphans_are_freed() {
    for good_reads in (0..).step_by(1_501) {
        let (volume, mut workspace, mut map, free) = scattered();
        let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
        volume
            .names()
            .unlink(&mut workspace, &mut root, b"file", &mut map, NOW)
            .unwrap();
        let ino = map.ino();
        assert_eq!(volume.inodes().first_unfinished(0), Ok(Some(ino)));
        let flaky = volume.platform().medium();
        flaky.good_reads.store(good_reads, Relaxed);
        let result = volume.files().finish(&mut workspace, &mut map);
        flaky.good_reads.store(NEVER, Relaxed);
        if result.is_err() {
            let (volume, mut workspace) = mount(volume.into_platform().into_medium()).unwrap();
            let (mut map, _) = volume.inodes().open(ino, None).unwrap();
            volume.files().finish(&mut workspace, &mut map).unwrap();
            check_gone(&volume, ino, free);
        } else {
            check_gone(&volume, ino, free);
            return;
        }
    }
}

fn check_gone(volume: &FlakyVolume, ino: u64, free: u64) {
    assert_eq!(volume.inodes().open(ino, None).err(), Some(Error::Stale));
    assert_eq!(volume.inodes().first_unfinished(0), Ok(None));
    assert_eq!(findings(volume), []);
    assert_eq!(free_blocks(volume), free);
}

/// What is freed may be written anew with the fence that makes the record's mark durable: were there
/// a word of it in the record, recovery after a crash in between could overwrite what is new.
#[test]
fn a_record_has_no_word_of_what_it_frees() {
    let (volume, mut workspace, mut map, _) = scattered();
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    volume
        .names()
        .unlink(&mut workspace, &mut root, b"file", &mut map, NOW)
        .unwrap();
    volume.files().finish(&mut workspace, &mut map).unwrap();

    // One thread has one slot, so that the last record is in the first one that has any.
    let first = block_offset(volume.superblock().slots_at.get());
    let mut bytes = [0; BLOCK_SIZE as usize];
    let last = (0..u64::from(volume.slots()))
        .map(|slot| first + slot * BLOCK_SIZE)
        .find_map(|slot| {
            volume.platform().read(slot, &mut bytes).unwrap();
            let (header, rest) = RecordHeader::read_from_prefix(&bytes).unwrap();
            let count = header.count.get() as usize;
            (count > 0).then(|| {
                <[RecordEntry]>::ref_from_prefix_with_elems(rest, count)
                    .unwrap()
                    .0
                    .to_vec()
            })
        })
        .unwrap();
    let inode = inode_offset(map.ino())..inode_offset(map.ino()) + INODE_SIZE;
    assert!(last.len() > 2);
    for entry in last {
        assert!(!inode.contains(&entry.offset.get()), "{entry:?}");
    }
}
