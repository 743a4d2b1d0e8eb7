// SPDX-License-Identifier: GPL-2.0

//! Where blocks are taken from.

use core::sync::atomic::Ordering::Relaxed;

use super::bits::{class_for, ChunkBits, Chunks, CLASSES};
use super::group::{chunk_bits, load_masks, set_aside, set_bad, take_found, Masks};
use crate::format::{
    block_offset, group_of, group_start, CHUNK_BLOCKS, GROUP_CHUNKS, GROUP_RESERVE,
};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::volume::Volume;
use crate::{Error, Result};

/// Adjacent blocks of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) block: u64,
    pub(crate) count: u64,
}

/// A chunk that a growing file has for itself, in DRAM only: nobody else takes blocks of it, unless
/// there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    group: u32,
    chunk: u32,
}

impl Reservation {
    /// The group that the chunk is in.
    pub(crate) const fn group(&self) -> u32 {
        self.group
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// How many blocks at most; at least one is taken.
    pub(crate) want: u64,
    /// Pages come to where there is room for so many, if they can: the file may go on growing.
    pub(crate) room: u64,
    /// Only as many as wanted will do: for a structure of the file system's own, not for pages.
    pub(crate) exact: bool,
    /// The group to look into first.
    pub(crate) group: u32,
    /// The block that would continue what there is.
    pub(crate) after: Option<u64>,
    /// For pages: the place that the first one has in a chunk.
    pub(crate) place: Option<u64>,
    /// Where to look.
    pub(crate) reach: Reach,
    /// The file's own chunk.
    pub(crate) reservation: Option<Reservation>,
    /// The blocks will hold metadata.
    pub(crate) metadata: bool,
    /// The blocks are set aside in DRAM only, for a claim.
    pub(crate) claim: bool,
    /// The last blocks of a group may be taken.
    pub(crate) reserve: bool,
}

impl Request {
    /// So many blocks together for a structure of the file system's own, near a group, as `metadata` or not.
    pub(crate) const fn structure(group: u32, want: u64, metadata: bool) -> Self {
        Self {
            want,
            room: want,
            exact: true,
            group,
            after: None,
            place: None,
            reach: Reach::Near,
            reservation: None,
            metadata,
            claim: false,
            reserve: false,
        }
    }
}

/// Which chunks an allocation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of the group that are broken already, then others of it: for structures.
    Near,
    /// Those that are broken already, so that others stay whole.
    Broken,
    /// Ones that a large file has for itself; others if there are none.
    Own,
    /// As for [`Own`](Self::Own) where there are some to spare, else as for [`Broken`](Self::Broken): a file
    /// that is large may end soon.
    Spare,
    /// Ones that are free as a whole, and no others.
    Whole,
}

impl Reach {
    const fn passes(self) -> &'static [Pass] {
        match self {
            Self::Near => &[Pass::Unreserved, Pass::Any],
            Self::Broken => &[Pass::Broken, Pass::Unreserved, Pass::Any],
            Self::Own => &[Pass::Chunks, Pass::Broken, Pass::Unreserved, Pass::Any],
            Self::Spare => &[Pass::Spare, Pass::Broken, Pass::Unreserved, Pass::Any],
            Self::Whole => &[Pass::Chunks],
        }
    }
}

/// What may be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// What nobody has reserved in chunks that are broken already, of a few groups.
    Broken,
    /// For a large file: what continues it, and chunks that are free as a whole.
    Chunks,
    /// The same, but the last such chunks of a group stay.
    Spare,
    /// What nobody has reserved.
    Unreserved,
    /// Anything.
    Any,
}

impl Pass {
    /// How many groups it looks at.
    const fn groups(self, all: u32) -> u32 {
        match self {
            Self::Broken if all > NEAR => NEAR,
            _ => all,
        }
    }

    const fn is_for_large(self) -> bool {
        matches!(self, Self::Chunks | Self::Spare)
    }

    /// Whether what it does not find may be somewhere else, so that it need not wait for a group.
    const fn is_choosy(self) -> bool {
        matches!(self, Self::Broken | Self::Chunks | Self::Spare)
    }

    /// Whether there is nothing for it in a group, as far as is known without its lock.
    fn passes_over(self, hint: &Hint, has_own: bool) -> bool {
        match self {
            Self::Broken => {
                hint.whole <= PLENTY && u64::from(hint.whole) * CHUNK_BLOCKS >= u64::from(hint.free)
            }
            Self::Chunks => hint.whole == 0 && !has_own,
            Self::Spare => hint.whole <= SPARE && !has_own,
            Self::Unreserved | Self::Any => false,
        }
    }
}

/// How many groups a small file looks at for a chunk that is broken, before it breaks one.
const NEAR: u32 = 8;
/// While a group has more whole chunks than this, its small files break one before they go elsewhere.
const PLENTY: u32 = GROUP_CHUNKS / 2;
/// How many whole chunks of a group are for files that fill half of one at least.
const SPARE: u32 = 6;

/// Takes blocks, as near to what is wanted as there are. The second value is the chunk that the file
/// has for itself from now on; the caller [`release`](Volume::release)s the one it had before, when
/// the transaction has ended, and keeps the new one, however it ends.
///
/// # Errors
///
/// [`Error::NoSpace`] if no group has any.
pub(crate) fn allocate<P: Platform>(
    tx: &mut Transaction<'_, P>,
    request: &Request,
) -> Result<(Run, Option<Reservation>)> {
    let groups = tx.volume().groups();
    let first = if request.group < groups {
        request.group
    } else {
        0
    };
    for &pass in request.reach.passes() {
        let mut busy = false;
        for turn in 0..pass.groups(groups) {
            let group = (u64::from(first) + u64::from(turn)) % u64::from(groups.max(1));
            match allocate_in(tx, group as u32, request, pass) {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => {}
                Err(Error::Busy) => busy = true,
                Err(error) => return Err(error),
            }
        }
        if busy && !pass.is_choosy() {
            // What others hold may have blocks: the transaction starts again and waits for it.
            return Err(Error::Busy);
        }
    }
    Err(Error::NoSpace)
}

/// How many blocks of a run are before its first bad one.
#[inline(never)]
fn before_bad<P: Platform>(volume: &Volume<P>, run: &Run) -> u64 {
    let bad = |block, count| {
        let checked = volume.check_poison(block_offset(block), block_offset(count));
        checked.is_err()
    };
    if !bad(run.block, run.count) {
        return run.count;
    }
    let good = (0..run.count).find(|at| bad(run.block + at, 1));
    good.unwrap_or(run.count)
}

fn allocate_in<P: Platform>(
    tx: &mut Transaction<'_, P>,
    group: u32,
    request: &Request,
    pass: Pass,
) -> Result<Option<(Run, Option<Reservation>)>> {
    let keep = if request.reserve { 0 } else { GROUP_RESERVE };
    let own = request.reservation.filter(|own| own.group == group);
    let held_before = tx.has_group(group);
    if !held_before {
        let hint = Hint::of(tx.volume(), group);
        if hint.free <= keep || pass.passes_over(&hint, own.is_some()) {
            return Ok(None);
        }
    }
    let mut bits = ChunkBits::new();
    let mut is_known = true;
    let taken = loop {
        load_masks(tx, group)?;
        let wanted = (keep, pass);
        let Some((mut run, reservation)) = choose(tx, group, request, wanted, &mut bits)? else {
            break None;
        };
        let good = before_bad(tx.volume(), &run);
        if good < run.count {
            set_bad(tx, run.block + good)?;
        }
        if good == run.count || (good > 0 && !request.exact) {
            // What is bad has been set aside since the bits were read.
            is_known = good == run.count;
            run.count = good;
            break Some((run, reservation));
        }
    };
    let Some((run, reservation)) = taken else {
        if !held_before {
            tx.leave(group);
        }
        return Ok(None);
    };
    tx.volume().forget_judged(run.block, run.count);
    let found = is_known.then_some(&mut bits);
    if request.claim {
        // There is room: `choose` has seen to it.
        set_aside(tx, run.block, run.count, found)?;
    } else {
        take_found(tx, run.block, run.count, request.metadata, found)?;
    }
    if let Some(new) = reservation.filter(|_| reservation != request.reservation) {
        tx.group(group)?.reserve(new.chunk);
    }
    Ok(Some((run, reservation.or(request.reservation))))
}

#[inline(never)]
fn choose<P: Platform>(
    tx: &Transaction<'_, P>,
    group: u32,
    request: &Request,
    (keep, pass): (u32, Pass),
    bits: &mut ChunkBits,
) -> Result<Option<(Run, Option<Reservation>)>> {
    let state = tx.held_group(group).ok_or(Error::Invalid)?;
    let (aside, masks) = (&state.aside, &state.masks);
    if request.claim && !aside.has_room() {
        return Ok(None);
    }
    let keep = keep.saturating_add(aside.unavailable());
    let available = u64::from(masks.free.saturating_sub(keep));
    let want = request.want.min(available);
    if want == 0 || (request.exact && want < request.want) {
        return Ok(None);
    }
    let chunks = Chunks::new(tx.volume().align());
    let mut search = Search {
        bits,
        group,
        chunks,
        want,
        room: request.room.clamp(want, CHUNK_BLOCKS),
        exact: request.exact,
    };
    let own = request.reservation.filter(|own| own.group == group);
    let mut taken = if pass == Pass::Any {
        0
    } else {
        state.reserved()
    };
    if let Some(own) = own {
        taken &= !bit(own.chunk);
    }

    let mut whole = masks.whole() & !taken;
    if pass == Pass::Spare && whole.count_ones() <= SPARE {
        whole = 0;
    }
    if let Some((run, chunk)) = search.continuing(tx, request, pass, (whole, taken))? {
        // A large file that has come to its next chunk has that one for itself.
        let next = pass.is_for_large().then_some(Reservation { group, chunk });
        return Ok(Some((run, next.or(own))));
    }
    if let (Some(place), Some(own)) = (request.place, own) {
        if let Some(run) = search.at(tx, own.chunk, place)? {
            return Ok(Some((run, Some(own))));
        }
    }
    if pass == Pass::Broken || request.reach == Reach::Near {
        let run = match search.tightest(masks, !whole & !taken) {
            Some((chunk, len)) => search.find(tx, chunk, len)?,
            None => None,
        };
        // Writers in different groups stay apart while theirs have room.
        let breaks = group == request.group && whole.count_ones() > PLENTY;
        if run.is_some() || (pass == Pass::Broken && !breaks) {
            return Ok(run.map(|run| (run, own)));
        }
    }
    if let Some(chunk) = first_of(whole) {
        let place = request.place.unwrap_or(0);
        if let Some(run) = search.at(tx, chunk, place)? {
            let new = request.place.map(|_| Reservation { group, chunk });
            return Ok(Some((run, new.or(own))));
        }
    }
    if pass.is_for_large() {
        return Ok(None);
    }
    let mut left = !taken;
    while let Some((chunk, len)) = search.longest(masks, left) {
        if let Some(run) = search.find(tx, chunk, len)? {
            return Ok(Some((run, own)));
        }
        left &= !bit(chunk);
    }
    Ok(None)
}

/// Whether all blocks of a chunk from a block on are free, of which the one before is in use; not where the
/// block is a chunk's first.
pub(crate) fn rest_is_free<P: Platform>(tx: &mut Transaction<'_, P>, block: u64) -> Result<bool> {
    let group = group_of(block);
    tx.group(group)?;
    let chunks = Chunks::new(tx.volume().align());
    let (chunk, place) = chunks.locate(block - group_start(group));
    let mut bits = ChunkBits::new();
    chunk_bits(tx, group, chunks, chunk, &mut bits)?;
    Ok(place != 0 && bits.free_from(place) == CHUNK_BLOCKS - place)
}

/// The first group from `group` on that has free blocks, as far as is known without locks.
pub(crate) fn group_with_room<P: Platform>(volume: &Volume<P>, group: u32) -> u32 {
    let groups = volume.groups();
    let mut all = (group..groups).chain(0..group.min(groups));
    all.find(|&group| Hint::of(volume, group).free > GROUP_RESERVE)
        .unwrap_or(group)
}

/// What a group had free when somebody last held it: no more than a reason to look elsewhere.
struct Hint {
    free: u32,
    whole: u32,
}

impl Hint {
    fn of<P: Platform>(volume: &Volume<P>, group: u32) -> Self {
        let word = volume.platform().hint(group).load(Relaxed);
        Self {
            free: word as u32,
            whole: (word >> 32) as u32,
        }
    }
}

const fn bit(chunk: u32) -> u64 {
    1 << (chunk % GROUP_CHUNKS)
}

/// The first chunk of a mask.
fn first_of(chunks: u64) -> Option<u32> {
    (chunks != 0).then_some(chunks.trailing_zeros())
}

/// A search in one group.
struct Search<'b> {
    /// Those of the chunk that was looked at last.
    bits: &'b mut ChunkBits,
    group: u32,
    chunks: Chunks,
    want: u64,
    room: u64,
    exact: bool,
}

impl Search<'_> {
    /// The blocks that continue the file, unless it is large and would not be aligned there, or small and
    /// would break a chunk.
    fn continuing<P: Platform>(
        &mut self,
        tx: &Transaction<'_, P>,
        request: &Request,
        pass: Pass,
        (whole, taken): (u64, u64),
    ) -> Result<Option<(Run, u32)>> {
        let Some(block) = request.after.filter(|&block| group_of(block) == self.group) else {
            return Ok(None);
        };
        let (chunk, place) = self.chunks.locate(block - group_start(self.group));
        let is_whole = whole & bit(chunk) != 0;
        let unfit = match pass {
            Pass::Broken => is_whole,
            // Where a huge page begins, all of it has to be free.
            _ if place == 0 && pass.is_for_large() => !is_whole,
            _ if request.reach == Reach::Broken => is_whole,
            _ => request.place.is_some_and(|wanted| wanted != place),
        };
        if taken & bit(chunk) != 0 || unfit {
            return Ok(None);
        }
        Ok(self.at(tx, chunk, place)?.map(|run| (run, chunk)))
    }

    /// The blocks from a place of a chunk on.
    #[inline(never)]
    fn at<P: Platform>(
        &mut self,
        tx: &Transaction<'_, P>,
        chunk: u32,
        place: u64,
    ) -> Result<Option<Run>> {
        chunk_bits(tx, self.group, self.chunks, chunk, self.bits)?;
        Ok(self.run(chunk, place, self.bits.free_from(place)))
    }

    /// One of those chunks of a mask that have a run that is long enough, or nearly so, and whose longest runs are
    /// not much longer: so long ones stay. What it costs does not depend on how the chunks are. The second value is how
    /// long a run has to be.
    #[inline(never)]
    fn tightest(&self, masks: &Masks, chunks: u64) -> Option<(u32, u64)> {
        let enough = class_for(self.room);
        for class in enough..CLASSES {
            let longer = masks.with(class + 1);
            if let Some(chunk) = first_of(masks.with(class) & !longer & chunks) {
                return Some((chunk, self.want));
            }
        }
        let least = class_for(self.want);
        let least = if self.exact {
            least
        } else {
            least.saturating_sub(NEARLY)
        };
        for class in (least..enough).rev() {
            if let Some(chunk) = first_of(masks.with(class) & chunks) {
                return Some((chunk, self.want.min(1 << class)));
            }
        }
        None
    }

    /// One of the chunks of a mask that have a run that is long enough, or else the longest. The second value is how
    /// long a run has to be.
    #[inline(never)]
    fn longest(&self, masks: &Masks, chunks: u64) -> Option<(u32, u64)> {
        let enough = class_for(self.want);
        // For a run of just so many blocks, those of the class below may do.
        let least = if self.exact {
            enough.saturating_sub(1)
        } else {
            0
        };
        for class in (least..=enough).rev() {
            if let Some(chunk) = first_of(masks.with(class) & chunks) {
                let len = if self.exact {
                    self.want
                } else {
                    self.want.min(1 << class)
                };
                return Some((chunk, len));
            }
        }
        None
    }

    /// As many blocks as are wanted from where at least `len` are free.
    #[inline(never)]
    fn find<P: Platform>(
        &mut self,
        tx: &Transaction<'_, P>,
        chunk: u32,
        len: u64,
    ) -> Result<Option<Run>> {
        chunk_bits(tx, self.group, self.chunks, chunk, self.bits)?;
        let place = self.bits.find(self.chunks, chunk, len);
        Ok(place.and_then(|place| self.run(chunk, place, self.bits.free_from(place))))
    }

    fn run(&self, chunk: u32, place: u64, free: u64) -> Option<Run> {
        let count = free.min(self.want).min(self.chunks.adjacent(chunk, place));
        if count == 0 || (self.exact && count < self.want) {
            return None;
        }
        Some(Run {
            block: group_start(self.group) + self.chunks.block(chunk, place),
            count,
        })
    }
}

impl<P: Platform> Volume<P> {
    /// Gives a chunk back that a file had for itself, as when the file is closed.
    pub(crate) fn release(&self, reservation: Reservation) {
        if reservation.group < self.groups() {
            self.platform()
                .lock_group(reservation.group, 0)
                .release(reservation.chunk);
        }
    }
}

/// Pages take runs of a quarter of what is wanted, rather than break a chunk.
const NEARLY: usize = 2;

const _: () = assert!(GROUP_CHUNKS == u64::BITS && CHUNK_BLOCKS == 512);
