// SPDX-License-Identifier: GPL-2.0

//! A transaction before its commit.

use core::ops::{Deref, DerefMut};

use super::filter::Filter;
use super::log::Entry;
use super::{Log, Stamp};
use crate::alloc::{set_failed, GroupState};
use crate::format::{block_offset, group_of, BLOCK_SHIFT, BLOCK_SIZE};
use crate::overlay::put_word;
use crate::platform::{Platform, Stores as _};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// The most groups that a transaction changes.
pub const MAX_GROUPS: usize = 8;
/// The most other locks under which a transaction changes words: both directories of a rename, what
/// is moved, what is replaced, and two locks of attributes.
pub(crate) const MAX_STAMPS: usize = 6;

/// How many blocks that cannot be written a transaction passes over.
const MAX_FAILURES: u32 = 16;

/// A list of changes that all happen or do not. See [`journal`](super).
///
/// Dropping it changes nothing that can be reached.
///
/// # Invariants
///
/// Each word on the list is under one of the locks whose stamps are borrowed, or of the groups that
/// are held; the transaction ends after its commit is durable and its words are in place.
pub struct Transaction<'t, P: Platform> {
    pub(super) volume: &'t Volume<P>,
    pub(super) log: &'t mut Log,
    /// What the list may have.
    filter: Filter,
    /// Groups.
    pub(super) groups: Groups<'t, P>,
    pub(super) stamps: [Option<&'t mut Stamp>; MAX_STAMPS],
    /// Bytes have been written that no checksum of the record covers.
    pub(super) bulk: bool,
    /// Bytes of files have been stored that are to be durable when the commit returns.
    pub(super) data: bool,
    /// It has stored: its fences have to be on the same CPU.
    pinned: bool,
    /// A group that somebody else held when it was wanted.
    contended: Option<u32>,
    /// A block that could not be written.
    failed: Option<u64>,
    /// The superblock.
    pub(super) superblock: Option<P::Super<'t>>,
    /// The words are in place, and what the groups remember is so.
    pub(super) done: bool,
}

/// A transaction that has not ended: a handle, because to hand on the transaction itself would move it.
pub(crate) struct Open<'o, 't, P: Platform>(pub(super) &'o mut Transaction<'t, P>);

impl<P: Platform> Open<'_, '_, P> {
    /// Ends without a commit, when nothing is on the list: what has been remembered of the groups holds.
    pub(crate) fn end(self) {
        self.0.done = self.0.log.has_no_store();
    }
}

impl<'t, P: Platform> Deref for Open<'_, 't, P> {
    type Target = Transaction<'t, P>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<P: Platform> DerefMut for Open<'_, '_, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0
    }
}

/// The number of no group.
const NO_GROUP: u32 = u32::MAX;

/// The groups that a transaction holds. Their numbers are apart from their guards, so that to look for one
/// touches little.
pub(super) struct Groups<'t, P: Platform + 't> {
    /// [`NO_GROUP`] where there is no guard.
    numbers: [u32; MAX_GROUPS],
    guards: [Option<P::Group<'t>>; MAX_GROUPS],
}

impl<'t, P: Platform + 't> Groups<'t, P> {
    #[inline(always)]
    const fn new() -> Self {
        Self {
            numbers: [NO_GROUP; MAX_GROUPS],
            guards: [const { None }; MAX_GROUPS],
        }
    }

    #[inline]
    fn position(&self, group: u32) -> Option<usize> {
        self.numbers.iter().position(|&number| number == group)
    }

    fn is_empty(&self) -> bool {
        self.numbers.iter().all(|&number| number == NO_GROUP)
    }

    fn get(&self, at: usize) -> Option<&GroupState> {
        self.guards.get(at)?.as_deref()
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut GroupState> {
        self.guards.get_mut(at)?.as_deref_mut()
    }

    fn put(&mut self, at: usize, group: u32, guard: P::Group<'t>) {
        if let (Some(number), Some(place)) = (self.numbers.get_mut(at), self.guards.get_mut(at)) {
            *number = group;
            *place = Some(guard);
        }
    }

    fn remove(&mut self, at: usize) {
        if let (Some(number), Some(place)) = (self.numbers.get_mut(at), self.guards.get_mut(at)) {
            *number = NO_GROUP;
            *place = None;
        }
    }

    /// Each with its number.
    pub(super) fn iter_mut<'g>(
        &'g mut self,
    ) -> impl Iterator<Item = (u32, &'g mut GroupState)> + use<'g, 't, P> {
        let guards = self.guards.iter_mut().map(Option::as_deref_mut);
        let all = self.numbers.iter().zip(guards);
        all.filter_map(|(&number, guard)| Some((number, guard?)))
    }

    /// The slots that their stamps name.
    pub(super) fn slots(&self) -> u64 {
        let guards = self.guards.iter().flatten();
        guards.fold(0, |slots, guard| slots | guard.stamp.slots())
    }
}

impl<'t, P: Platform> Transaction<'t, P> {
    /// A transaction without changes.
    #[inline(always)]
    pub(crate) fn new(volume: &'t Volume<P>, log: &'t mut Log) -> Self {
        log.reset();
        Self {
            volume,
            log,
            filter: Filter::default(),
            groups: Groups::new(),
            stamps: [const { None }; MAX_STAMPS],
            bulk: false,
            data: false,
            pinned: false,
            contended: None,
            failed: None,
            superblock: None,
            done: false,
        }
    }

    /// Starts it. Its locks are held until it is dropped.
    #[inline]
    pub(crate) fn open(&mut self) -> Open<'_, 't, P> {
        Open(self)
    }

    /// Prepares the changes with `attempt`, which is called again, with nothing on the list, when
    /// it needed a group that somebody else held. The groups that it had and that one are waited
    /// for in ascending order, which every waiter keeps to.
    pub(crate) fn attempt<R>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let mut failures = 0;
        loop {
            let result = attempt(self);
            let (contended, failed) = (self.contended.take(), self.failed.take());
            match (result, contended, failed) {
                (Err(Error::Busy), Some(contended), _) => self.start_again(contended),
                // Others may do.
                (Err(Error::Io), _, Some(block)) if failures < MAX_FAILURES => {
                    failures += 1;
                    if !set_failed(self, block)? {
                        return Err(Error::Io);
                    }
                    self.start_again(group_of(block));
                }
                (result, ..) => return result,
            }
        }
    }

    /// Starts again with the groups that it has and one more.
    #[cold]
    fn start_again(&mut self, contended: u32) {
        let mut wanted = [u32::MAX; MAX_GROUPS];
        for (want, (group, _)) in wanted.iter_mut().zip(self.groups.iter_mut()) {
            *want = group;
        }
        // The last of so many is not kept: it is taken again if it is needed again.
        let known = wanted.contains(&contended);
        if let Some(last) = wanted.last_mut().filter(|_| !known) {
            *last = contended;
        }
        wanted.sort_unstable();
        self.forget_groups();
        self.superblock = None;
        self.groups = Groups::new();
        self.log.reset();
        self.filter = Filter::default();
        self.bulk = false;
        let platform = self.volume.platform();
        let wanted = wanted.into_iter().filter(|&group| group != u32::MAX);
        for (nth, group) in wanted.enumerate() {
            self.groups.put(nth, group, platform.lock_group(group, nth));
        }
    }

    /// What has been remembered of the groups is not what will be.
    fn forget_groups(&mut self) {
        for (_, guard) in self.groups.iter_mut() {
            guard.forget();
        }
    }

    /// Lets go of a group in which the transaction has changed nothing.
    pub(crate) fn leave(&mut self, group: u32) {
        if let Some(at) = self.groups.position(group) {
            self.groups.remove(at);
        }
    }

    /// The volume.
    pub(crate) fn volume(&self) -> &'t Volume<P> {
        self.volume
    }

    /// Takes part in a lock: words under it may be [`set`](Self::set).
    pub(crate) fn join(&mut self, stamp: &'t mut Stamp) -> Result {
        let free = self
            .stamps
            .iter_mut()
            .find(|stamp| stamp.is_none())
            .ok_or(Error::Invalid)?;
        *free = Some(stamp);
        Ok(())
    }

    /// The group, locked for this transaction to its end.
    ///
    /// Waits only while the transaction has no other group.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if somebody else holds it, or the transaction has as many as it can: what is
    /// wanted has to be done in a transaction of its own, or of another group.
    pub(crate) fn group(&mut self, group: u32) -> Result<&mut GroupState> {
        let at = match self.groups.position(group) {
            Some(at) => at,
            None => self.take_group(group)?,
        };
        self.groups.get_mut(at).ok_or(Error::Invalid)
    }

    /// The group, if the transaction has it.
    pub(crate) fn held_group(&self, group: u32) -> Option<&GroupState> {
        self.groups.get(self.groups.position(group)?)
    }

    /// Whether the transaction has the group.
    pub(crate) fn has_group(&self, group: u32) -> bool {
        self.groups.position(group).is_some()
    }

    fn take_group(&mut self, group: u32) -> Result<usize> {
        let at = self.groups.position(NO_GROUP).ok_or(Error::Busy)?;
        let platform = self.volume.platform();
        let guard = if self.groups.is_empty() {
            platform.lock_group(group, 0)
        } else if let Some(guard) = platform.try_lock_group(group) {
            guard
        } else {
            self.contended = Some(group);
            return Err(Error::Busy);
        };
        self.groups.put(at, group, guard);
        Ok(at)
    }

    /// Changes a word. Its old value is read first: a poisoned line is an error here, not a machine
    /// check later.
    pub(crate) fn set(&mut self, offset: u64, value: u64) -> Result {
        let listed = self.filter.may_store_word(offset) && self.log.word(offset).is_some();
        if !listed && self.volume.stored_word(offset)? == value {
            return Ok(());
        }
        self.log.set(&mut self.filter, (offset, value), listed)
    }

    /// Changes the words that bytes are, of which there is a multiple of 8.
    pub(crate) fn set_words(&mut self, offset: u64, bytes: &[u8]) -> Result {
        for (word, at) in bytes.chunks_exact(8).zip((offset..).step_by(8)) {
            let word = word.first_chunk().copied();
            self.set(at, u64::from_le_bytes(word.unwrap_or_default()))?;
        }
        Ok(())
    }

    /// Changes a word that the transaction has just read as `old`.
    #[inline]
    pub(crate) fn change(&mut self, offset: u64, old: u64, value: u64) -> Result {
        if old == value {
            return Ok(());
        }
        let listed = self.filter.may_store_word(offset) && self.log.word(offset).is_some();
        self.log.set(&mut self.filter, (offset, value), listed)
    }

    /// Takes changed words off the list that are in blocks which the transaction frees. Whoever takes
    /// the blocks writes them as [`fresh`](Self::fresh), with the same fence that makes the mark of
    /// this record durable: were the words in the record, its recovery could overwrite what is there by
    /// then.
    pub(crate) fn forget(&mut self, offset: u64, len: u64) {
        self.log.forget(offset, len);
    }

    /// Bytes of files have been stored that the commit must not become durable before.
    pub(crate) fn after_data(&mut self) {
        self.bulk = true;
    }

    /// Bytes of files have been stored that are to be durable when the commit returns, in any order with
    /// it.
    pub(crate) fn with_data(&mut self) {
        self.data = true;
    }

    /// Stays on this CPU from its first store to its end: it waits for locks of the core alone until then.
    pub(super) fn pin(&mut self) {
        if !self.pinned {
            self.pinned = true;
            self.volume.stores().pin();
        }
    }

    /// Writes bytes to where nothing that is reachable points; the record vouches for them. Both
    /// `offset` and the length are multiples of 8.
    pub(crate) fn fresh(&mut self, offset: u64, bytes: &[u8]) -> Result {
        self.volume.check_range(offset, bytes.len() as u64)?;
        self.pin();
        let written = self.volume.stores().copy_nt(offset, bytes);
        self.judge_write(offset, bytes.len() as u64, written)?;
        let platform = self.volume.platform();
        self.log.check(platform, &mut self.filter, offset, bytes)
    }

    /// Writes bytes to where nothing that is reachable points, with a fence of their own.
    pub(crate) fn bulk(&mut self, offset: u64, bytes: &[u8]) -> Result {
        self.volume.check_range(offset, bytes.len() as u64)?;
        self.bulk = true;
        self.pin();
        let written = self.volume.stores().copy_nt(offset, bytes);
        self.judge_write(offset, bytes.len() as u64, written)
    }

    /// Zeroes to where nothing that is reachable points, with a fence of its own.
    pub(crate) fn bulk_zero(&mut self, offset: u64, len: u64) -> Result {
        self.volume.check_range(offset, len)?;
        self.bulk = true;
        self.pin();
        let written = self.volume.stores().zero_nt(offset, len);
        self.judge_write(offset, len, written)
    }

    /// Notes the block of a write that failed.
    #[inline]
    fn judge_write(&mut self, offset: u64, len: u64, written: Result) -> Result {
        if written.is_err() {
            self.failed = Some(self.bad_block_of(offset, len));
        }
        written
    }

    /// The first block of a range that is known to be bad, or the first one.
    #[cold]
    fn bad_block_of(&self, offset: u64, len: u64) -> u64 {
        let first = offset >> BLOCK_SHIFT;
        let end = offset.saturating_add(len).div_ceil(BLOCK_SIZE);
        let is_bad = |&block: &u64| {
            let checked = self.volume.check_poison(block_offset(block), BLOCK_SIZE);
            checked.is_err()
        };
        (first..end).find(is_bad).unwrap_or(first)
    }

    /// The superblock, locked for this transaction to its end: words of it that change in transactions may be
    /// [`set`](Self::set). All groups that the transaction needs have been taken.
    pub(crate) fn lock_superblock(&mut self) {
        if self.superblock.is_none() {
            self.superblock = Some(self.volume.platform().lock_super());
        }
    }
}

impl<P: Platform> Drop for Transaction<'_, P> {
    fn drop(&mut self) {
        if !self.done {
            self.forget_groups();
        }
        if self.pinned {
            self.volume.stores().unpin();
        }
    }
}

impl<P: Platform> Source for Transaction<'_, P> {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.volume.read_stored(offset, into)?;
        if !self.filter.may_store(offset, into.len() as u64) {
            return Ok(());
        }
        for entry in self.log.entries() {
            let Entry::Store { offset: at, value } = entry else {
                continue;
            };
            put_word(offset, into, at, value);
        }
        Ok(())
    }

    #[inline]
    fn word(&self, offset: u64) -> Result<u64> {
        if self.filter.may_store_word(offset) {
            if let Some(value) = self.log.word(offset) {
                return Ok(value);
            }
        }
        self.volume.stored_word(offset)
    }
}
