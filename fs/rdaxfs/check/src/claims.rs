// SPDX-License-Identifier: GPL-2.0

//! Which blocks belong to something.

use std::collections::HashMap;

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
}

/// The blocks that something has claimed; groups of which nothing is claimed take no memory.
#[derive(Default)]
pub(crate) struct Claims {
    groups: HashMap<u32, Bits>,
}

impl Claims {
    /// Claims blocks of one group, unless one of them is claimed already.
    pub(crate) fn claim(&mut self, block: u64, count: u64, metadata: bool) -> bool {
        let group = group_of(block);
        let bits = self.groups.entry(group).or_insert_with(Bits::new);
        let first = block - group_start(group);
        let places = first..first + count;
        if places
            .clone()
            .any(|place| bits.used[(place / 64) as usize] >> (place % 64) & 1 == 1)
        {
            return false;
        }
        for place in places {
            let bit = 1 << (place % 64);
            bits.used[(place / 64) as usize] |= bit;
            if metadata {
                bits.metadata[(place / 64) as usize] |= bit;
            }
        }
        true
    }

    /// Whether a block is claimed.
    pub(crate) fn is_claimed(&self, block: u64) -> bool {
        let group = group_of(block);
        let place = block - group_start(group);
        self.groups
            .get(&group)
            .is_some_and(|bits| bits.used[(place / 64) as usize] >> (place % 64) & 1 == 1)
    }

    /// What is claimed of a group.
    pub(crate) fn group(&self, group: u32) -> Bits {
        self.groups.get(&group).cloned().unwrap_or_else(Bits::new)
    }
}
