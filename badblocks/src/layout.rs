// SPDX-License-Identifier: GPL-2.0

//! Where each level of a map lies in its words.

/// Bits of a sector number that one level resolves.
pub(crate) const LEVEL_BITS: u32 = 6;

/// Levels of the largest map; 64 to the power of `LEVELS` is [`MAX_SECTORS`].
pub(crate) const LEVELS: usize = 9;

/// The most sectors that a map can have: 2^54, 8 EiB, what a signed 64-bit byte offset reaches.
pub const MAX_SECTORS: u64 = 1 << (LEVEL_BITS * LEVELS as u32);

/// Where one level lies.
#[derive(Clone, Copy, Default)]
pub(crate) struct Level {
    /// First word of the *any* level; for level 0, of the sectors themselves.
    pub(crate) any: usize,
    /// First word of the *full* level; for level 0, of the sectors themselves.
    pub(crate) full: usize,
}

/// Where all levels lie.
///
/// # Invariants
///
/// `2 <= depth <= LEVELS`: the first summary always exists. The highest level is one word.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) levels: [Level; LEVELS],
    pub(crate) depth: usize,
    pub(crate) words: usize,
}

impl Layout {
    /// The layout for `sectors`, or `None` if it is 0, above [`MAX_SECTORS`], or more words than
    /// this machine can address.
    pub(crate) fn new(sectors: u64) -> Option<Self> {
        if sectors == 0 || sectors > MAX_SECTORS {
            return None;
        }
        let mut levels = [Level::default(); LEVELS];
        let mut len = usize::try_from(sectors.div_ceil(64)).ok()?;
        let mut words = len;
        let mut depth = 1;
        for level in levels.iter_mut().skip(1) {
            len = len.div_ceil(64);
            level.any = words;
            level.full = words.checked_add(len)?;
            words = level.full.checked_add(len)?;
            depth += 1;
            if len == 1 {
                break;
            }
        }
        Some(Self {
            levels,
            depth,
            words,
        })
    }
}

/// How many [`AtomicU64`](crate::AtomicU64) the map of a device of `sectors` sectors takes.
///
/// 1/4096 of the device, 1/63 of that twice for the summaries, and a few words. `None` if
/// `sectors` is 0 or more than [`MAX_SECTORS`], or if this machine cannot address that many words.
pub fn words_needed(sectors: u64) -> Option<usize> {
    Some(Layout::new(sectors)?.words)
}
