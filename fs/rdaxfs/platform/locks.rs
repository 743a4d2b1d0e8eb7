// SPDX-License-Identifier: GPL-2.0

//! The locks of groups and journal slots.

use core::sync::atomic::AtomicU64;

use kernel::{
    alloc::KVVec,
    cpu::CpuId,
    prelude::*,
    sync::{
        lock::{mutex::MutexBackend, Guard},
        new_mutex, Mutex,
    },
};
use kernel_ext::sync::{mutex::LockNested as _, rwsem::Subclass};
use rdaxfs_core::{
    alloc::GroupState,
    format::{groups_of, Superblock},
    journal::{SlotState, SuperState, MAX_GROUPS},
    judged::JUDGED,
    platform::{slots_in_turn, Locks},
};

use super::Platform;

/// A lock whose place does not change.
type Pinned<T> = Pin<KBox<Mutex<T>>>;

/// At least one lock, found by a number.
struct Row<T> {
    first: Pinned<T>,
    rest: KVVec<Pinned<T>>,
}

impl<T> Row<T> {
    fn new(count: u32, mut one: impl FnMut(u32) -> Result<Pinned<T>>) -> Result<Self> {
        let first = one(0)?;
        let mut rest = KVVec::with_capacity(count.saturating_sub(1) as usize, GFP_KERNEL)?;
        for number in 1..count {
            rest.push(one(number)?, GFP_KERNEL)?;
        }
        Ok(Self { first, rest })
    }

    fn get(&self, number: u32) -> &Pinned<T> {
        let behind_first = (number as usize).checked_sub(1);
        behind_first
            .and_then(|at| self.rest.get(at))
            .unwrap_or(&self.first)
    }

    fn len(&self) -> u32 {
        self.rest.len() as u32 + 1
    }
}

/// The locks of a volume.
pub(super) struct VolumeLocks {
    groups: Row<GroupState>,
    superblock: Pinned<SuperState>,
    slots: Row<SlotState>,
    hints: KVVec<AtomicU64>,
    /// [`JUDGED`] words.
    judged: KVVec<AtomicU64>,
    /// For a group that the volume does not have.
    no_hint: AtomicU64,
}

impl VolumeLocks {
    /// Those of the volume with that superblock.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(superblock: &Superblock) -> Result<Self> {
        let count = groups_of(superblock.blocks.get());
        let mut hints = KVVec::with_capacity(count as usize, GFP_KERNEL)?;
        for _ in 0..count {
            hints.push(AtomicU64::new(u64::MAX), GFP_KERNEL)?;
        }
        let mut judged = KVVec::with_capacity(JUDGED, GFP_KERNEL)?;
        for _ in 0..JUDGED {
            judged.push(AtomicU64::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            judged,
            groups: Row::new(count, |_| {
                KBox::pin_init(new_mutex!(GroupState::new(), "rdaxfs_group"), GFP_KERNEL)
            })?,
            superblock: KBox::pin_init(
                new_mutex!(SuperState::new(), "rdaxfs_superblock"),
                GFP_KERNEL,
            )?,
            slots: Row::new(superblock.slots.get(), |slot| {
                KBox::pin_init(new_mutex!(SlotState::new(slot), "rdaxfs_slot"), GFP_KERNEL)
            })?,
            hints,
            no_hint: AtomicU64::new(u64::MAX),
        })
    }
}

impl Locks for Platform {
    type Group<'a> = Guard<'a, GroupState, MutexBackend>;
    type Slot<'a> = Guard<'a, SlotState, MutexBackend>;
    type Super<'a> = Guard<'a, SuperState, MutexBackend>;

    fn lock_group(&self, group: u32, nth: usize) -> Self::Group<'_> {
        const { assert!(MAX_GROUPS <= Subclass::ALL.len()) };
        let subclass = Subclass::ALL.get(nth).unwrap_or(&Subclass::First);
        self.locks.groups.get(group).lock_nested(*subclass)
    }

    fn try_lock_group(&self, group: u32) -> Option<Self::Group<'_>> {
        self.locks.groups.get(group).try_lock()
    }

    fn lock_super(&self) -> Self::Super<'_> {
        self.locks.superblock.lock()
    }

    fn lock_slot(&self, passed_over: u64) -> Self::Slot<'_> {
        let slots = &self.locks.slots;
        let turn = slots_in_turn(self.cpu(), slots.len(), passed_over);
        let first = turn.clone().next().unwrap_or(0);
        for slot in turn {
            if let Some(guard) = slots.get(slot).try_lock() {
                return guard;
            }
        }
        slots.get(first).lock()
    }

    fn hint(&self, group: u32) -> &AtomicU64 {
        self.locks
            .hints
            .get(group as usize)
            .unwrap_or(&self.locks.no_hint)
    }

    #[inline]
    fn judged(&self) -> Option<&[AtomicU64; JUDGED]> {
        self.locks.judged.first_chunk()
    }

    fn cpu(&self) -> u32 {
        CpuId::current().as_u32()
    }
}
