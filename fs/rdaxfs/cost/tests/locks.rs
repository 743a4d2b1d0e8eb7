// SPDX-License-Identifier: GPL-2.0

//! Writers in different groups share no lock.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Barrier, Mutex};
use std::thread::{self, ThreadId};

use rdaxfs_core::format::{group_of, inode_block};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::unannounced;
use rdaxfs_core::platform::{Digest, Locks, Medium, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::Result;
use rdaxfs_cost::memory::Memory;
use rdaxfs_cost::session::{directory, file, format, now};
use rdaxfs_host::Host;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lock {
    Group(u32),
    Slot(u32),
}

/// A platform that notes who takes which lock.
struct Watched {
    host: Host<Memory>,
    taken: Mutex<Vec<(ThreadId, Lock)>>,
}

impl Watched {
    fn note(&self, lock: Lock) {
        let mut taken = self.taken.lock().unwrap();
        taken.push((thread::current().id(), lock));
    }
}

impl Medium for Watched {
    fn len(&self) -> u64 {
        self.host.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.host.read(offset, into)
    }
}

impl Stores for Watched {
    fn store_u64(&self, offset: u64, value: u64) {
        self.host.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.host.copy_nt(offset, bytes)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.host.zero_nt(offset, len)
    }

    fn flush(&self, offset: u64, len: u64) {
        self.host.flush(offset, len);
    }

    fn fence(&self) {
        self.host.fence();
    }
}

impl Digest for Watched {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.host.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.host.siphash(key, bytes)
    }
}

impl Locks for Watched {
    type Group<'a> = <Host<Memory> as Locks>::Group<'a>;
    type Slot<'a> = <Host<Memory> as Locks>::Slot<'a>;
    type Super<'a> = <Host<Memory> as Locks>::Super<'a>;

    fn lock_group(&self, group: u32, nth: usize) -> Self::Group<'_> {
        self.note(Lock::Group(group));
        self.host.lock_group(group, nth)
    }

    fn try_lock_group(&self, group: u32) -> Option<Self::Group<'_>> {
        self.note(Lock::Group(group));
        self.host.try_lock_group(group)
    }

    fn lock_super(&self) -> Self::Super<'_> {
        self.host.lock_super()
    }

    fn lock_slot(&self, passed_over: u64) -> Self::Slot<'_> {
        let slot = self.host.lock_slot(passed_over);
        self.note(Lock::Slot(slot.slot()));
        slot
    }

    fn hint(&self, group: u32) -> &AtomicU64 {
        self.host.hint(group)
    }

    fn cpu(&self) -> u32 {
        self.host.cpu()
    }
}

/// Makes files in a directory, writes, punches and removes them.
fn work(volume: &Volume<Watched>, dir: &mut MapState) {
    let mut workspace = Box::new(Workspace::new());
    let workspace = &mut workspace;
    for number in 0..100 {
        let name = format!("file-{number}").into_bytes();
        let made = volume
            .names()
            .create(workspace, dir, &name, &file(), now(), &mut unannounced);
        let mut map = made.unwrap().map;
        for piece in 0..4 {
            let bytes = vec![number as u8; 100_000];
            let offset = piece * bytes.len() as u64;
            volume
                .files()
                .write(workspace, &mut map, offset, &bytes, now())
                .unwrap();
        }
        volume
            .files()
            .truncate(workspace, &mut map, 150_000, &Change::modified(now()))
            .unwrap();
        volume.files().close(&mut map);
        if number % 3 == 0 {
            volume
                .names()
                .unlink(workspace, dir, &name, &mut map, now())
                .unwrap();
            volume.files().finish(workspace, &mut map).unwrap();
        }
    }
}

#[test]
fn writers_in_different_groups_share_no_lock() {
    let memory = Memory::new(8 << 15);
    format(&memory).unwrap();
    let superblock = probe(&memory).unwrap();
    let watched = Watched {
        host: Host::new(memory, &superblock),
        taken: Mutex::default(),
    };
    let mut workspace = Box::new(Workspace::new());
    let volume = mount::mount(watched, Access::ReadWrite, now(), &mut workspace).unwrap();
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let mut dirs = [b"first".as_slice(), b"second"].map(|name| {
        let made = volume.names().mkdir(
            &mut workspace,
            &mut root,
            name,
            &directory(),
            now(),
            &mut unannounced,
        );
        made.unwrap().map
    });
    let groups = [&dirs[0], &dirs[1]].map(|dir| group_of(inode_block(dir.ino())));
    assert_ne!(groups[0], groups[1]);
    volume.platform().taken.lock().unwrap().clear();

    let together = Barrier::new(2);
    thread::scope(|scope| {
        for dir in &mut dirs {
            let (volume, together) = (&volume, &together);
            scope.spawn(move || {
                together.wait();
                work(volume, dir);
            });
        }
    });
    let taken = volume.platform().taken.lock().unwrap();
    let threads: BTreeSet<_> = taken
        .iter()
        .map(|(thread, _)| format!("{thread:?}"))
        .collect();
    assert_eq!(threads.len(), 2);
    let of = |thread: &str| -> BTreeSet<Lock> {
        let own = taken.iter().filter(|(id, _)| format!("{id:?}") == thread);
        own.map(|(_, lock)| *lock).collect()
    };
    let sets: Vec<_> = threads.iter().map(|thread| of(thread)).collect();
    println!("{} locks taken: {sets:?}", taken.len());
    assert!(sets.iter().all(|set| set.len() >= 2));
    assert!(sets[0].is_disjoint(&sets[1]));
}
