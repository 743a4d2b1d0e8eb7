// SPDX-License-Identifier: GPL-2.0

//! The way from a root to a leaf.

use core::mem::offset_of;

use zerocopy_derive::FromZeros;

use super::{read_words, Place, Tree};
use crate::format::{block_offset, Child, Inode, MAX_DEPTH, NODE_HEADER};
use crate::inode::inode_word;
use crate::platform::{Platform, CACHE_LINE};
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// The children in one line, which is what a probe reads.
const LINE_CHILDREN: usize = CACHE_LINE / size_of::<Child>();

/// An inner node on the way.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
pub(super) struct Step {
    /// The lowest key that belongs to the node.
    pub(super) low: u64,
    /// Blocks are numbered below 2³².
    block: u32,
    count: u16,
    index: u16,
}

impl Step {
    /// The node's block.
    pub(super) fn block(&self) -> u64 {
        u64::from(self.block)
    }

    /// The number of children.
    pub(super) fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// The child that the way goes to.
    pub(super) fn index(&self) -> usize {
        usize::from(self.index)
    }
}

/// The way to a leaf. It holds while the map lock does, until the tree is changed. It is large: operations that change
/// something have it in their workspace.
#[derive(Debug, Default, FromZeros)]
pub(crate) struct Path {
    /// The inner nodes, by level less 1. Those above the root mean nothing.
    steps: [Step; MAX_DEPTH as usize],
    /// The root's level.
    pub(super) level: u8,
    /// The leaf's block.
    pub(crate) leaf: u64,
    /// The lowest key that belongs to the leaf.
    pub(crate) low: u64,
    /// The lowest key that belongs to the next leaf; `u64::MAX`: this is the last.
    pub(crate) end: u64,
}

impl Path {
    /// For [`descend`].
    #[inline]
    pub(crate) fn new() -> Self {
        // By stores: a constant would be copied.
        Self::default()
    }

    /// The inner node at a level, which is at least 1 and at most the root's.
    pub(super) fn step(&self, level: u8) -> Result<Step> {
        let at = usize::from(level).checked_sub(1);
        at.filter(|_| level <= self.level)
            .and_then(|at| self.steps.get(at))
            .copied()
            .ok_or(Error::Corrupt)
    }

    /// The leaf as [`read_words`] wants it.
    pub(crate) const fn place(&self) -> Place {
        Place {
            block: self.leaf,
            level: 0,
            low: self.low,
            end: self.end,
        }
    }

    /// The byte offset and the new value of the word that makes `block`, at `level`, what this way
    /// goes through at that level: the word is the inode's if the level is the root's.
    pub(super) fn pointer(&self, tree: &Tree, level: u8, block: u64) -> Result<(u64, u64)> {
        if level >= self.level {
            let root = tree.root(block, level).to_word();
            return Ok((inode_word(tree.ino, offset_of!(Inode, root)), root));
        }
        let step = self.step(level + 1)?;
        let child = child_offset(step.block(), step.index());
        Ok((child + offset_of!(Child, block) as u64, block))
    }
}

/// The byte offset of a child.
pub(super) const fn child_offset(block: u64, index: usize) -> u64 {
    block_offset(block) + (NODE_HEADER + index * size_of::<Child>()) as u64
}

/// Finds the leaf for a key, and writes the way to `path`, which is of no use when that fails. `root` and
/// `level` are what the inode says. The leaf itself has not been read.
///
/// # Errors
///
/// [`Error::Corrupt`] if a node is not what it must be, [`Error::Io`].
pub(crate) fn descend<P: Platform>(
    source: &impl Source,
    volume: &Volume<P>,
    tree: &Tree,
    (root, level): (u64, u8),
    key: u64,
    path: &mut Path,
) -> Result {
    if u32::from(level) > MAX_DEPTH {
        return Err(Error::Corrupt);
    }
    // Not as a whole: the steps that are not gone need not be cleared.
    path.level = level;
    path.leaf = root;
    path.low = 0;
    path.end = u64::MAX;
    for level in (1..=level).rev() {
        let place = Place {
            level,
            ..path.place()
        };
        let [count, _] = read_words(source, volume, tree, &place)?;
        let count = count as usize;
        let keys = (place.low, place.end.min(tree.keys()));
        let found = search(source, place.block, count, keys, key)?;
        let step = path
            .steps
            .get_mut(usize::from(level) - 1)
            .ok_or(Error::Corrupt)?;
        *step = Step {
            low: place.low,
            // It is one of the volume's, as the header has been judged.
            block: place.block as u32,
            // At most MAX_CHILDREN, for the same reason.
            count: count as u16,
            index: found.index as u16,
        };
        path.leaf = found.child.block.get();
        // The first child has all keys of the node that are below the second's.
        if found.index > 0 {
            path.low = found.child.key.get();
        }
        if let Some(next) = found.next {
            path.end = next;
        }
        // That the end is above the key is what makes walks from leaf to leaf end.
        let ordered = place.low <= path.low
            && path.low <= key
            && (key < path.end || path.end == u64::MAX)
            && path.end <= place.end;
        if !ordered {
            return Err(Error::Corrupt);
        }
    }
    volume.check_block(path.leaf)?;
    Ok(())
}

struct Found {
    index: usize,
    child: Child,
    /// The key of the child behind it, if there is one.
    next: Option<u64>,
}

/// Where a search has looked among the lines of a node's children.
struct Bounds {
    /// The line that is wanted is one of these.
    low: usize,
    high: usize,
    /// Keys that are not above and not below those in between.
    low_key: u64,
    high_key: u64,
}

impl Bounds {
    /// Where the key would be if the keys had equal distances: those of names nearly have, as hashes
    /// do. It saves most of the probes of a bisection, which comes when it has not found the line
    /// soon.
    fn guess(&self, key: u64, probes: u32) -> usize {
        let lines = self.high.saturating_sub(self.low);
        if probes > MAX_GUESSES {
            return self.low + lines / 2;
        }
        let span = self.high_key.saturating_sub(self.low_key);
        let distance = key.saturating_sub(self.low_key).min(span);
        // The product of what is left and the number of lines fits a word.
        let excess = (u64::BITS - span.leading_zeros()).saturating_sub(u64::BITS / 2);
        let share = (distance >> excess) * lines as u64 / (span >> excess).max(1);
        self.low + (share as usize).min(lines.saturating_sub(1))
    }
}

/// After so many guesses that were wrong the rest is bisected.
const MAX_GUESSES: u32 = 3;

/// The last child whose key is not above `key`, or the first child.
fn search(
    source: &impl Source,
    block: u64,
    count: usize,
    (low_key, high_key): (u64, u64),
    key: u64,
) -> Result<Found> {
    let mut bounds = Bounds {
        low: 0,
        high: count.div_ceil(LINE_CHILDREN),
        low_key,
        high_key,
    };
    let mut found = Err(Error::Corrupt);
    let mut above = None;
    let mut probes = 0;
    while bounds.low < bounds.high {
        let at = bounds.guess(key, probes);
        probes += 1;
        let line = read_line(source, block, at)?;
        let start = at * LINE_CHILDREN;
        let present = count.saturating_sub(start).min(LINE_CHILDREN);
        let children = line.get(..present).unwrap_or(&[]);
        let first = children.first().map_or(0, |child| child.key.get());
        if first > key && at > 0 {
            bounds.high = at;
            bounds.high_key = first;
            above = Some(first);
            continue;
        }
        let not_above = children
            .iter()
            .take_while(|child| child.key.get() <= key)
            .count();
        let index = not_above.saturating_sub(1);
        let child = *children.get(index).ok_or(Error::Corrupt)?;
        let next = children.get(index + 1).map(|next| next.key.get());
        found = Ok((start + index, child));
        if next.is_some() {
            above = next;
            break;
        }
        bounds.low = at + 1;
        bounds.low_key = child.key.get();
    }
    let (index, child) = found?;
    Ok(Found {
        index,
        child,
        next: above,
    })
}

fn read_line(source: &impl Source, block: u64, line: usize) -> Result<[Child; LINE_CHILDREN]> {
    source.get(child_offset(block, line * LINE_CHILDREN))
}
