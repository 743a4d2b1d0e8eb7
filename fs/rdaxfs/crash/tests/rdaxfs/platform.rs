// SPDX-License-Identifier: GPL-2.0

//! What the core needs of its caller, on a medium that records.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use rdaxfs_core::alloc::GroupState;
use rdaxfs_core::format::{groups_of, Superblock, BLOCK_SIZE};
use rdaxfs_core::journal::{SlotState, SuperState};
use rdaxfs_core::judged::JUDGED;
use rdaxfs_core::platform::{slots_in_turn, Digest, Locks, Medium, Stores};
use rdaxfs_core::{Error, Result};
use rdaxfs_crash::{this_cpu, Held, Lock, Recorder};
pub(crate) use rdaxfs_crash_medium::Pmem;

/// The recorder with the locks of the volume on it, which take part in a schedule.
pub(crate) struct Machine<'m> {
    medium: Pmem<'m>,
    groups: Vec<Lock<GroupState>>,
    hints: Vec<AtomicU64>,
    judged: Box<[AtomicU64; JUDGED]>,
    superblock: Lock<SuperState>,
    slots: Vec<Lock<SlotState>>,
    contended: AtomicU64,
    /// Blocks that cannot be repaired.
    lost: Mutex<BTreeSet<u64>>,
}

impl<'m> Machine<'m> {
    pub(crate) fn new(medium: &'m Recorder, superblock: &Superblock) -> Self {
        let groups = groups_of(superblock.blocks.get());
        let slots = superblock.slots.get();
        Self {
            medium: Pmem(medium),
            groups: (0..groups).map(|_| Lock::new(GroupState::new())).collect(),
            hints: (0..groups).map(|_| AtomicU64::new(u64::MAX)).collect(),
            judged: Box::new([const { AtomicU64::new(0) }; JUDGED]),
            superblock: Lock::new(SuperState::new()),
            slots: (0..slots)
                .map(|slot| Lock::new(SlotState::new(slot)))
                .collect(),
            contended: AtomicU64::new(0),
            lost: Mutex::default(),
        }
    }

    /// How often a group was tried that was held.
    pub(crate) fn contended(&self) -> u64 {
        self.contended.load(Relaxed)
    }

    /// From now on a block cannot be repaired.
    pub(crate) fn lose(&self, block: u64) {
        self.lost().insert(block);
    }

    fn lost(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.lost
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn recorder(&self) -> &'m Recorder {
        self.medium.0
    }
}

impl Medium for Machine<'_> {
    fn len(&self) -> u64 {
        self.medium.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.medium.read(offset, into)
    }

    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.medium.check_poison(offset, len)
    }
}

impl Stores for Machine<'_> {
    #[track_caller]
    fn store_u64(&self, offset: u64, value: u64) {
        self.medium.store_u64(offset, value);
    }

    #[track_caller]
    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.medium.copy_nt(offset, bytes)
    }

    #[track_caller]
    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.medium.zero_nt(offset, len)
    }

    fn repair(&self, offset: u64, _len: u64) -> Result {
        match self.lost().contains(&(offset / BLOCK_SIZE)) {
            true => Err(Error::Io),
            // It was good.
            false => Ok(()),
        }
    }

    #[track_caller]
    fn flush(&self, offset: u64, len: u64) {
        self.medium.flush(offset, len);
    }

    #[track_caller]
    fn fence(&self) {
        self.medium.fence();
    }
}

impl Digest for Machine<'_> {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.medium.crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.medium.siphash(key, bytes)
    }
}

impl Locks for Machine<'_> {
    type Group<'a>
        = Held<'a, GroupState>
    where
        Self: 'a;

    type Slot<'a>
        = Held<'a, SlotState>
    where
        Self: 'a;

    type Super<'a>
        = Held<'a, SuperState>
    where
        Self: 'a;

    fn lock_group(&self, group: u32, _nth: usize) -> Self::Group<'_> {
        self.groups[group as usize].lock()
    }

    fn try_lock_group(&self, group: u32) -> Option<Self::Group<'_>> {
        let held = self.groups[group as usize].try_lock();
        self.contended.fetch_add(u64::from(held.is_none()), Relaxed);
        held
    }

    fn lock_super(&self) -> Self::Super<'_> {
        self.superblock.lock()
    }

    fn lock_slot(&self, passed_over: u64) -> Self::Slot<'_> {
        let turn = slots_in_turn(this_cpu(), self.slots.len() as u32, passed_over);
        let order: Vec<_> = turn.map(|slot| &self.slots[slot as usize]).collect();
        Lock::lock_any(&order)
    }

    fn hint(&self, group: u32) -> &AtomicU64 {
        &self.hints[group as usize]
    }

    fn judged(&self) -> Option<&[AtomicU64; JUDGED]> {
        Some(&self.judged)
    }

    fn cpu(&self) -> u32 {
        this_cpu()
    }
}
