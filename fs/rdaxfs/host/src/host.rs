// SPDX-License-Identifier: GPL-2.0

//! A medium with the locks of a volume.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rdaxfs_core::alloc::GroupState;
use rdaxfs_core::format::{groups_of, Superblock};
use rdaxfs_core::journal::{SlotState, SuperState};
use rdaxfs_core::judged::JUDGED;
use rdaxfs_core::platform::{slots_in_turn, Digest, Locks, Medium, Stores};
use rdaxfs_core::Result;

/// A medium, and the locks of the volume on it.
///
/// A panic of another thread under a lock does not matter here: what the lock guards on the medium is
/// either changed or not, and a test that panics has failed.
pub struct Host<M> {
    medium: M,
    groups: Vec<Mutex<Option<Box<GroupState>>>>,
    hints: Vec<AtomicU64>,
    judged: Box<[AtomicU64; JUDGED]>,
    superblock: Mutex<SuperState>,
    slots: Vec<Mutex<SlotState>>,
}

/// What a group's lock guards before anything is known of it.
static NEW: GroupState = GroupState::new();

/// A held lock of a group. What it guards takes memory from its first change on: the groups of a large volume are
/// many, and a tool changes few of them.
pub struct Group<'a>(MutexGuard<'a, Option<Box<GroupState>>>);

impl Deref for Group<'_> {
    type Target = GroupState;

    #[inline]
    fn deref(&self) -> &GroupState {
        self.0.as_deref().unwrap_or(&NEW)
    }
}

impl DerefMut for Group<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut GroupState {
        self.0.get_or_insert_with(|| Box::new(GroupState::new()))
    }
}

impl<M> Host<M> {
    /// The medium with the locks for that volume, which is on it.
    #[must_use]
    pub fn new(medium: M, superblock: &Superblock) -> Self {
        let groups = groups_of(superblock.blocks.get());
        Self {
            medium,
            groups: (0..groups).map(|_| Mutex::default()).collect(),
            hints: (0..groups).map(|_| AtomicU64::new(u64::MAX)).collect(),
            judged: Box::new([const { AtomicU64::new(0) }; JUDGED]),
            superblock: Mutex::new(SuperState::new()),
            slots: (0..superblock.slots.get())
                .map(|slot| Mutex::new(SlotState::new(slot)))
                .collect(),
        }
    }

    /// The medium.
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// The medium, without the locks.
    #[must_use]
    pub fn into_medium(self) -> M {
        self.medium
    }
}

impl<M: Medium> Medium for Host<M> {
    #[inline]
    fn len(&self) -> u64 {
        self.medium.len()
    }

    #[inline]
    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.medium.read(offset, into)
    }

    #[inline]
    fn load_u64(&self, offset: u64) -> Result<u64> {
        self.medium.load_u64(offset)
    }

    #[inline]
    fn align_offset(&self) -> Option<u32> {
        self.medium.align_offset()
    }

    #[inline]
    fn check_poison(&self, offset: u64, len: u64) -> Result {
        self.medium.check_poison(offset, len)
    }
}

impl<M: Stores> Stores for Host<M> {
    #[inline]
    fn store_u64(&self, offset: u64, value: u64) {
        self.medium.store_u64(offset, value);
    }

    #[inline]
    fn store_release(&self, offset: u64, value: u64) {
        self.medium.store_release(offset, value);
    }

    #[inline]
    fn pin(&self) {
        self.medium.pin();
    }

    #[inline]
    fn unpin(&self) {
        self.medium.unpin();
    }

    #[inline]
    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.medium.copy_nt(offset, bytes)
    }

    #[inline]
    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.medium.zero_nt(offset, len)
    }

    fn repair(&self, offset: u64, len: u64) -> Result {
        self.medium.repair(offset, len)
    }

    fn repair_wanted(&self) {
        self.medium.repair_wanted();
    }

    #[inline]
    fn flush(&self, offset: u64, len: u64) {
        self.medium.flush(offset, len);
    }

    #[inline]
    fn fence(&self) {
        self.medium.fence();
    }
}

impl<M: Digest> Digest for Host<M> {
    #[inline]
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        self.medium.crc32c(crc, bytes)
    }

    #[inline]
    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        self.medium.siphash(key, bytes)
    }
}

impl<M> Locks for Host<M> {
    type Group<'a>
        = Group<'a>
    where
        Self: 'a;

    type Slot<'a>
        = MutexGuard<'a, SlotState>
    where
        Self: 'a;

    type Super<'a>
        = MutexGuard<'a, SuperState>
    where
        Self: 'a;

    fn lock_super(&self) -> Self::Super<'_> {
        self.superblock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_group(&self, group: u32, _nth: usize) -> Self::Group<'_> {
        let lock = &self.groups[group as usize];
        Group(lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn try_lock_group(&self, group: u32) -> Option<Self::Group<'_>> {
        match self.groups[group as usize].try_lock() {
            Ok(guard) => Some(Group(guard)),
            Err(TryLockError::Poisoned(error)) => Some(Group(error.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn lock_slot(&self, passed_over: u64) -> Self::Slot<'_> {
        let turn = slots_in_turn(self.cpu(), self.slots.len() as u32, passed_over);
        let first = turn.clone().next().expect("the core leaves one");
        for slot in turn {
            match self.slots[slot as usize].try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(error)) => return error.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.slots[first as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn hint(&self, group: u32) -> &AtomicU64 {
        &self.hints[group as usize]
    }

    #[inline]
    fn judged(&self) -> Option<&[AtomicU64; JUDGED]> {
        Some(&self.judged)
    }

    fn cpu(&self) -> u32 {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        std::thread_local! {
            static THREAD: usize = THREADS.fetch_add(1, Relaxed);
        }
        THREAD.with(|thread| *thread as u32)
    }
}
