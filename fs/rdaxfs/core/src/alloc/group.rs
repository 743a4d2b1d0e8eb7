// SPDX-License-Identifier: GPL-2.0

//! A group: what is remembered of it, and how its bits and counters change.

use zerocopy::IntoBytes;

use super::aside::{Aside, Claimed};
use super::bits::{masks, ChunkBits, Chunks, CLASSES};
use crate::format::{
    block_offset, group_bitmap, group_header, group_metadata, group_of, group_start, GroupHeader,
    GROUP_BLOCKS, GROUP_CHUNKS, GROUP_CRC, GROUP_MAGIC,
};
use crate::journal::{Guarded, Stamp, Transaction};
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// What a group's lock guards, beside the group's blocks on the medium.
#[derive(Debug)]
pub struct GroupState {
    pub(crate) stamp: Stamp,
    /// Whether `masks` holds.
    loaded: bool,
    pub(super) masks: Masks,
    /// A bit for each chunk that a file has reserved.
    reserved: u64,
    /// Blocks that no allocation takes.
    pub(super) aside: Aside,
    /// By how much a transaction that is not committed changes the free blocks and the inodes in use.
    changes: (i64, i64),
}

/// What is known of a group's chunks, a bit for each, and its free blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Masks {
    /// For each class the chunks that have a run of it, or a longer one.
    pub(super) runs: [u64; CLASSES],
    /// Chunks of which every block is free as the bitmap says, whatever is set aside.
    unused: u64,
    /// Free blocks.
    pub(super) free: u32,
}

impl Masks {
    /// Those of a group of which nothing is known.
    const fn new() -> Self {
        Self {
            runs: [0; CLASSES],
            unused: 0,
            free: 0,
        }
    }

    /// Notes the classes of a chunk, and whether the bitmap says that all of it is free.
    fn put(&mut self, chunk: u32, classes: u32, unused: bool) {
        let bit = 1_u64.checked_shl(chunk).unwrap_or(0);
        self.unused = self.unused & !bit | u64::from(unused).wrapping_neg() & bit;
        self.put_classes(chunk, classes);
    }

    /// Notes the classes of a chunk.
    fn put_classes(&mut self, chunk: u32, classes: u32) {
        let bit = 1_u64.checked_shl(chunk).unwrap_or(0);
        for (class, mask) in self.runs.iter_mut().enumerate() {
            let has = u64::from(classes >> class & 1);
            *mask = *mask & !bit | has.wrapping_neg() & bit;
        }
    }

    /// Chunks that have a run of a class, or a longer one.
    pub(super) fn with(&self, class: usize) -> u64 {
        self.runs.get(class).copied().unwrap_or(0)
    }

    /// Chunks of which every block is free, and which a huge page can map.
    pub(super) fn whole(&self) -> u64 {
        self.with(CLASSES - 1)
    }
}

impl GroupState {
    /// The state of a group that has not been used since the mount.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stamp: Stamp::unknown(Guarded::Group),
            loaded: false,
            masks: Masks::new(),
            reserved: 0,
            aside: Aside::new(),
            changes: (0, 0),
        }
    }

    /// Free blocks, once the group has been used.
    #[must_use]
    pub fn free(&self) -> Option<u32> {
        self.loaded.then_some(self.masks.free)
    }

    /// A transaction that changed the group will not be committed. What is set aside stays so.
    pub(crate) fn forget(&mut self) {
        self.loaded = false;
        self.aside.settled(false);
        self.changes = (0, 0);
    }

    /// A transaction that changed the group has been committed. Returns by how much the free blocks and the
    /// inodes in use are more, and how many blocks are not set aside any more.
    pub(crate) fn committed(&mut self) -> (i64, i64, u32) {
        let settled = self.aside.settled(true);
        let (free, inodes) = core::mem::take(&mut self.changes);
        (free, inodes, settled)
    }

    /// The transaction that has the group takes an inode, or gives one back.
    pub(crate) fn count_inodes(&mut self, more: i64) {
        self.changes.1 += more;
    }

    /// The word of [`Locks::hint`](crate::platform::Locks::hint); [`None`] if nothing is known.
    pub(crate) fn hint(&self) -> Option<u64> {
        let whole = u64::from(self.masks.whole().count_ones());
        self.loaded
            .then_some(u64::from(self.masks.free) | whole << 32)
    }

    pub(super) const fn reserved(&self) -> u64 {
        self.reserved
    }

    pub(super) fn reserve(&mut self, chunk: u32) {
        self.reserved |= 1_u64.checked_shl(chunk).unwrap_or(0);
    }

    pub(super) fn release(&mut self, chunk: u32) {
        self.reserved &= !1_u64.checked_shl(chunk).unwrap_or(0);
    }
}

impl Default for GroupState {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Platform> Volume<P> {
    /// Sets blocks aside that belong to a file, so that they are nobody else's if they are freed. Returns
    /// whether there was room.
    pub(crate) fn hold_blocks(&self, block: u64, count: u64) -> Result<bool> {
        self.check_run(block, count)?;
        let mut state = self.platform().lock_group(group_of(block), 0);
        let first = block % GROUP_BLOCKS;
        // The masks do not change: what is in use stays so.
        Ok(state.aside.claim(Claimed::new(first, count, true)))
    }

    /// Sets a free block of a group aside that is bad, and has it repaired later.
    fn note_bad(&self, state: &mut GroupState, block: u64) {
        let group = group_of(block);
        let at = block - group_start(group);
        if state.aside.set_bad(Chunks::new(self.align()), at) {
            self.totals.set_aside(1);
        }
        self.want_repair(group);
    }

    /// As [`BadBlocks::set_bad`](crate::bad_blocks::BadBlocks::set_bad); with `own` also a block that the caller has claimed, and gives up.
    pub(crate) fn set_aside_bad(&self, block: u64, own: bool) -> Result<bool> {
        self.check_writable()?;
        self.check_block(block)?;
        let group = group_of(block);
        let mut state = self.platform().lock_group(group, 0);
        let at = block - group_start(group);
        let used = self.word(block_offset(group_bitmap(group)) + at / 64 * 8)?;
        if used >> (at % 64) & 1 == 1 || (state.aside.is_claimed(at) && !own) {
            return Ok(false);
        }
        self.note_bad(&mut state, block);
        state.loaded = false;
        Ok(true)
    }

    /// A block of a group that is set aside as bad, if there is one.
    pub(crate) fn next_bad_block(&self, group: u32) -> Option<u64> {
        let mut state = self.platform().lock_group(group, 0);
        let next = state.aside.next_bad();
        if next.is_none() {
            state.loaded = false;
        }
        Some(group_start(group) + next?)
    }

    /// A block is not set aside any more.
    pub(crate) fn remove_bad_block(&self, block: u64) {
        if self.check_block(block).is_ok() {
            let mut state = self.platform().lock_group(group_of(block), 0);
            if state.aside.remove_bad(block % GROUP_BLOCKS) {
                self.totals.let_go(1);
            }
            state.loaded = false;
        }
    }

    /// Blocks that a claim held are the file's still: they are not set aside any more.
    pub(crate) fn let_go_of_blocks(&self, block: u64, count: u64) {
        if self.check_run(block, count).is_ok() {
            let mut state = self.platform().lock_group(group_of(block), 0);
            let first = block % GROUP_BLOCKS;
            state.aside.release(Claimed::new(first, count, true));
        }
    }

    /// Blocks that were set aside for a claim, or held by it, may be free now.
    pub(crate) fn release_claim(&self, block: u64, count: u64, held: bool) {
        if self.check_run(block, count).is_ok() {
            let mut state = self.platform().lock_group(group_of(block), 0);
            let first = block % GROUP_BLOCKS;
            if state.aside.release(Claimed::new(first, count, held)) && !held {
                self.totals.let_go(count);
            }
            // What is known of the chunk is found out again when it is needed.
            state.loaded = false;
        }
    }

    /// The group's header, judged.
    pub(crate) fn read_group(&self, group: u32) -> Result<GroupHeader> {
        let header: GroupHeader = self.get(block_offset(group_header(group)))?;
        let covered = header.as_bytes().get(GROUP_CRC).unwrap_or(&[]);
        let good = header.magic.get() == GROUP_MAGIC
            && header.group.get() == u64::from(group)
            && header.uuid == self.superblock().uuid
            && header.crc.get() == self.platform().crc32c(0, covered);
        if good {
            Ok(header)
        } else {
            Err(Error::Corrupt)
        }
    }
}

/// The byte offset of a word of a group's header.
pub(crate) fn header_word(group: u32, field: usize) -> u64 {
    block_offset(group_header(group)) + field as u64
}

/// Finds out about the group's chunks, if need be.
#[inline]
pub(super) fn load_masks<P: Platform>(tx: &mut Transaction<'_, P>, group: u32) -> Result {
    if tx.group(group)?.loaded {
        return Ok(());
    }
    find_masks(tx, group)
}

#[inline(never)]
fn find_masks<P: Platform>(tx: &mut Transaction<'_, P>, group: u32) -> Result {
    judge_header(tx.volume(), group)?;
    let counters = tx.word(header_word(group, core::mem::offset_of!(GroupHeader, free)))?;
    tx.group(group)?.masks.free = counters as u32;
    for chunk in 0..GROUP_CHUNKS {
        judge_chunk(tx, group, chunk)?;
    }
    tx.group(group)?.loaded = true;
    Ok(())
}

/// Fails unless the group's header is one: apart, because of its place on the stack.
#[inline(never)]
fn judge_header<P: Platform>(volume: &Volume<P>, group: u32) -> Result {
    volume.read_group(group).map(drop)
}

/// Which blocks of a chunk cannot be taken: what is in use or set aside.
pub(super) fn chunk_bits<P: Platform>(
    tx: &Transaction<'_, P>,
    group: u32,
    chunks: Chunks,
    chunk: u32,
    bits: &mut ChunkBits,
) -> Result {
    bits.read(tx, group, chunks, chunk)?;
    if let Some(state) = tx.held_group(group) {
        state.aside.occupy(chunks, chunk, bits);
    }
    Ok(())
}

/// Sets a run of free blocks aside for a claim. Returns whether there is room for another.
pub(super) fn set_aside<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    count: u64,
    found: Option<&mut ChunkBits>,
) -> Result<bool> {
    tx.volume().check_run(block, count)?;
    let group = group_of(block);
    let first = block - group_start(group);
    let state = tx.group(group)?;
    if !state.aside.claim(Claimed::new(first, count, false)) {
        return Ok(false);
    }
    tx.volume().totals.set_aside(count);
    // The group's chunks are known: they have been searched.
    judge_taken(tx, group, (first, count), found)?;
    Ok(true)
}

/// Takes a run that a search has found in one chunk, whose bits are `found` if nothing has changed since.
pub(super) fn take_found<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    count: u64,
    metadata: bool,
    found: Option<&mut ChunkBits>,
) -> Result {
    tx.volume().check_run(block, count)?;
    let group = group_of(block);
    let first = block - group_start(group);
    change_run(tx, block, count, metadata, true)?;
    judge_taken(tx, group, (first, count), found)?;
    let (chunk, _) = Chunks::new(tx.volume().align()).locate(first);
    let masks = &mut tx.group(group)?.masks;
    masks.unused &= !1_u64.checked_shl(chunk).unwrap_or(0);
    count_run(tx, group, count, true)
}

/// Finds out what a chunk is of which a run has been taken, from its bits before that.
fn judge_taken<P: Platform>(
    tx: &mut Transaction<'_, P>,
    group: u32,
    (first, count): (u64, u64),
    found: Option<&mut ChunkBits>,
) -> Result {
    let Some(bits) = found else {
        return judge_run(tx, group, (first, count));
    };
    let chunks = Chunks::new(tx.volume().align());
    let (chunk, place) = chunks.locate(first);
    bits.occupy(place..place + count);
    let classes = bits.classes(chunks, chunk);
    tx.group(group)?.masks.put_classes(chunk, classes);
    Ok(())
}

/// Sets a free block aside that is bad, of a group whose chunks are known.
#[cold]
#[inline(never)]
pub(super) fn set_bad<P: Platform>(tx: &mut Transaction<'_, P>, block: u64) -> Result {
    let group = group_of(block);
    tx.volume().note_bad(tx.group(group)?, block);
    judge_run(tx, group, (block - group_start(group), 1))
}

/// Sets a block aside whose write has failed, if it is one of those that the transaction has taken and not one
/// that something has. The transaction starts again then, without what it has changed.
pub(crate) fn set_failed<P: Platform>(tx: &mut Transaction<'_, P>, block: u64) -> Result<bool> {
    let volume = tx.volume();
    volume.check_block(block)?;
    let group = group_of(block);
    let at = block - group_start(group);
    // As the medium says, not as the transaction is going to.
    let used = volume.word(block_offset(group_bitmap(group)) + at / 64 * 8)?;
    if used >> (at % 64) & 1 == 1 {
        return Ok(false);
    }
    volume.note_bad(tx.group(group)?, block);
    Ok(true)
}

/// The transaction makes the first `used` blocks of a claim the file's, and gives up the rest.
///
/// # Errors
///
/// [`Error::Corrupt`] if they are not the claim's, or not free.
pub(crate) fn settle_claim<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    count: u64,
    used: u64,
) -> Result {
    tx.volume().check_run(block, count)?;
    let group = group_of(block);
    let first = block - group_start(group);
    let claim = Claimed::new(first, count, false);
    let chunks = Chunks::new(tx.volume().align());
    if !tx.group(group)?.aside.settle(claim) {
        return Err(Error::Corrupt);
    }
    load_masks(tx, group)?;
    // What was set aside is in use now: no search finds another chunk than before.
    change_run(tx, block, used.min(count), false, true)?;
    let masks = &mut tx.group(group)?.masks;
    each_chunk(chunks, (first, used.min(count)), |chunk| {
        masks.unused &= !1_u64.checked_shl(chunk).unwrap_or(0);
    });
    if used < count {
        judge_chunks(tx, group, (first, count))?;
    }
    count_run(tx, group, used.min(count), true)
}

/// Calls `each` with the chunks of a run.
fn each_chunk(chunks: Chunks, (first, count): (u64, u64), mut each: impl FnMut(u32)) {
    let mut at = first;
    while at < first + count {
        let (chunk, place) = chunks.locate(at);
        each(chunk);
        at += chunks.adjacent(chunk, place);
    }
}

/// Finds out again what the chunks of a run are, in a group that the transaction has.
fn judge_chunks<P: Platform>(tx: &mut Transaction<'_, P>, group: u32, run: (u64, u64)) -> Result {
    load_masks(tx, group)?;
    judge_run(tx, group, run)
}

fn judge_run<P: Platform>(
    tx: &mut Transaction<'_, P>,
    group: u32,
    (first, count): (u64, u64),
) -> Result {
    let chunks = Chunks::new(tx.volume().align());
    let mut at = first;
    while at < first + count {
        let (chunk, place) = chunks.locate(at);
        judge_chunk(tx, group, chunk)?;
        at += chunks.adjacent(chunk, place);
    }
    Ok(())
}

/// Finds out again what a chunk is.
fn judge_chunk<P: Platform>(tx: &mut Transaction<'_, P>, group: u32, chunk: u32) -> Result {
    let chunks = Chunks::new(tx.volume().align());
    let mut bits = ChunkBits::new();
    bits.read(tx, group, chunks, chunk)?;
    let unused = chunks.is_whole(chunk) && bits.is_free();
    let state = tx.group(group)?;
    state.aside.occupy(chunks, chunk, &mut bits);
    let classes = bits.classes(chunks, chunk);
    state.masks.put(chunk, classes, unused);
    Ok(())
}

/// Takes a run of free blocks.
///
/// # Errors
///
/// [`Error::Corrupt`] if one is in use, or the run is not one of this group's.
pub(crate) fn mark_used<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    count: u64,
    metadata: bool,
) -> Result {
    change(tx, block, count, metadata, true)
}

/// Gives back a run of blocks, all of which hold metadata or none.
///
/// # Errors
///
/// [`Error::Corrupt`] if one is free, or of the other kind, or the run is not one of one group's;
/// [`Error::Busy`] as [`Transaction::group`] says.
pub(crate) fn free_run<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    count: u64,
    metadata: bool,
) -> Result {
    change(tx, block, count, metadata, false)?;
    if metadata {
        tx.forget(block_offset(block), block_offset(count));
        tx.volume().forget_judged(block, count);
    }
    Ok(())
}

fn change<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    count: u64,
    metadata: bool,
    used: bool,
) -> Result {
    tx.volume().check_run(block, count)?;
    let group = group_of(block);
    load_masks(tx, group)?;
    change_run(tx, block, count, metadata, used)?;
    judge_run(tx, group, (block - group_start(group), count))?;
    count_run(tx, group, count, used)
}

/// Changes the bits of a run.
fn change_run<P: Platform>(
    tx: &mut Transaction<'_, P>,
    block: u64,
    count: u64,
    metadata: bool,
    used: bool,
) -> Result {
    let group = group_of(block);
    let first = block - group_start(group);
    change_bits(tx, group_bitmap(group), (first, count), used)?;
    if metadata {
        change_bits(tx, group_metadata(group), (first, count), used)?;
    } else if !used {
        expect_bits(tx, group_metadata(group), (first, count), false)?;
    }
    Ok(())
}

/// Changes the counters of a group of which the chunks are known.
fn count_run<P: Platform>(
    tx: &mut Transaction<'_, P>,
    group: u32,
    count: u64,
    used: bool,
) -> Result {
    let state = tx.group(group)?;
    let masks = &mut state.masks;
    let count = count as u32;
    let (free, more) = if used {
        (masks.free.checked_sub(count), -i64::from(count))
    } else {
        (masks.free.checked_add(count), i64::from(count))
    };
    masks.free = free
        .filter(|&free| u64::from(free) <= GROUP_BLOCKS)
        .ok_or(Error::Corrupt)?;
    state.changes.0 += more;
    let counters = u64::from(masks.free) | u64::from(masks.unused.count_ones()) << 32;
    tx.set(
        header_word(group, core::mem::offset_of!(GroupHeader, free)),
        counters,
    )
}

/// Sets or clears bits of a bitmap, all of which must be the other way.
fn change_bits<P: Platform>(
    tx: &mut Transaction<'_, P>,
    bitmap: u64,
    (first, count): (u64, u64),
    set: bool,
) -> Result {
    expect_bits(tx, bitmap, (first, count), !set)?;
    for (word, mask) in masks(first, count) {
        let offset = block_offset(bitmap) + word * 8;
        let old = tx.word(offset)?;
        tx.change(offset, old, old ^ mask)?;
    }
    Ok(())
}

fn expect_bits<P: Platform>(
    tx: &Transaction<'_, P>,
    bitmap: u64,
    (first, count): (u64, u64),
    set: bool,
) -> Result {
    for (word, mask) in masks(first, count) {
        let found = tx.word(block_offset(bitmap) + word * 8)? & mask;
        if found != if set { mask } else { 0 } {
            return Err(Error::Corrupt);
        }
    }
    Ok(())
}

/// Whether a block is in use and holds metadata: what must be so before its bytes are taken for
/// an inode.
pub(crate) fn is_metadata<P: Platform>(volume: &Volume<P>, block: u64) -> Result<bool> {
    if volume.check_block(block).is_err() {
        return Ok(false);
    }
    let group = group_of(block);
    let at = block - group_start(group);
    let word = volume.word(block_offset(group_metadata(group)) + at / 64 * 8)?;
    Ok(word >> (at % 64) & 1 == 1)
}
