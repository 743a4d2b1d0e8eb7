// SPDX-License-Identifier: GPL-2.0

//! Leaves of extents: how one changes in place, and how one becomes two.

use core::ops::Range;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, IntoBytes};

use super::edit::{Edit, Shift};
use super::find::{extent_at, place_offset};
use super::Cursor;
use crate::format::{
    block_offset, Child, Extent, ExtentRecord, BLOCK_BYTES, EXTENT_ORDER, EXTENT_ORDER_BYTES,
    EXTENT_PLACES, MAX_EXTENTS, NODE_HEADER,
};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::{self, put_header, Nodes, Path, Tree};
use crate::{Error, Result};

/// A leaf's order, and which places are taken.
struct Order {
    bytes: [u8; EXTENT_ORDER_BYTES],
    taken: [u64; EXTENT_ORDER_BYTES / 64],
}

impl Order {
    const fn new() -> Self {
        Self {
            bytes: [0; EXTENT_ORDER_BYTES],
            taken: [0; EXTENT_ORDER_BYTES / 64],
        }
    }

    fn read<P: Platform>(&mut self, tx: &Transaction<'_, P>, leaf: u64, count: usize) -> Result {
        let Self { bytes, taken } = self;
        tx.read(block_offset(leaf) + EXTENT_ORDER as u64, bytes)?;
        for &place in bytes.iter().skip(1).take(count) {
            let word = taken.get_mut(usize::from(place / 64));
            *word.ok_or(Error::Corrupt)? |= 1 << (place % 64);
        }
        Ok(())
    }

    fn place(&self, position: usize) -> Result<u8> {
        self.bytes.get(position + 1).copied().ok_or(Error::Corrupt)
    }

    /// Takes a place that no extent has.
    fn take(&mut self) -> Result<u8> {
        for (first, word) in (0_u8..).step_by(64).zip(&mut self.taken) {
            if *word != u64::MAX {
                let bit = word.trailing_ones() as u8;
                *word |= 1 << bit;
                return Ok(first + bit);
            }
        }
        Err(Error::Corrupt)
    }
}

/// Changes a leaf that has room for the edit.
#[inline(never)]
pub(super) fn change<P: Platform>(
    tx: &mut Transaction<'_, P>,
    leaf: u64,
    cursor: &Cursor,
    edit: &Edit,
) -> Result {
    let mut order = Order::new();
    order.read(tx, leaf, cursor.count)?;
    let first = edit.at + 1;
    let len = edit.incoming().len();
    let mut places = [0; 4];
    for (position, (extent, chosen)) in edit.incoming().iter().zip(&mut places).enumerate() {
        if position < edit.removed {
            *chosen = order.place(edit.at + position)?;
            let offset = place_offset(leaf, *chosen)?;
            tx.set(offset, extent.pages_word())?;
            tx.set(offset + 8, extent.block_word())?;
        } else {
            *chosen = order.take()?;
            tx.fresh(place_offset(leaf, *chosen)?, record(extent).as_bytes())?;
        }
    }

    let bytes = &mut order.bytes;
    let behind = first + edit.removed..cursor.count + 1;
    if behind.start > behind.end || first + len + behind.len() > bytes.len() {
        return Err(Error::Corrupt);
    }
    bytes.copy_within(behind, first + len);
    for (to, place) in bytes.iter_mut().skip(first).zip(places.iter().take(len)) {
        *to = *place;
    }
    if let Some(count) = bytes.first_mut() {
        *count = edit.total(cursor.count) as u8;
    }
    // What is behind the longer of both means nothing.
    let used = (cursor.count.max(edit.total(cursor.count)) + 1).div_ceil(8);
    let words = <[U64]>::ref_from_bytes(&order.bytes).unwrap_or(&[]);
    let offsets = (block_offset(leaf) + EXTENT_ORDER as u64..).step_by(8);
    for (offset, word) in offsets.zip(words.iter().take(used)) {
        let old = tx.word(offset)?;
        tx.change(offset, old, word.get())?;
    }
    Ok(())
}

/// Collects the extents of a home, as the edit leaves them, in the scratch memory's first block.
#[inline(never)]
pub(super) fn gather<P: Platform>(
    tx: &Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, cursor): (&Tree, &Cursor),
    edit: &Edit,
) -> Result {
    let kept_before = 0..edit.at;
    let kept_behind = edit.at + edit.removed..cursor.count;
    let places = &mut records(&mut nodes.node).iter_mut();
    for position in kept_before {
        let extent = extent_at(tx.volume(), tree, cursor, position)?;
        *places.next().ok_or(Error::Corrupt)? = record(&extent);
    }
    for extent in edit.incoming() {
        *places.next().ok_or(Error::Corrupt)? = record(extent);
    }
    for position in kept_behind {
        let extent = extent_at(tx.volume(), tree, cursor, position)?;
        *places.next().ok_or(Error::Corrupt)? = record(&extent);
    }
    Ok(())
}

/// Collects the extents of a home, of which those from the cursor on move. Returns the page of the first one.
pub(super) fn gather_shifted<P: Platform>(
    tx: &Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, cursor): (&Tree, &Cursor),
    by: Shift,
) -> Result<u64> {
    let mut first = None;
    let mut end = 0;
    let places = &mut records(&mut nodes.node).iter_mut();
    for position in 0..cursor.count {
        let mut extent = extent_at(tx.volume(), tree, cursor, position)?;
        if position >= cursor.at {
            extent.page = by.page(extent.page)?;
        }
        // The leaf's order is judged nowhere else, and a key is made of it.
        if extent.page < end {
            return Err(Error::Corrupt);
        }
        end = extent.end();
        first = first.or(Some(extent.page));
        *places.next().ok_or(Error::Corrupt)? = record(&extent);
    }
    first.ok_or(Error::Corrupt)
}

/// Puts two leaves with the `total` gathered extents in place of one.
#[inline(never)]
pub(super) fn split<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, path): (&Tree, &Path),
    (edit, total): (&Edit, usize),
) -> Result {
    // Leaves of a file that is written from front to back stay full.
    let at_end = edit.at + edit.incoming().len() == total && path.end == u64::MAX;
    let at = if at_end { MAX_EXTENTS } else { total / 2 };
    let key = records(&mut nodes.node).get(at).ok_or(Error::Corrupt)?.page;
    let key = u64::from(key.get());
    let left = write(tx, nodes, tree, (path.low, 0..at))?;
    let right = write(tx, nodes, tree, (key, at..total))?;
    let next = Child {
        key: U64::new(key),
        block: U64::new(right),
    };
    tree::replace(tx, nodes, (tree, path), left, Some(next))
}

/// Writes a leaf with some of the gathered extents to a block of its own.
pub(super) fn write<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    tree: &Tree,
    (low, range): (u64, Range<usize>),
) -> Result<u64> {
    let block = nodes.blocks.make(tx)?;
    let count = range.len().min(MAX_EXTENTS);
    let leaf = &mut nodes.other;
    leaf.fill(0);
    put_header(tx.volume(), tree, leaf, (block, 0), low, [0, 0])?;
    let (_, rest) = leaf.split_at_mut(NODE_HEADER);
    let (order, places) = rest.split_at_mut(EXTENT_ORDER_BYTES);
    let numbers = core::iter::once(count as u8).chain(0..count as u8);
    for (byte, number) in order.iter_mut().zip(numbers) {
        *byte = number;
    }
    let places = <[ExtentRecord]>::mut_from_bytes(places).unwrap_or(&mut []);
    let gathered = records(&mut nodes.node).get(range).unwrap_or(&[]);
    for (place, record) in places.iter_mut().zip(gathered) {
        *place = *record;
    }
    tx.fresh(block_offset(block), leaf)?;
    Ok(block)
}

fn record(extent: &Extent) -> ExtentRecord {
    ExtentRecord {
        page: U32::new(extent.page as u32),
        count: U32::new(extent.count as u32),
        block: U64::new(extent.block_word()),
    }
}

fn records(node: &mut [u8; BLOCK_BYTES]) -> &mut [ExtentRecord] {
    <[ExtentRecord]>::mut_from_bytes(node.as_mut_slice()).unwrap_or(&mut [])
}

const _: () = assert!(EXTENT_PLACES == NODE_HEADER + EXTENT_ORDER_BYTES);
