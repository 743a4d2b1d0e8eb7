// SPDX-License-Identifier: GPL-2.0

//! A transaction before its commit.

use core::ops::DerefMut;

use super::filter::Filter;
use super::log::Entry;
use super::overlay::put_word;
use super::{Log, Stamp};
use crate::alloc::GroupState;
use crate::platform::{Platform, Stores as _};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// The most groups that a transaction changes.
pub const MAX_GROUPS: usize = 8;
/// The most other locks under which a transaction changes words: both directories of a rename, what
/// is moved, what is replaced, and two locks of attributes.
pub(crate) const MAX_STAMPS: usize = 6;

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
    /// Groups, each with its number.
    pub(super) groups: [Option<(u32, P::Group<'t>)>; MAX_GROUPS],
    pub(super) stamps: [Option<&'t mut Stamp>; MAX_STAMPS],
    /// Bytes have been written that no checksum of the record covers.
    pub(super) bulk: bool,
    /// Bytes of files have been stored that are to be durable when the commit returns.
    pub(super) data: bool,
    /// It has stored: its fences have to be on the same CPU.
    pinned: bool,
    /// A group that somebody else held when it was wanted.
    contended: Option<u32>,
    /// The words are in place, and what the groups remember is so.
    pub(super) done: bool,
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
            groups: [const { None }; MAX_GROUPS],
            stamps: [const { None }; MAX_STAMPS],
            bulk: false,
            data: false,
            pinned: false,
            contended: None,
            done: false,
        }
    }

    /// Prepares the changes with `attempt`, which is called again, with nothing on the list, when
    /// it needed a group that somebody else held. The groups that it had and that one are waited
    /// for in ascending order, which every waiter keeps to.
    pub(crate) fn attempt<R>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<R>,
    ) -> Result<R> {
        loop {
            let result = attempt(self);
            match (result, self.contended.take()) {
                (Err(Error::Busy), Some(contended)) => self.start_again(contended),
                (result, _) => return result,
            }
        }
    }

    fn start_again(&mut self, contended: u32) {
        let mut wanted = [u32::MAX; MAX_GROUPS];
        for (want, held) in wanted.iter_mut().zip(&self.groups) {
            if let Some((group, _)) = held {
                *want = *group;
            }
        }
        // The last of so many is not kept: it is taken again if it is needed again.
        if let Some(last) = wanted.last_mut() {
            *last = contended;
        }
        wanted.sort_unstable();
        self.forget_groups();
        self.groups = [const { None }; MAX_GROUPS];
        self.log.reset();
        self.filter = Filter::default();
        self.bulk = false;
        let platform = self.volume.platform();
        let wanted = wanted.into_iter().filter(|&group| group != u32::MAX);
        for (nth, (place, group)) in self.groups.iter_mut().zip(wanted).enumerate() {
            *place = Some((group, platform.lock_group(group, nth)));
        }
    }

    /// What has been remembered of the groups is not what will be.
    fn forget_groups(&mut self) {
        for (_, guard) in self.groups.iter_mut().flatten() {
            guard.forget();
        }
    }

    /// Lets go of a group in which the transaction has changed nothing.
    pub(crate) fn leave(&mut self, group: u32) {
        for place in &mut self.groups {
            if matches!(place, Some((number, _)) if *number == group) {
                *place = None;
            }
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
        let at = match self.position(group) {
            Some(at) => at,
            None => self.take_group(group)?,
        };
        let held = self.groups.get_mut(at).and_then(Option::as_mut);
        let (_, guard) = held.ok_or(Error::Invalid)?;
        Ok(guard.deref_mut())
    }

    /// The group, if the transaction has it.
    pub(crate) fn held_group(&self, group: u32) -> Option<&GroupState> {
        let held = self.groups.get(self.position(group)?)?.as_ref();
        held.map(|(_, guard)| &**guard)
    }

    /// Ends without a commit, when nothing is on the list: what has been remembered of the groups holds.
    pub(crate) fn end(mut self) {
        self.done = self.log.has_no_store();
    }

    /// Whether the transaction has the group.
    pub(crate) fn has_group(&self, group: u32) -> bool {
        self.position(group).is_some()
    }

    fn position(&self, group: u32) -> Option<usize> {
        self.groups
            .iter()
            .position(|held| matches!(held, Some((number, _)) if *number == group))
    }

    fn take_group(&mut self, group: u32) -> Result<usize> {
        let at = self
            .groups
            .iter()
            .position(Option::is_none)
            .ok_or(Error::Busy)?;
        let platform = self.volume.platform();
        let guard = if self.groups.iter().all(Option::is_none) {
            platform.lock_group(group, 0)
        } else if let Some(guard) = platform.try_lock_group(group) {
            guard
        } else {
            self.contended = Some(group);
            return Err(Error::Busy);
        };
        if let Some(place) = self.groups.get_mut(at) {
            *place = Some((group, guard));
        }
        Ok(at)
    }

    /// Changes a word. Its old value is read first: a poisoned line is an error here, not a machine
    /// check later.
    pub(crate) fn set(&mut self, offset: u64, value: u64) -> Result {
        let listed = self.filter.may_store_word(offset) && self.log.word(offset).is_some();
        if !listed && self.volume.word(offset)? == value {
            return Ok(());
        }
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
        self.volume.stores().copy_nt(offset, bytes)?;
        let platform = self.volume.platform();
        self.log.check(platform, &mut self.filter, offset, bytes)
    }

    /// Writes bytes to where nothing that is reachable points, with a fence of their own.
    pub(crate) fn bulk(&mut self, offset: u64, bytes: &[u8]) -> Result {
        self.volume.check_range(offset, bytes.len() as u64)?;
        self.bulk = true;
        self.pin();
        self.volume.stores().copy_nt(offset, bytes)
    }

    /// Zeroes to where nothing that is reachable points, with a fence of its own.
    pub(crate) fn bulk_zero(&mut self, offset: u64, len: u64) -> Result {
        self.volume.check_range(offset, len)?;
        self.bulk = true;
        self.pin();
        self.volume.stores().zero_nt(offset, len)
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
        self.volume.read(offset, into)?;
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

    fn word(&self, offset: u64) -> Result<u64> {
        if self.filter.may_store_word(offset) {
            if let Some(value) = self.log.word(offset) {
                return Ok(value);
            }
        }
        self.volume.word(offset)
    }
}
