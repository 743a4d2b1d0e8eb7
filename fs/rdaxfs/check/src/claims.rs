// SPDX-License-Identifier: GPL-2.0

//! Which blocks belong to something.

use rdaxfs_core::format::{group_of, group_start, GROUP_BLOCKS};

/// The words of a group's bitmap.
pub(crate) const BITMAP_WORDS: usize = (GROUP_BLOCKS / 64) as usize;

/// A group's bitmaps as they have to be.
#[derive(Clone)]
pub(crate) struct Bits {
    /// Blocks in use.
    pub(crate) used: Vec<u64>,
    /// Those of them that hold metadata.
    pub(crate) metadata: Vec<u64>,
}

impl Bits {
    fn new() -> Self {
        Self {
            used: vec![0; BITMAP_WORDS],
            metadata: vec![0; BITMAP_WORDS],
        }
    }

    fn has(&self, place: u64) -> bool {
        self.used[(place / 64) as usize] >> (place % 64) & 1 == 1
    }

    fn set(&mut self, place: u64, metadata: bool) {
        let (word, bit) = ((place / 64) as usize, 1 << (place % 64));
        self.used[word] |= bit;
        if metadata {
            self.metadata[word] |= bit;
        }
    }
}

/// Adjacent blocks of a group that are claimed for the same purpose.
#[derive(Clone, Copy)]
struct Run {
    first: u16,
    last: u16,
    metadata: bool,
}

/// More runs than this take more memory than bitmaps.
const MAX_RUNS: usize = 1024;

/// What is claimed of a group.
enum Claimed {
    /// Runs, from the lowest block up, which neither overlap nor could be one run.
    Runs(Vec<Run>),
    Bits(Box<Bits>),
}

impl Claimed {
    /// Claims blocks, unless one of them is claimed already.
    fn claim(&mut self, first: u16, last: u16, metadata: bool) -> bool {
        match self {
            Self::Runs(runs) => {
                let at = runs.partition_point(|run| run.last < first);
                if runs.get(at).is_some_and(|run| run.first <= last) {
                    return false;
                }
                insert(
                    runs,
                    at,
                    Run {
                        first,
                        last,
                        metadata,
                    },
                );
                if runs.len() > MAX_RUNS {
                    *self = Self::Bits(Box::new(self.bits()));
                }
                true
            }
            Self::Bits(bits) => {
                let mut places = u64::from(first)..=u64::from(last);
                if places.clone().any(|place| bits.has(place)) {
                    return false;
                }
                places.all(|place| {
                    bits.set(place, metadata);
                    true
                })
            }
        }
    }

    fn has(&self, place: u16) -> bool {
        match self {
            Self::Runs(runs) => {
                let at = runs.partition_point(|run| run.last < place);
                runs.get(at).is_some_and(|run| run.first <= place)
            }
            Self::Bits(bits) => bits.has(place.into()),
        }
    }

    fn bits(&self) -> Bits {
        match self {
            Self::Runs(runs) => {
                let mut bits = Bits::new();
                for run in runs {
                    for place in run.first..=run.last {
                        bits.set(place.into(), run.metadata);
                    }
                }
                bits
            }
            Self::Bits(bits) => Bits::clone(bits),
        }
    }
}

/// Inserts a run before the one at `at`, or makes its neighbours longer.
fn insert(runs: &mut Vec<Run>, at: usize, run: Run) {
    let joins_before = at
        .checked_sub(1)
        .and_then(|before| runs.get(before))
        .is_some_and(|before| before.metadata == run.metadata && before.last + 1 == run.first);
    let joins_behind = runs
        .get(at)
        .is_some_and(|behind| behind.metadata == run.metadata && run.last + 1 == behind.first);
    match (joins_before, joins_behind) {
        (true, true) => {
            runs[at - 1].last = runs[at].last;
            runs.remove(at);
        }
        (true, false) => runs[at - 1].last = run.last,
        (false, true) => runs[at].first = run.first,
        (false, false) => runs.insert(at, run),
    }
}

/// The blocks that something has claimed. A group takes memory by what is claimed of it, up to that of its
/// bitmaps.
#[derive(Default)]
pub(crate) struct Claims {
    /// By the number of the group; it ends with the last one that has something.
    groups: Vec<Option<Claimed>>,
}

impl Claims {
    /// Claims blocks of one group, unless one of them is claimed already.
    pub(crate) fn claim(&mut self, block: u64, count: u64, metadata: bool) -> bool {
        let group = group_of(block);
        let (first, last) = (place_of(block), place_of(block + count - 1));
        let group = group as usize;
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, || None);
        }
        let claimed =
            self.groups[group].get_or_insert_with(|| Claimed::Runs(Vec::with_capacity(1)));
        claimed.claim(first, last, metadata)
    }

    /// Whether a block is claimed.
    pub(crate) fn is_claimed(&self, block: u64) -> bool {
        self.of(group_of(block))
            .is_some_and(|claimed| claimed.has(place_of(block)))
    }

    /// What is claimed of a group.
    pub(crate) fn group(&self, group: u32) -> Bits {
        self.of(group).map_or_else(Bits::new, Claimed::bits)
    }

    fn of(&self, group: u32) -> Option<&Claimed> {
        self.groups.get(group as usize)?.as_ref()
    }
}

/// The place of a block in its group.
fn place_of(block: u64) -> u16 {
    // A group's blocks are as many as this holds.
    const { assert!(GROUP_BLOCKS <= 1 << 15) };
    (block - group_start(group_of(block))) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs and bitmaps give the same answers.
    #[test]
    fn runs_are_what_bitmaps_are() {
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for claims in [50, 20_000] {
            let (mut runs, mut bits) = (
                Claimed::Runs(Vec::new()),
                Claimed::Bits(Box::new(Bits::new())),
            );
            for _ in 0..claims {
                let first = random(GROUP_BLOCKS - 8) as u16;
                let last = first + random(8) as u16;
                let metadata = random(2) == 0;
                assert_eq!(
                    runs.claim(first, last, metadata),
                    bits.claim(first, last, metadata)
                );
                assert_eq!(runs.has(first + 1), bits.has(first + 1));
            }
            let (runs, bits) = (runs.bits(), bits.bits());
            assert!(runs.used == bits.used && runs.metadata == bits.metadata);
        }
    }
}
