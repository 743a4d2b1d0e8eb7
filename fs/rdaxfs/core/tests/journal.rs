// SPDX-License-Identifier: GPL-2.0

//! Journal slots that fail, mounts without stores, the state of the volume, and its totals.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use rdaxfs_check::{choose_superblock, survey, Image, Repairs};
use rdaxfs_core::format::{
    block_offset, ErrorKind, Superblock, Time, BLOCK_SIZE, STATE_CLEAN, STATE_DAMAGED, S_IFREG,
};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::superblock::{probe, read_superblock};
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{Dram, Host};

const NOW: Time = Time::new(5, 0);
const BLOCKS: u64 = 2048;
const SLOTS: u32 = 4;
/// The first slot's block.
const FIRST: u64 = 4;

/// What is wrong with a slot.
const LIES: u64 = 1;
const DEAD: u64 = 2;

/// Memory of which journal slots fail.
struct Shaky {
    dram: Dram,
    /// Slots whose next write arrives, and is said to have failed.
    lies: AtomicU64,
    /// Slots that can be neither read nor written.
    dead: AtomicU64,
    /// How many pins there are, and how many stores and fences there were without one.
    pins: AtomicI64,
    unpinned: AtomicU64,
    stored: AtomicU64,
}

impl Shaky {
    fn new() -> Arc<Self> {
        let shaky = Self {
            dram: Dram::new(BLOCKS * BLOCK_SIZE),
            lies: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            pins: AtomicI64::new(0),
            unpinned: AtomicU64::new(0),
            stored: AtomicU64::new(0),
        };
        let options = Options {
            slots: SLOTS,
            hash_key: [1, 2],
            ..Options::new(BLOCKS)
        };
        make(&shaky.dram, &options).unwrap();
        Arc::new(shaky)
    }

    fn slot(offset: u64) -> Option<u64> {
        let slot = (offset / BLOCK_SIZE).checked_sub(FIRST)?;
        (slot < u64::from(SLOTS)).then(|| 1 << slot)
    }

    fn is_dead(&self, offset: u64) -> bool {
        Self::slot(offset).is_some_and(|slot| self.dead.load(Relaxed) & slot != 0)
    }

    fn note(&self) {
        self.stored.fetch_add(1, Relaxed);
        if self.pins.load(Relaxed) <= 0 {
            self.unpinned.fetch_add(1, Relaxed);
        }
    }

    /// The superblock in block 0, whatever it says.
    fn superblock(&self) -> Superblock {
        read_superblock(&self.dram, 0).unwrap()
    }
}

/// The memory, which outlives its mounts.
#[derive(Clone)]
struct Memory(Arc<Shaky>);

impl Medium for Memory {
    fn len(&self) -> u64 {
        self.0.dram.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        if self.0.is_dead(offset) {
            return Err(Error::Io);
        }
        self.0.dram.read(offset, into)
    }
}

impl Stores for Memory {
    fn store_u64(&self, offset: u64, value: u64) {
        self.0.note();
        assert!(!self.0.is_dead(offset), "a store to a dead slot");
        self.0.dram.store_u64(offset, value);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.0.note();
        if self.0.is_dead(offset) {
            return Err(Error::Io);
        }
        self.0.dram.copy_nt(offset, bytes)?;
        if let Some(slot) = Shaky::slot(offset) {
            if self.0.lies.fetch_and(!slot, Relaxed) & slot != 0 {
                return Err(Error::Io);
            }
        }
        Ok(())
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.0.note();
        if self.0.is_dead(offset) {
            return Err(Error::Io);
        }
        self.0.dram.zero_nt(offset, len)
    }

    fn flush(&self, _offset: u64, _len: u64) {}

    fn fence(&self) {
        self.0.note();
    }

    fn pin(&self) {
        self.0.pins.fetch_add(1, Relaxed);
    }

    fn unpin(&self) {
        self.0.pins.fetch_sub(1, Relaxed);
    }
}

impl Digest for Memory {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.0.dram.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.0.dram.siphash(key, bytes)
    }
}

struct Fs {
    volume: Volume<Host<Memory>>,
    workspace: Box<Workspace>,
}

fn mount(shaky: &Arc<Shaky>, access: Access) -> Result<Fs> {
    let memory = Memory(shaky.clone());
    let superblock = probe(&memory)?;
    let mut workspace = Box::new(Workspace::new());
    let host = Host::new(memory, &superblock);
    let volume = mount::mount(host, access, NOW, &mut workspace)?;
    Ok(Fs { volume, workspace })
}

impl Fs {
    fn create(&mut self, name: &str) -> Result {
        let (mut root, _) = self.volume.inodes().open(self.volume.root(), None)?;
        let new = NewInode {
            mode: S_IFREG | 0o644,
            ..NewInode::default()
        };
        let name = name.as_bytes();
        let workspace = &mut self.workspace;
        self.volume
            .names()
            .create(workspace, &mut root, name, &new, NOW, &mut unannounced)
            .map(drop)
    }

    fn unlink(&mut self, name: &str) -> Result {
        let (mut root, _) = self.volume.inodes().open(self.volume.root(), None)?;
        let found = self.volume.names().lookup(&root, name.as_bytes())?;
        let (mut map, _) = self.volume.inodes().open(found.ino, None)?;
        let name = name.as_bytes();
        self.volume
            .names()
            .unlink(&mut self.workspace, &mut root, name, &mut map, NOW)
            .map(drop)
    }

    fn has(&self, name: &str) -> bool {
        let (root, _) = self.volume.inodes().open(self.volume.root(), None).unwrap();
        match self.volume.names().lookup(&root, name.as_bytes()) {
            Ok(_) => true,
            Err(Error::NoEntry) => false,
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// Puts the record back that a slot had: its mark never got to the medium.
fn forget_mark(shaky: &Shaky, sequence: u64) {
    shaky.dram.store_u64(block_offset(FIRST), sequence);
}

/// Fails in the same way as long as slots do, and never takes what it has acknowledged back.
fn judge_failing(kind: u64, slots: u64) {
    let shaky = Shaky::new();
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    fs.create("a").unwrap();
    if kind == LIES {
        shaky.lies.store(slots, Relaxed);
    } else {
        shaky.dead.store(slots, Relaxed);
    }
    let unlinked = fs.unlink("a");
    let created = fs.create("b");
    // The power fails. A slot that was not used may hold a record, as far as a mount can know: it has to be
    // readable.
    let retired = fs.volume.bad_blocks().retired_slots();
    assert_eq!(unlinked.is_err(), created.is_err());
    assert_eq!(unlinked.is_err(), fs.volume.is_shut_down());
    drop(fs);
    shaky.dead.fetch_and(retired, Relaxed);
    if shaky.superblock().retired_slots.get() != retired {
        // It has stopped before it could say so.
        assert!(unlinked.is_err());
        shaky.dead.store(0, Relaxed);
    }
    let fs = mount(&shaky, Access::NoStores).unwrap();
    assert_eq!(fs.has("a"), unlinked.is_err(), "{kind} {slots:#x}");
    assert_eq!(fs.has("b"), created.is_ok(), "{kind} {slots:#x}");
}

#[test]
fn a_record_whose_write_failed_is_not_replayed() {
    for slots in 0..1 << SLOTS {
        judge_failing(LIES, slots);
        judge_failing(DEAD, slots);
    }
}

#[test]
fn a_dead_slot_is_retired_and_fsck_gives_it_back() {
    let shaky = Shaky::new();
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    for dead in 0..SLOTS - 1 {
        shaky.dead.fetch_or(1 << dead, Relaxed);
        for number in 0..20 {
            fs.create(&format!("{dead}-{number}")).unwrap();
        }
    }
    let retired = fs.volume.bad_blocks().retired_slots();
    assert_eq!(shaky.superblock().retired_slots.get(), retired);
    assert!(retired.count_ones() >= 1, "{retired:#x}");
    assert_eq!(retired & !shaky.dead.load(Relaxed), 0);
    // The power fails: slots that are retired do not matter, those that are not do.
    drop(fs);
    shaky.dead.store(retired, Relaxed);
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    fs.create("behind").unwrap();
    mount::unmount(&fs.volume).unwrap();
    drop(fs);
    let copy = read_superblock(&shaky.dram, BLOCKS - 1).unwrap();
    assert_eq!(copy.retired_slots.get(), retired);

    shaky.dead.store(0, Relaxed);
    let memory = Memory(shaky.clone());
    let mut repairs = Repairs::default();
    let repaired = repairs.repair(&memory, &mut |_: &_| true).unwrap();
    assert!(repaired.found.findings.is_empty());
    assert!(repairs.repaired() > 0);
    assert_eq!(shaky.superblock().retired_slots.get(), 0);
    let fs = mount(&shaky, Access::Repair).unwrap();
    mount::unmount(&fs.volume).unwrap();
    let (superblock, wrong) = choose_superblock(&memory).unwrap();
    assert!(wrong.is_none());
    let found = survey(&Image::new(&memory, superblock), |_| {});
    assert!(found.findings.is_empty(), "{:?}", found.findings);
}

#[test]
fn a_volume_without_slots_stops() {
    let shaky = Shaky::new();
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    fs.create("a").unwrap();
    shaky.dead.store(u64::MAX, Relaxed);
    assert_eq!(fs.create("b"), Err(Error::Io));
    assert!(fs.volume.is_shut_down());
    shaky.dead.store(0, Relaxed);
    assert_eq!(fs.create("c"), Err(Error::Io));
    assert_eq!(mount::unmount(&fs.volume), Err(Error::Io));
    assert_ne!(shaky.superblock().state.get(), STATE_CLEAN);
    assert!(fs.has("a") && !fs.has("b") && !fs.has("c"));
}

/// A crash before a record's words were in place: what a mount without stores shows.
#[test]
fn a_mount_without_stores_sees_the_records() {
    let shaky = Shaky::new();
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    fs.create("before").unwrap();
    mount::unmount(&fs.volume).unwrap();
    drop(fs);
    let before = contents(&shaky);
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    fs.create("new").unwrap();
    drop(fs);
    // The words of the record are as they were before it, and it is not marked as done.
    let words = records(&shaky);
    assert!(words.len() > 3);
    for &offset in &words {
        let at = offset as usize;
        let word = u64::from_le_bytes(before[at..at + 8].try_into().unwrap());
        shaky.dram.store_u64(offset, word);
    }
    let sequence = (shaky.superblock().mounts.get() << 40) + 1;
    let slot = (0..u64::from(SLOTS)).find(|slot| {
        let mut count = [0; 4];
        let at = block_offset(FIRST + slot) + 12;
        shaky.dram.read(at, &mut count).unwrap();
        u32::from_le_bytes(count) as usize > words.len()
    });
    let header = block_offset(FIRST + slot.expect("a slot has it"));
    // The number was taken after the one for the inode's generation.
    let crash = (0..4).find(|more| {
        shaky.dram.store_u64(header, sequence - 1 + more);
        mount(&shaky, Access::NoStores).unwrap().has("new")
    });
    assert!(crash.is_some(), "the record is seen");
    let crashed = contents(&shaky);

    let mut fs = mount(&shaky, Access::NoStores).unwrap();
    assert!(fs.has("new") && fs.has("before"));
    assert_eq!(
        fs.volume.space().totals().unwrap(),
        counted(&fs.volume).unwrap()
    );
    assert_eq!(fs.create("no"), Err(Error::ReadOnly));
    assert_eq!(contents(&shaky), crashed, "nothing is stored");
    // Changed to a mount for writing, it has them in place.
    mount::remount_rw(&fs.volume, Access::ReadWrite, NOW, &mut fs.workspace).unwrap();
    assert!(fs.has("new"));
    fs.create("more").unwrap();
    mount::remount_ro(&fs.volume).unwrap();
    assert_eq!(fs.create("no"), Err(Error::ReadOnly));
    assert!(fs.has("new") && fs.has("more"));
    assert_eq!(shaky.superblock().state.get(), STATE_CLEAN);
}

fn contents(shaky: &Shaky) -> Vec<u8> {
    let mut bytes = vec![0; (BLOCKS * BLOCK_SIZE) as usize];
    shaky.dram.read(0, &mut bytes).unwrap();
    bytes
}

/// The offsets of the words that the largest record in the slots has.
fn records(shaky: &Shaky) -> Vec<u64> {
    let mut most = Vec::new();
    for slot in 0..u64::from(SLOTS) {
        let mut block = vec![0; BLOCK_SIZE as usize];
        shaky
            .dram
            .read(block_offset(FIRST + slot), &mut block)
            .unwrap();
        let count = u32::from_le_bytes(block[12..16].try_into().unwrap()) as usize;
        let entries = block[16..].chunks_exact(16).take(count);
        let words = entries.map(|entry| u64::from_le_bytes(entry[..8].try_into().unwrap()));
        let words: Vec<u64> = words.filter(|offset| offset % 8 == 0).collect();
        if words.len() > most.len() {
            most = words;
        }
    }
    most
}

#[test]
fn errors_are_counted_and_a_damaged_volume_is_not_mounted_for_writing() {
    let shaky = Shaky::new();
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    fs.volume
        .errors()
        .count(ErrorKind::Unreadable, Time::new(6, 0));
    assert!(!fs.volume.errors().found_damage());
    fs.volume
        .errors()
        .count(ErrorKind::Corrupt, Time::new(7, 0));
    fs.volume
        .errors()
        .count(ErrorKind::Corrupt, Time::new(8, 0));
    fs.create("a").unwrap();
    let said = shaky.superblock();
    assert_eq!(said.state.get(), STATE_DAMAGED);
    assert_eq!(said.errors.get(), 3);
    assert_eq!(said.error_kind.get(), ErrorKind::Corrupt as u32);
    assert_eq!(said.first_error.get(), Time::new(6, 0).0);
    assert_eq!(said.last_error.get(), Time::new(8, 0).0);
    mount::unmount(&fs.volume).unwrap();
    assert_eq!(shaky.superblock().state.get(), STATE_DAMAGED);
    drop(fs);

    assert_eq!(mount(&shaky, Access::ReadWrite).err(), Some(Error::Corrupt));
    let mut fs = mount(&shaky, Access::NoStores).unwrap();
    assert!(fs.has("a") && fs.volume.errors().found_damage());
    let refused = mount::remount_rw(&fs.volume, Access::ReadWrite, NOW, &mut fs.workspace);
    assert_eq!(refused, Err(Error::Corrupt));
    assert_eq!(shaky.superblock().errors.get(), 3);
    // Where the user wants to go on it stays damaged, and its errors counted.
    mount::remount_rw(&fs.volume, Access::ReadWriteDamaged, NOW, &mut fs.workspace).unwrap();
    fs.create("b").unwrap();
    assert_eq!(shaky.superblock().state.get(), STATE_DAMAGED);
    mount::unmount(&fs.volume).unwrap();
    let fs = mount(&shaky, Access::ReadWriteDamaged).unwrap();
    assert!(fs.has("b") && fs.volume.errors().found_damage());
    mount::unmount(&fs.volume).unwrap();
    let said = shaky.superblock();
    assert_eq!((said.state.get(), said.errors.get()), (STATE_DAMAGED, 3));
    let fs = mount(&shaky, Access::Repair).unwrap();
    mount::unmount(&fs.volume).unwrap();
    let said = shaky.superblock();
    assert_eq!((said.state.get(), said.errors.get()), (STATE_CLEAN, 0));
    assert_eq!((said.first_error.get(), said.last_error.get()), (0, 0));
    mount(&shaky, Access::ReadWrite).unwrap();
}

#[test]
fn a_state_that_makes_no_sense_is_not_mounted_for_writing() {
    let shaky = Shaky::new();
    let state = std::mem::offset_of!(Superblock, state) as u64;
    shaky.dram.store_u64(state, 77);
    for access in [Access::ReadWrite, Access::ReadWriteDamaged] {
        assert_eq!(mount(&shaky, access).err(), Some(Error::Corrupt));
    }
    mount(&shaky, Access::NoStores).unwrap();
}

#[test]
fn the_copy_of_the_superblock_is_not_taken_for_another_file_systems() {
    let shaky = Shaky::new();
    mount(&shaky, Access::ReadWrite)
        .unwrap()
        .create("a")
        .unwrap();
    // Damaged behind the magic number: a mount for reading has the copy.
    shaky.dram.store_u64(96, 0);
    assert_eq!(mount(&shaky, Access::ReadWrite).err(), Some(Error::Corrupt));
    assert!(mount(&shaky, Access::NoStores).unwrap().has("a"));
    // Without it block 0 is somebody else's.
    shaky.dram.store_u64(0, 0x1234);
    assert_eq!(mount(&shaky, Access::NoStores).err(), Some(Error::Invalid));
    // By name.
    let memory = Memory(shaky.clone());
    let superblock = read_superblock(&memory, BLOCKS - 1).unwrap();
    let mut workspace = Box::new(Workspace::new());
    let host = Host::new(memory, &superblock);
    let volume = mount::mount_by_copy(host, BLOCKS - 1, &mut workspace).unwrap();
    assert!(Fs { volume, workspace }.has("a"));
}

#[test]
fn transactions_stay_on_one_cpu_from_the_first_store_to_the_last_fence() {
    let shaky = Shaky::new();
    let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
    for number in 0..50 {
        fs.create(&format!("{number}")).unwrap();
    }
    for number in 0..50 {
        fs.unlink(&format!("{number}")).unwrap();
    }
    mount::quiesce(&fs.volume);
    mount::unmount(&fs.volume).unwrap();
    assert!(shaky.stored.load(Relaxed) > 1000);
    assert_eq!(shaky.unpinned.load(Relaxed), 0);
    assert_eq!(shaky.pins.load(Relaxed), 0);
}

/// What the groups' headers add up to.
fn counted(volume: &Volume<Host<Memory>>) -> Result<(u64, u64)> {
    (0..volume.groups()).try_fold((0, 0), |(free, inodes), group| {
        let (more_free, more_inodes) = volume.space().of_group(group)?;
        Ok((free + u64::from(more_free), inodes + more_inodes))
    })
}

#[test]
fn totals_are_those_of_the_groups() {
    let shaky = Shaky::new();
    for is_clean in [true, false, true] {
        let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
        for number in 0..60 {
            fs.create(&format!("{is_clean}-{number}")).unwrap();
            if number % 3 == 0 {
                fs.unlink(&format!("{is_clean}-{number}")).unwrap();
            }
            if number > 20 {
                assert_eq!(fs.volume.space().totals(), counted(&fs.volume), "{number}");
            }
        }
        for number in (0..60).filter(|number| number % 3 != 0) {
            fs.unlink(&format!("{is_clean}-{number}")).unwrap();
        }
        let counted = counted(&fs.volume);
        assert_eq!(fs.volume.space().totals(), counted);
        let counted = counted.unwrap();
        if is_clean {
            mount::unmount(&fs.volume).unwrap();
            let said = shaky.superblock();
            assert_eq!((said.free_blocks.get(), said.inodes.get()), counted);
        }
    }
}

/// The numbers of mounts are used up: they begin again, and nothing is found that had one of them.
#[test]
fn numbers_of_mounts_begin_again() {
    let shaky = Shaky::new();
    let mounts = std::mem::offset_of!(Superblock, mounts) as u64;
    for said in [(1 << 24) - 3, (1 << 24) - 2, (1 << 24) - 1, u64::MAX] {
        shaky.dram.store_u64(mounts, said);
        let mut fs = mount(&shaky, Access::ReadWrite).unwrap();
        fs.create(&format!("{said}")).unwrap();
        let now = shaky.superblock().mounts.get();
        assert_eq!(now, if said == (1 << 24) - 3 { said + 1 } else { 1 });
        fs.unlink(&format!("{said}")).unwrap();
        mount::unmount(&fs.volume).unwrap();
    }
    forget_mark(&shaky, 1);
    assert!(!mount(&shaky, Access::NoStores).unwrap().has("1"));
}
