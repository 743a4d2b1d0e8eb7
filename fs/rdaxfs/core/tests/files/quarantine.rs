// SPDX-License-Identifier: GPL-2.0

//! Free blocks that are bad: they are set aside, repaired without any lock, or not used again.

use std::collections::BTreeSet;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use rdaxfs_check::Repairs;
use rdaxfs_core::bad_blocks::{BadBlocksOwner, Repaired};
use rdaxfs_core::file::{Fallocate, FallocateRange};
use rdaxfs_core::format::{
    block_offset, inode_offset, Inode, Intent, IntentWords, Superblock, BLOCK_SIZE, SUPER_SHARED,
    S_IFREG,
};
use rdaxfs_core::inode::{Change, MapState};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::owner::Use;
use rdaxfs_core::platform::{Digest, Locks, Medium, Stores};
use rdaxfs_core::superblock::{checksum, probe, read_superblock};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{Dram, Host};
use zerocopy::IntoBytes;

use crate::{extents, findings, free_blocks, NOW};

const BLOCKS: u64 = 2048;
const SLOTS: u64 = 4;
const FIRST_SLOT: u64 = 4;

type BadVolume = Volume<Host<Shared>>;

/// A medium with bad blocks.
struct Bad {
    dram: Dram,
    /// Blocks that the device knows to be bad.
    known: Mutex<BTreeSet<u64>>,
    /// Blocks that cannot be written, of which nobody knows.
    latent: Mutex<BTreeSet<u64>>,
    /// Whether a repair helps.
    repairable: AtomicBool,
    wanted: AtomicU64,
    pins: AtomicI64,
    /// To see whether the core holds locks.
    volume: OnceLock<Weak<BadVolume>>,
}

/// It outlives its mounts.
#[derive(Clone)]
struct Shared(Arc<Bad>);

impl Bad {
    fn new() -> Arc<Self> {
        let dram = Dram::new(BLOCKS * BLOCK_SIZE);
        let options = Options {
            slots: SLOTS as u32,
            hash_key: [1, 2],
            ..Options::new(BLOCKS)
        };
        make(&dram, &options).unwrap();
        Arc::new(Self {
            dram,
            known: Mutex::default(),
            latent: Mutex::default(),
            repairable: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
            pins: AtomicI64::new(0),
            volume: OnceLock::new(),
        })
    }

    fn judge(sets: &[&Mutex<BTreeSet<u64>>], offset: u64, len: u64) -> Result {
        let (first, end) = (offset / BLOCK_SIZE, (offset + len).div_ceil(BLOCK_SIZE));
        let has = |set: &&Mutex<BTreeSet<u64>>| {
            let set = set.lock().unwrap();
            let found = set.range(first..end).next().is_some();
            found
        };
        if sets.iter().any(has) {
            return Err(Error::Io);
        }
        Ok(())
    }

    fn write(&self, offset: u64, len: u64) -> Result {
        Self::judge(&[&self.known, &self.latent], offset, len)
    }

    fn superblock(&self, block: u64) -> Superblock {
        read_superblock(&self.dram, block).unwrap()
    }
}

impl Medium for Shared {
    fn len(&self) -> u64 {
        self.0.dram.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        Bad::judge(&[&self.0.known], offset, into.len() as u64)?;
        self.0.dram.read(offset, into)
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        Bad::judge(&[&self.0.known], offset, len)
    }
}

impl Stores for Shared {
    fn store_u64(&self, offset: u64, value: u64) {
        self.0.dram.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.0.write(offset, bytes.len() as u64)?;
        self.0.dram.copy_nt(offset, bytes)
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.0.write(offset, len)?;
        self.0.dram.zero_nt(offset, len)
    }

    fn repair(&self, offset: u64, len: u64) -> Result {
        assert_eq!(self.0.pins.load(Relaxed), 0, "it may move to another CPU");
        let volume = self.0.volume.get().and_then(Weak::upgrade);
        if let Some(volume) = volume {
            for group in 0..volume.groups() {
                assert!(volume.platform().try_lock_group(group).is_some());
            }
            let _free = volume.platform().lock_slot(0);
        }
        if !self.0.repairable.load(Relaxed) {
            return Err(Error::Io);
        }
        for block in offset / BLOCK_SIZE..(offset + len) / BLOCK_SIZE {
            self.0.known.lock().unwrap().remove(&block);
            self.0.latent.lock().unwrap().remove(&block);
        }
        self.0.dram.zero_nt(offset, len)
    }

    fn repair_wanted(&self) {
        self.0.wanted.fetch_add(1, Relaxed);
    }

    fn flush(&self, _offset: u64, _len: u64) {}

    fn fence(&self) {}

    fn pin(&self) {
        self.0.pins.fetch_add(1, Relaxed);
    }

    fn unpin(&self) {
        self.0.pins.fetch_sub(1, Relaxed);
    }
}

impl Digest for Shared {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.0.dram.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.0.dram.siphash(key, bytes)
    }
}

struct Fs {
    volume: Arc<BadVolume>,
    workspace: Box<Workspace>,
    bad_blocks: BadBlocksOwner,
}

impl Fs {
    fn mount(bad: &Arc<Bad>) -> Self {
        let medium = Shared(bad.clone());
        let mut workspace = Box::new(Workspace::new());
        let superblock = probe(&medium).unwrap();
        let host = Host::new(medium, &superblock);
        let volume = mount::mount(host, Access::ReadWrite, NOW, &mut workspace).unwrap();
        let volume = Arc::new(volume);
        let _ = bad.volume.set(Arc::downgrade(&volume));
        Self {
            volume,
            workspace,
            bad_blocks: BadBlocksOwner::new(),
        }
    }

    fn create(&mut self, name: &str) -> Result<MapState> {
        let (mut root, _) = self.volume.inodes().open(self.volume.root(), None)?;
        let new = NewInode {
            mode: S_IFREG | 0o644,
            ..NewInode::default()
        };
        let made = self.volume.names().create(
            &mut self.workspace,
            &mut root,
            name.as_bytes(),
            &new,
            NOW,
            &mut unannounced,
        );
        Ok(made?.map)
    }

    /// A first write to a page, as a fault makes it.
    fn fault(&mut self, map: &mut MapState, page: u64) -> Result {
        let change = Change::modified(NOW);
        self.volume
            .files()
            .map_for_write(&mut self.workspace, map, (page, 1), &change)
            .map(drop)
    }

    fn repair(&mut self) -> Result<Repaired> {
        self.volume
            .bad_blocks()
            .repair(&mut self.workspace, &mut self.bad_blocks, NOW)
    }

    /// The next free blocks, which an allocation takes first.
    fn next_free(&self, count: u64) -> Vec<u64> {
        (0..BLOCKS)
            .filter(|&block| self.volume.owners().use_of(block) == Ok(Use::Free))
            .take(count as usize)
            .collect()
    }

    /// Takes all blocks that there are.
    fn fill(&mut self, map: &mut MapState) {
        for page in 0.. {
            let range = FallocateRange {
                mode: Fallocate::Allocate,
                keep_size: true,
                offset: 2 * page * BLOCK_SIZE,
                len: BLOCK_SIZE,
            };
            let change = Change::none();
            let workspace = &mut self.workspace;
            match self
                .volume
                .files()
                .fallocate(workspace, map, &range, &change)
            {
                Ok(_) => {}
                Err(Error::NoSpace) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Whether one of the blocks belongs to a file.
fn has_one_of(fs: &Fs, map: &MapState, blocks: &[u64]) -> bool {
    let all = extents(&*fs.volume, map);
    let mut of_file = all
        .iter()
        .flat_map(|extent| extent.block..extent.block + extent.count);
    of_file.any(|block| blocks.contains(&block))
}

/// A few free blocks that cannot be written stop neither first writes nor new files.
#[test]
fn blocks_that_cannot_be_written_stop_nothing() {
    for count in [1, 3, 8, 12] {
        let bad = Bad::new();
        let mut fs = Fs::mount(&bad);
        let mut map = fs.create("file").unwrap();
        let blocks = fs.next_free(count);
        bad.latent.lock().unwrap().extend(&blocks);
        for page in 0..99 {
            assert_eq!(fs.fault(&mut map, 2 * page), Ok(()), "{count}, page {page}");
        }
        for number in 0..50 {
            let made = fs.create(&format!("{number}"));
            assert!(made.is_ok(), "{count}, file {number}: {made:?}");
        }
        assert!(!has_one_of(&fs, &map, &blocks));
        assert!(bad.wanted.load(Relaxed) > 0);
        assert!(fs.volume.bad_blocks().are_waiting());
        assert_eq!(findings(&*fs.volume), []);
    }
}

#[test]
fn what_is_repaired_is_used_again() {
    let bad = Bad::new();
    let mut fs = Fs::mount(&bad);
    let mut map = fs.create("file").unwrap();
    let free = free_blocks(&*fs.volume);
    let blocks = fs.next_free(40);
    bad.known.lock().unwrap().extend(&blocks[..20]);
    bad.latent.lock().unwrap().extend(&blocks[20..]);
    bad.repairable.store(true, Relaxed);
    fs.fault(&mut map, 0).unwrap();
    fs.fault(&mut map, 9).unwrap();
    let mut repaired = 0;
    // Chunks that were set aside as a whole are looked at again.
    while fs.volume.bad_blocks().are_waiting() {
        let done = fs.repair().unwrap();
        assert_eq!(done.quarantined, 0);
        repaired += done.repaired;
        fs.fill(&mut map);
    }
    assert!(repaired >= 20, "{repaired}");
    assert_eq!(fs.volume.bad_blocks().owner(), 0);
    assert!(has_one_of(&fs, &map, &blocks));
    let left = free_blocks(&*fs.volume);
    assert!(left < 16 && left < free, "{left}");
    assert_eq!(findings(&*fs.volume), []);
}

/// When the only blocks that are left are bad, an operation finds none; after their repair it does.
#[test]
fn the_last_blocks_are_had_after_their_repair() {
    for repairable in [true, false] {
        let bad = Bad::new();
        let mut fs = Fs::mount(&bad);
        let mut map = fs.create("file").unwrap();
        fs.fill(&mut map);
        let end = 64 * BLOCK_SIZE;
        let punch = FallocateRange {
            mode: Fallocate::PunchHole,
            keep_size: true,
            offset: 0,
            len: end,
        };
        let change = Change::none();
        fs.volume
            .files()
            .fallocate(&mut fs.workspace, &mut map, &punch, &change)
            .unwrap();
        let free = fs.next_free(BLOCKS);
        bad.known.lock().unwrap().extend(&free);
        bad.repairable.store(repairable, Relaxed);
        let mut pages = 0;
        // Each attempt sets aside what it meets, and the next one is made after a repair that gave blocks back.
        loop {
            match fs.fault(&mut map, 2 * pages) {
                Ok(()) => pages += 1,
                Err(error) => {
                    assert_eq!(error, Error::NoSpace);
                    let waits = fs.volume.bad_blocks().are_waiting();
                    let (aside, _) = fs.volume.space().available().unwrap();
                    assert!(aside <= fs.volume.space().totals().unwrap().0);
                    if !waits || fs.repair().map_or(true, |done| done.repaired == 0) {
                        break;
                    }
                }
            }
        }
        assert_eq!(pages > 0, repairable, "{pages}");
        assert_eq!(findings(&*fs.volume), []);
    }
}

/// What a write has claimed, and what is bad, is not free for statfs, and is again when it is let go.
#[test]
fn what_is_set_aside_is_not_available() {
    let bad = Bad::new();
    let mut fs = Fs::mount(&bad);
    let mut map = fs.create("file").unwrap();
    let all = fs.volume.space().totals().unwrap();
    assert_eq!(fs.volume.space().available().unwrap(), all);
    let (free, inodes) = all;
    let change = Change::modified(NOW);

    // A claim that is forgotten, one of which a part is committed, and one whose commit fails.
    for copied in [0, 4 * BLOCK_SIZE] {
        let before = fs.volume.space().available().unwrap().0;
        let at = fs.volume.inodes().attributes(&map).unwrap().size;
        let claim = fs
            .volume
            .files()
            .claim(&mut fs.workspace, &mut map, at, 9 * BLOCK_SIZE)
            .unwrap()
            .unwrap();
        let count = claim.mapping().count;
        assert_eq!(
            fs.volume.space().available().unwrap(),
            (before - count, inodes)
        );
        assert_eq!(fs.volume.space().totals().unwrap().0, before);
        fs.volume
            .files()
            .commit_claim(&mut fs.workspace, &mut map, claim, (at, copied), &change)
            .unwrap();
        let now = fs.volume.space().available().unwrap();
        assert_eq!(now, (before - copied / BLOCK_SIZE, inodes));
        assert_eq!(now, fs.volume.space().totals().unwrap());
    }
    let at = fs.volume.inodes().attributes(&map).unwrap().size;
    let claim = fs
        .volume
        .files()
        .claim(&mut fs.workspace, &mut map, at, BLOCK_SIZE)
        .unwrap()
        .unwrap();
    fs.volume
        .files()
        .set_size(&mut fs.workspace, &mut map, (at + 1, at + 1), &change)
        .unwrap();
    let failed = fs.volume.files().commit_claim(
        &mut fs.workspace,
        &mut map,
        claim,
        (at, BLOCK_SIZE),
        &change,
    );
    assert_eq!(failed, Err(Error::Stale));
    assert_eq!(fs.volume.space().available(), fs.volume.space().totals());

    // Bad blocks, until they are repaired or the owner has them.
    for repairable in [true, false] {
        bad.repairable.store(repairable, Relaxed);
        let blocks = fs.next_free(3);
        bad.known.lock().unwrap().extend(&blocks);
        for &block in &blocks {
            assert_eq!(fs.volume.bad_blocks().set_bad(block), Ok(true));
            assert_eq!(fs.volume.bad_blocks().set_bad(block), Ok(true));
        }
        let (before, _) = fs.volume.space().totals().unwrap();
        assert_eq!(fs.volume.space().available().unwrap().0, before - 3);
        let done = fs.repair().unwrap();
        assert_eq!(
            (done.repaired, done.quarantined),
            if repairable { (3, 0) } else { (0, 3) }
        );
        assert_eq!(fs.volume.space().available(), fs.volume.space().totals());
    }
    let (left, _) = fs.volume.space().available().unwrap();
    assert!(left < free - 4, "{left}");
    assert_eq!(findings(&*fs.volume), []);
}

/// Blocks that stay bad are nobody's any more, also after the next mount.
#[test]
fn what_stays_bad_is_not_used_again() {
    let bad = Bad::new();
    let mut fs = Fs::mount(&bad);
    let mut map = fs.create("file").unwrap();
    let blocks: Vec<u64> = fs.next_free(60).into_iter().step_by(2).collect();
    bad.known.lock().unwrap().extend(&blocks[..15]);
    bad.latent.lock().unwrap().extend(&blocks[15..]);
    let mut quarantined = 0;
    for page in 0..200 {
        fs.fault(&mut map, 3 * page).unwrap();
        let done = fs.repair().unwrap();
        assert_eq!(done.repaired, 0);
        quarantined += done.quarantined;
    }
    assert_eq!(quarantined, blocks.len() as u64);
    let owner = fs.volume.bad_blocks().owner();
    assert_ne!(owner, 0);
    assert_eq!(bad.superblock(0).bad_blocks.get(), owner);
    assert_eq!(bad.superblock(BLOCKS - 1).bad_blocks.get(), owner);
    assert_eq!(
        fs.volume.inodes().open(owner, None).err(),
        Some(Error::Stale)
    );
    let (of_owner, attributes) = fs.volume.bad_blocks().open_owner().unwrap();
    assert_eq!((attributes.size, attributes.links), (0, 1));
    for &block in &blocks {
        assert_eq!(fs.volume.owners().use_of(block), Ok(Use::Bad));
    }
    let found = extents(&*fs.volume, &of_owner);
    assert!(found
        .iter()
        .all(|extent| extent.page == extent.block && extent.unwritten));
    assert!(fs.volume.inodes().next(owner - 1).unwrap() != Some(owner));
    assert_eq!(findings(&*fs.volume), []);
    assert_eq!(
        fs.volume.space().totals().unwrap().0,
        free_blocks(&*fs.volume),
        "statfs"
    );
    mount::unmount(&fs.volume).unwrap();

    // The next mount makes no second one.
    let more = fs.next_free(1);
    bad.known.lock().unwrap().extend(&more);
    let mut fs = Fs::mount(&bad);
    let (mut map, _) = fs.volume.inodes().open(map.ino(), None).unwrap();
    fs.fill(&mut map);
    while fs.volume.bad_blocks().are_waiting() {
        fs.repair().unwrap();
    }
    assert_eq!(fs.volume.bad_blocks().owner(), owner);
    assert_eq!(fs.volume.owners().use_of(more[0]), Ok(Use::Bad));
    assert!(!has_one_of(&fs, &map, &blocks));
    assert_eq!(findings(&*fs.volume), []);
}

/// When the slot of the owner's making cannot be written, nothing has happened, and the next attempt does it.
#[test]
fn the_owner_is_made_when_journal_slots_fail() {
    for dead in 0..1_u64 << SLOTS {
        let bad = Bad::new();
        let mut fs = Fs::mount(&bad);
        let mut map = fs.create("file").unwrap();
        let blocks = fs.next_free(2);
        bad.known.lock().unwrap().extend(&blocks);
        fs.fault(&mut map, 0).unwrap();
        let slots = (0..SLOTS).filter(|slot| dead >> slot & 1 == 1);
        bad.latent
            .lock()
            .unwrap()
            .extend(slots.map(|slot| FIRST_SLOT + slot));
        let mut attempts = 0;
        let done = loop {
            attempts += 1;
            match fs.repair() {
                Err(Error::Io) if !fs.volume.is_shut_down() && attempts < 10 => {}
                done => break done,
            }
        };
        if dead == (1 << SLOTS) - 1 {
            assert_eq!(done, Err(Error::Io));
            continue;
        }
        assert_eq!(done.map(|done| done.quarantined), Ok(2), "{dead:#x}");
        let superblock = bad.superblock(0);
        assert_eq!(superblock.bad_blocks.get(), fs.volume.bad_blocks().owner());
        assert_eq!(
            superblock.retired_slots.get(),
            fs.volume.bad_blocks().retired_slots()
        );
        assert_eq!(fs.volume.bad_blocks().retired_slots() & !dead, 0);
        bad.latent.lock().unwrap().clear();
        mount::unmount(&fs.volume).unwrap();
        let fs = Fs::mount(&bad);
        assert_eq!(fs.volume.owners().use_of(blocks[0]), Ok(Use::Bad));
    }
}

/// A volume with a file, and an owner of three bad blocks.
fn with_owner(bad: &Arc<Bad>) -> (Fs, MapState) {
    let mut fs = Fs::mount(bad);
    let mut map = fs.create("file").unwrap();
    let blocks = fs.next_free(3);
    bad.known.lock().unwrap().extend(&blocks);
    fs.fault(&mut map, 0).unwrap();
    assert_eq!(fs.repair().unwrap().quarantined, 3);
    (fs, map)
}

/// fsck has the superblock name the owner again, and nothing else.
#[test]
fn fsck_finds_the_owner() {
    let bad = Bad::new();
    let (mut fs, mut map) = with_owner(&bad);
    fs.fault(&mut map, 8).unwrap();
    let owner = fs.volume.bad_blocks().owner();
    let (root, file) = (fs.volume.root(), map.ino());
    mount::unmount(&fs.volume).unwrap();
    drop(fs);
    for named in [0, root, file, owner - 1, owner + 1, owner] {
        let mut superblock = bad.superblock(0);
        superblock.bad_blocks.set(named);
        superblock.crc.set(checksum(&bad.dram, &superblock));
        for block in [0, BLOCKS - 1] {
            let words = superblock.as_bytes()[..SUPER_SHARED].chunks_exact(8);
            for (word, at) in words.zip((block_offset(block)..).step_by(8)) {
                let word = u64::from_le_bytes(word.try_into().unwrap());
                bad.dram.store_u64(at, word);
            }
        }
        let mut repairs = Repairs::default();
        let repaired = repairs.repair(&bad.dram, &mut |_: &_| true).unwrap();
        assert!(repaired.found.findings.is_empty());
        assert_eq!(repaired.found.bad_blocks, 3, "{named}");
        assert_eq!(repairs.repaired() > 0, named != owner, "{named}");
        assert_eq!(bad.superblock(0).bad_blocks.get(), owner, "{named}");
        assert_eq!(repaired.found.unconnected().count(), 0);
    }
}

/// Nobody can finish anything of the owner's: fsck drops an intent that damage has given to it.
#[test]
fn the_owner_has_no_intent() {
    let bad = Bad::new();
    let (fs, _) = with_owner(&bad);
    let owner = fs.volume.bad_blocks().owner();
    mount::unmount(&fs.volume).unwrap();
    drop(fs);
    let intent = IntentWords {
        kind: Intent::Unwrite as u32,
        pages: [0, 1, 0],
    };
    let at = inode_offset(owner) + offset_of!(Inode, intent) as u64;
    for (word, at) in intent.to_words().into_iter().zip([at, at + 8]) {
        bad.dram.store_u64(at, word);
    }
    let repaired = Repairs::default()
        .repair(&bad.dram, &mut |_: &_| true)
        .unwrap();
    assert!(repaired.found.findings.is_empty());
    assert_eq!(repaired.found.bad_blocks, 3);
    assert_eq!(bad.superblock(0).bad_blocks.get(), owner);
    assert_eq!(bad.dram.load_u64(at), Ok(0));
}
