// SPDX-License-Identifier: GPL-2.0

//! Where blocks are taken from.

use core::sync::atomic::Ordering::Relaxed;

use super::bits::{ChunkBits, Chunks};
use super::group::{mark_used, masks_of, Masks};
use crate::format::{
    block_offset, group_of, group_start, BLOCK_SIZE, CHUNK_BLOCKS, GROUP_CHUNKS, GROUP_RESERVE,
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
    /// Only as many as wanted will do: for a structure of the file system's own, not for pages.
    pub(crate) exact: bool,
    /// The group to look into first.
    pub(crate) group: u32,
    /// The block that would continue what there is.
    pub(crate) after: Option<u64>,
    /// For a file that is or will be large: the place in a chunk that its first page has.
    pub(crate) place: Option<u64>,
    /// The file's own chunk.
    pub(crate) reservation: Option<Reservation>,
    /// The blocks will hold metadata.
    pub(crate) metadata: bool,
    /// The last blocks of a group may be taken.
    pub(crate) reserve: bool,
}

/// What may be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// For a large file: what continues it, and chunks that are free as a whole.
    Chunks,
    /// What nobody has reserved.
    Unreserved,
    /// Anything.
    Any,
}

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
    let passes = [Pass::Chunks, Pass::Unreserved, Pass::Any];
    for pass in passes
        .into_iter()
        .skip(usize::from(request.place.is_none()))
    {
        let mut busy = false;
        for turn in 0..groups {
            let group = (u64::from(first) + u64::from(turn)) % u64::from(groups.max(1));
            match allocate_in(tx, group as u32, request, pass) {
                Ok(Some((run, own))) => {
                    if request.exact {
                        mend(tx, &run)?;
                    }
                    return Ok((run, own));
                }
                Ok(None) => {}
                Err(Error::Busy) => busy = true,
                Err(error) => return Err(error),
            }
        }
        if busy && pass != Pass::Chunks {
            // What others hold may have blocks: the transaction starts again and waits for it.
            return Err(Error::Busy);
        }
    }
    Err(Error::NoSpace)
}

/// Clears poison from blocks for a structure: what is written there does not fill them, and is read
/// before it is changed. Those for pages are zeroed as a whole.
fn mend<P: Platform>(tx: &mut Transaction<'_, P>, run: &Run) -> Result {
    for block in run.block..run.block.saturating_add(run.count) {
        let offset = block_offset(block);
        if tx.volume().check_poison(offset, BLOCK_SIZE).is_err() {
            tx.bulk_zero(offset, BLOCK_SIZE)?;
        }
    }
    Ok(())
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
        if hint.free <= keep || (pass == Pass::Chunks && hint.whole == 0 && own.is_none()) {
            return Ok(None);
        }
    }
    let masks = masks_of(tx, group)?;
    let Some((run, reservation)) = choose(tx, group, request, (masks, keep, pass))? else {
        if !held_before {
            tx.leave(group);
        }
        return Ok(None);
    };
    mark_used(tx, run.block, run.count, request.metadata)?;
    if let Some(new) = reservation.filter(|_| reservation != request.reservation) {
        tx.group(group)?.reserve(new.chunk);
    }
    Ok(Some((run, reservation.or(request.reservation))))
}

fn choose<P: Platform>(
    tx: &mut Transaction<'_, P>,
    group: u32,
    request: &Request,
    (masks, keep, pass): (Masks, u32, Pass),
) -> Result<Option<(Run, Option<Reservation>)>> {
    let available = u64::from(masks.free.saturating_sub(keep));
    let want = request.want.min(available);
    if want == 0 || (request.exact && want < request.want) {
        return Ok(None);
    }
    let chunks = Chunks::new(tx.volume().align());
    let search = Search {
        group,
        chunks,
        want,
        exact: request.exact,
    };
    let own = request.reservation.filter(|own| own.group == group);
    let mut taken = if pass == Pass::Any {
        0
    } else {
        tx.group(group)?.reserved()
    };
    if let Some(own) = own {
        taken &= !bit(own.chunk);
    }

    if let Some((run, chunk)) = search.continuing(tx, request, taken)? {
        // A large file that has come to its next chunk has that one for itself.
        let next = request.place.map(|_| Reservation { group, chunk });
        return Ok(Some((run, next.or(own))));
    }
    if let Some(place) = request.place {
        if let Some(own) = own {
            if let Some(run) = search.at(tx, own.chunk, place)? {
                return Ok(Some((run, Some(own))));
            }
        }
        let whole = masks.whole & !taken;
        if whole != 0 {
            let chunk = whole.trailing_zeros();
            if let Some(run) = search.at(tx, chunk, place)? {
                return Ok(Some((run, Some(Reservation { group, chunk }))));
            }
        }
    }
    if pass == Pass::Chunks {
        return Ok(None);
    }
    let broken = !masks.whole & !masks.full & !taken;
    if let Some(run) = search.in_any(tx, broken)? {
        return Ok(Some((run, own)));
    }
    Ok(search
        .in_any(tx, masks.whole & !taken)?
        .map(|run| (run, own)))
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

/// A search in one group.
struct Search {
    group: u32,
    chunks: Chunks,
    want: u64,
    exact: bool,
}

impl Search {
    /// The blocks that continue the file, unless a large file would not be aligned there.
    fn continuing<P: Platform>(
        &self,
        tx: &Transaction<'_, P>,
        request: &Request,
        taken: u64,
    ) -> Result<Option<(Run, u32)>> {
        let Some(block) = request.after.filter(|&block| group_of(block) == self.group) else {
            return Ok(None);
        };
        let (chunk, place) = self.chunks.locate(block - group_start(self.group));
        if taken & bit(chunk) != 0 || request.place.is_some_and(|wanted| wanted != place) {
            return Ok(None);
        }
        Ok(self.at(tx, chunk, place)?.map(|run| (run, chunk)))
    }

    /// The blocks from a place of a chunk on.
    fn at<P: Platform>(
        &self,
        tx: &Transaction<'_, P>,
        chunk: u32,
        place: u64,
    ) -> Result<Option<Run>> {
        let bits = ChunkBits::read(tx, self.group, self.chunks, chunk)?;
        Ok(self.run(chunk, place, bits.free_from(place)))
    }

    /// The first run that is long enough, or else the longest, of the chunks of a mask.
    fn in_any<P: Platform>(&self, tx: &Transaction<'_, P>, chunks: u64) -> Result<Option<Run>> {
        let mut best: Option<Run> = None;
        let mut left = chunks;
        while left != 0 {
            let chunk = left.trailing_zeros();
            left &= left - 1;
            let bits = ChunkBits::read(tx, self.group, self.chunks, chunk)?;
            let mut place = 0;
            while let Some(start) = bits.next_free(place) {
                let free = bits.free_from(start);
                if let Some(run) = self.run(chunk, start, free) {
                    if run.count >= self.want {
                        return Ok(Some(run));
                    }
                    if best.is_none_or(|best| best.count < run.count) {
                        best = Some(run);
                    }
                }
                place = start + free;
            }
        }
        Ok(best)
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
                .lock_group(reservation.group)
                .release(reservation.chunk);
        }
    }
}

const _: () = assert!(GROUP_CHUNKS == u64::BITS && CHUNK_BLOCKS == 512);
