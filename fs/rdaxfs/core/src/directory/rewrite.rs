// SPDX-License-Identifier: GPL-2.0

//! What happens when a leaf has no room.
//!
//! It is written anew, compactly, as one leaf if that leaves a quarter free, and otherwise as two, of
//! about the same number of lines. The old leaf is never changed for that: half of its lines would be
//! free then, but not next to each other, and might not hold the long name that made it split.

use zerocopy::little_endian::U64;

use super::image::{copy_leaf, entry_at, sort, Entry, Image, Order, ENTRY_LINES};
use super::leaf::Leaf;
use crate::format::{block_offset, entry_lines, Child, BLOCK_BYTES};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::tree::{NodeBlocks, Nodes, Tree};
use crate::{Error, Result};

/// A leaf with more lines in use than this is split: it would be full again soon.
const COMPACT_LINES: usize = ENTRY_LINES * 3 / 4;

/// In an [`Order`]: the entry that is added. No entry is at this line.
const NEW: u8 = 0;

/// Writes a leaf, whose lowest key is `low`, anew with one entry more. Returns the block, and what is behind it if the
/// leaf is two now: for [`replace`](crate::tree::replace).
#[inline(never)]
pub(super) fn rewrite<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (directory, low): (&Tree, u64),
    leaf: &Leaf,
    new: &Entry<'_>,
) -> Result<(u64, Option<Child>)> {
    let Nodes {
        node,
        other,
        blocks,
    } = nodes;
    let lines = copy_leaf(tx, leaf, node)?;
    let mut order = Order::new();
    sort(node, lines, leaf.keys, 0, &mut order)?;
    let entries = Entries { old: node, new };
    entries.add_new(&mut order)?;

    let order = order.as_slice();
    let (lower, upper) = order.split_at(entries.split(order)?);
    let block = entries.write(tx, blocks, directory, low, lower, other)?;
    let next = match upper.first() {
        None => None,
        Some(&first) => {
            let key = entries.get(first)?.key;
            let block = entries.write(tx, blocks, directory, key, upper, other)?;
            Some(Child {
                key: U64::new(key),
                block: U64::new(block),
            })
        }
    };
    Ok((block, next))
}

/// The old leaf's entries and the new one.
struct Entries<'e> {
    old: &'e [u8; BLOCK_BYTES],
    new: &'e Entry<'e>,
}

impl<'e> Entries<'e> {
    fn get(&self, line: u8) -> Result<Entry<'e>> {
        match line {
            NEW => Ok(*self.new),
            line => entry_at(self.old, line),
        }
    }

    /// Puts the new entry where its key belongs.
    fn add_new(&self, order: &mut Order) -> Result {
        let mut at = 0;
        for &line in order.as_slice() {
            match self.get(line)?.key {
                key if key < self.new.key => at += 1,
                key if key > self.new.key => break,
                // Its fingerprint has hidden it.
                _ => return Err(Error::Corrupt),
            }
        }
        order.push(NEW)?;
        if let Some(behind) = order.as_mut_slice().get_mut(at..) {
            behind.rotate_right(1);
        }
        Ok(())
    }

    /// How many of the entries stay together: all, or those with the first half of the lines.
    fn split(&self, order: &[u8]) -> Result<usize> {
        let mut total = 0;
        for &line in order {
            total += entry_lines(self.get(line)?.name.len());
        }
        if total <= COMPACT_LINES {
            return Ok(order.len());
        }
        let (mut at, mut first) = (0, 0);
        for &line in order {
            if first >= total / 2 {
                break;
            }
            first += entry_lines(self.get(line)?.name.len());
            at += 1;
        }
        Ok(at)
    }

    /// Writes a leaf with entries.
    #[inline(never)]
    fn write<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        blocks: &mut NodeBlocks,
        directory: &Tree,
        low: u64,
        lines: &[u8],
        bytes: &mut [u8; BLOCK_BYTES],
    ) -> Result<u64> {
        let mut image = Image::new(bytes);
        for &line in lines {
            image.push(self.get(line)?)?;
        }
        write_leaf(tx, blocks, directory, low, image)
    }
}

/// Writes a leaf to a block of its own, which is returned.
pub(super) fn write_leaf<P: Platform>(
    tx: &mut Transaction<'_, P>,
    blocks: &mut NodeBlocks,
    directory: &Tree,
    low: u64,
    image: Image<'_>,
) -> Result<u64> {
    let block = blocks.make(tx)?;
    let bytes = image.finish(tx.volume(), directory, block, low)?;
    tx.fresh(block_offset(block), bytes)?;
    Ok(block)
}
