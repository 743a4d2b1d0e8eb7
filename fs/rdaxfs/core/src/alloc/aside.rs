// SPDX-License-Identifier: GPL-2.0

//! Blocks of a group that no allocation takes, whatever the bitmap says: in DRAM alone.

use super::bits::{ChunkBits, Chunks};
use crate::format::CHUNK_BLOCKS;

/// The most claims of a group at a time. A claim is held while a caller copies, so this is about
/// the number of writers in one group.
const MAX_CLAIMS: usize = 24;
/// The most bad blocks that are set aside one by one.
const MAX_BAD: usize = 8;

/// A run that a claim has. All block numbers here count from the group's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) first: u16,
    /// Not 0.
    pub(super) count: u16,
    /// The blocks belong to the file already; they must not be another's when they are freed.
    pub(super) held: bool,
    /// The transaction that holds the group makes the blocks the file's, or gives them up.
    settling: bool,
}

const NO_CLAIM: Claimed = Claimed {
    first: 0,
    count: 0,
    held: false,
    settling: false,
};

impl Claimed {
    pub(super) const fn new(first: u64, count: u64, held: bool) -> Self {
        Self {
            first: first as u16,
            count: count as u16,
            held,
            settling: false,
        }
    }
}

/// The blocks set aside.
#[derive(Debug)]
pub(super) struct Aside {
    /// Claims; those from `claim_count` on mean nothing.
    claims: [Claimed; MAX_CLAIMS],
    claim_count: u8,
    /// Bad blocks; those from `bad_count` on mean nothing.
    bad: [u16; MAX_BAD],
    bad_count: u8,
    /// Chunks with more bad blocks than there is room for.
    avoided: u64,
}

impl Aside {
    pub(super) const fn new() -> Self {
        Self {
            claims: [NO_CLAIM; MAX_CLAIMS],
            claim_count: 0,
            bad: [0; MAX_BAD],
            bad_count: 0,
            avoided: 0,
        }
    }

    /// Adds a claim. Returns whether there was room.
    pub(super) fn claim(&mut self, claim: Claimed) -> bool {
        match self.claims.get_mut(usize::from(self.claim_count)) {
            Some(place) if claim.count > 0 => {
                *place = claim;
                self.claim_count += 1;
                true
            }
            _ => false,
        }
    }

    fn claims(&self) -> &[Claimed] {
        self.claims
            .get(..usize::from(self.claim_count))
            .unwrap_or(&[])
    }

    fn claims_mut(&mut self) -> &mut [Claimed] {
        self.claims
            .get_mut(..usize::from(self.claim_count))
            .unwrap_or(&mut [])
    }

    /// Removes the claim at a place: the last one takes that.
    fn remove(&mut self, at: usize) {
        let claims = self.claims_mut();
        let Some(&last) = claims.last() else {
            return;
        };
        if let Some(place) = claims.get_mut(at) {
            *place = last;
            self.claim_count -= 1;
        }
    }

    /// Whether another claim has room.
    pub(super) fn has_room(&self) -> bool {
        usize::from(self.claim_count) < MAX_CLAIMS
    }

    /// Removes a claim. Returns whether there was one.
    pub(super) fn release(&mut self, claim: Claimed) -> bool {
        let at = self.claims().iter().position(|place| *place == claim);
        if let Some(at) = at {
            self.remove(at);
        }
        at.is_some()
    }

    /// The transaction that holds the group makes a claim's blocks the file's. Returns whether
    /// there is such a claim.
    pub(super) fn settle(&mut self, claim: Claimed) -> bool {
        let mut claims = self.claims_mut().iter_mut();
        let place = claims.find(|place| **place == claim);
        place.is_some_and(|place| {
            place.settling = true;
            true
        })
    }

    /// That transaction has been committed, or not. Returns how many blocks that were free on the medium are not set
    /// aside any more.
    pub(super) fn settled(&mut self, committed: bool) -> u32 {
        if !committed {
            for claim in self.claims_mut() {
                claim.settling = false;
            }
            return 0;
        }
        let mut settled = 0;
        while let Some(at) = self.claims().iter().position(|claim| claim.settling) {
            let claim = self.claims().get(at).filter(|claim| !claim.held);
            settled += claim.map_or(0, |claim| u32::from(claim.count));
            self.remove(at);
        }
        settled
    }

    /// Whether a claim has a block.
    pub(super) fn is_claimed(&self, block: u64) -> bool {
        let mut claims = self.claims().iter();
        claims.any(|claim| {
            let first = u64::from(claim.first);
            (first..first + u64::from(claim.count)).contains(&block)
        })
    }

    /// Sets a bad block aside, or its chunk when there is no room. Returns whether it is one block more.
    pub(super) fn set_bad(&mut self, chunks: Chunks, block: u64) -> bool {
        let known = self.bad_blocks().any(|bad| bad == block);
        let place = self.bad.get_mut(usize::from(self.bad_count));
        match place {
            _ if known => false,
            Some(place) => {
                *place = block as u16;
                self.bad_count += 1;
                true
            }
            None => {
                let (chunk, _) = chunks.locate(block);
                self.avoided |= 1_u64.checked_shl(chunk).unwrap_or(0);
                false
            }
        }
    }

    /// A bad block that is to be repaired. When there is none any more, the chunks that are set aside as a whole
    /// are let go: what is bad in them is met again, one by one.
    pub(super) fn next_bad(&mut self) -> Option<u64> {
        let next = self.bad_blocks().next();
        if next.is_none() {
            self.avoided = 0;
        }
        next
    }

    /// A block is not bad any more, or not free. Returns whether it was set aside.
    pub(super) fn remove_bad(&mut self, block: u64) -> bool {
        let at = self.bad_blocks().position(|bad| bad == block);
        let last = usize::from(self.bad_count).checked_sub(1);
        if let (Some(at), Some(last)) = (at, last) {
            self.bad.swap(at, last);
            self.bad_count = last as u8;
        }
        at.is_some()
    }

    /// The bad blocks that are set aside one by one.
    pub(super) fn bad_blocks(&self) -> impl Iterator<Item = u64> + '_ {
        let bad = self.bad.iter().take(usize::from(self.bad_count));
        bad.map(|&block| u64::from(block))
    }

    /// How many blocks that the bitmap calls free may not be taken, as far as they are counted.
    pub(super) fn unavailable(&self) -> u32 {
        let claimed = self.claims().iter().filter(|claim| !claim.held);
        let claimed = claimed.filter(|claim| !claim.settling);
        let claimed: u32 = claimed.map(|claim| u32::from(claim.count)).sum();
        claimed + u32::from(self.bad_count)
    }

    /// Marks the places of a chunk that are set aside as in use.
    pub(super) fn occupy(&self, chunks: Chunks, chunk: u32, bits: &mut ChunkBits) {
        if self.claim_count > 0 || self.bad_count > 0 || self.avoided != 0 {
            self.occupy_any(chunks, chunk, bits);
        }
    }

    #[inline(never)]
    fn occupy_any(&self, chunks: Chunks, chunk: u32, bits: &mut ChunkBits) {
        if self.avoided >> (chunk % u64::BITS) & 1 == 1 {
            bits.occupy(0..CHUNK_BLOCKS);
            return;
        }
        let claimed = self.claims().iter().filter(|claim| !claim.settling);
        let claimed = claimed.map(|claim| (u64::from(claim.first), u64::from(claim.count)));
        for (first, count) in claimed.chain(self.bad_blocks().map(|block| (block, 1))) {
            let mut at = first;
            while at < first + count {
                let (in_chunk, place) = chunks.locate(at);
                let here = chunks.adjacent(in_chunk, place).min(first + count - at);
                if in_chunk == chunk {
                    bits.occupy(place..place + here);
                }
                at += here;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_come_and_go() {
        let mut aside = Aside::new();
        let claim = Claimed::new(7, 3, false);
        assert!(aside.claim(claim));
        assert_eq!(aside.unavailable(), 3);
        assert!(aside.is_claimed(7) && aside.is_claimed(9));
        assert!(!aside.is_claimed(6) && !aside.is_claimed(10));
        // A transaction that fails leaves the claim.
        assert!(aside.settle(claim));
        assert_eq!(aside.unavailable(), 0);
        aside.settled(false);
        assert_eq!(aside.unavailable(), 3);
        assert!(aside.settle(claim));
        aside.settled(true);
        assert_eq!(aside.unavailable(), 0);
        assert!(!aside.settle(claim), "it is no claim any more");
        for at in 0..MAX_CLAIMS as u64 {
            assert!(aside.claim(Claimed::new(at, 1, true)));
        }
        assert!(!aside.has_room());
        assert!(!aside.claim(claim));
        assert_eq!(aside.unavailable(), 0, "what the file has is not free");
        aside.release(Claimed::new(0, 1, true));
        assert!(aside.claim(claim));
    }

    #[test]
    fn bad_blocks_without_room_take_their_chunk() {
        let mut aside = Aside::new();
        let chunks = Chunks::new(100);
        for block in 0..MAX_BAD as u64 {
            aside.set_bad(chunks, 200 + 2 * block);
            aside.set_bad(chunks, 200 + 2 * block);
        }
        assert_eq!(aside.avoided, 0);
        assert_eq!(aside.unavailable(), MAX_BAD as u32);
        aside.set_bad(chunks, 100 + CHUNK_BLOCKS);
        assert_eq!(aside.avoided, 1 << 1);
        for left in (0..MAX_BAD as u32).rev() {
            let bad = aside.next_bad().unwrap();
            aside.remove_bad(bad);
            aside.remove_bad(bad);
            assert_eq!((aside.unavailable(), aside.avoided), (left, 1 << 1));
        }
        assert_eq!((aside.next_bad(), aside.avoided), (None, 0));
    }
}
