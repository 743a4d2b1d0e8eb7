// SPDX-License-Identifier: GPL-2.0

//! Adding an entry.

use core::mem::offset_of;

use super::entry::Name;
use super::image::{copy_leaf, entry_at, sort, Entry, Image, Order};
use super::leaf::{line_offset, lines_of, set_lines, Leaf, Lines};
use super::lookup::Search;
use super::rewrite::{rewrite, write_leaf};
use super::{contents, inline, Contents};
use crate::format::{
    block_offset, entry_lines, entry_target, fingerprint, last_key, Inode, BLOCK_BYTES, BLOCK_SIZE,
    FINGERPRINTS, LINE, MAX_NAME,
};
use crate::inode::{inode_word, xattr_root, Changed};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::tree::{descend, replace, NodeBlocks, Nodes, Path, Tree};
use crate::workspace::Scratch;
use crate::{Error, Result};

/// What an insertion did to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The tree is as it was.
    InPlace,
    /// A leaf was replaced: the transaction can change the tree no more.
    Rewritten,
}

/// Adds an entry to a directory.
///
/// `search` has not found the name, and has come to the leaf of [`Scratch::way`]. The transaction may have removed
/// entries since, but no leaf. It adds one entry at most.
///
/// # Errors
///
/// [`Error::NoSpace`] if no block is free for it, or there are as many names with its hash as there
/// can be.
pub(crate) fn insert<P: Platform>(
    tx: &mut Transaction<'_, P>,
    scratch: &mut Scratch,
    directory: &Tree,
    (name, search): (&Name<'_>, &Search),
    (ino, kind): (u64, u8),
) -> Result<Inserted> {
    let mut entry = Entry {
        key: name.key,
        target: entry_target(ino, name.bytes.len(), kind),
        name: name.bytes,
    };
    let root = match contents(tx, directory)? {
        Contents::Tree(block, level) => (block, level),
        small => {
            let to = (directory, small, search.last);
            let Nodes { node, blocks, .. } = &mut scratch.nodes;
            let Some(image) = insert_small(tx, node, to, (name, &mut entry))? else {
                return Ok(Inserted::InPlace);
            };
            let block = write_leaf(tx, blocks, directory, 0, image)?;
            let root = directory.root(block, 0).to_word();
            tx.set(inode_word(directory.ino, offset_of!(Inode, root)), root)?;
            return Ok(Inserted::Rewritten);
        }
    };
    match search.last {
        None => {}
        Some(last) if last < last_key(name.key) => entry.key = last + 1,
        Some(_) => entry.key = free_key(tx, scratch, directory, root, name)?,
    }
    let Scratch {
        nodes,
        way: known,
        path,
        ..
    } = scratch;
    let (path, leaf) = match search.leaf {
        Some(leaf) if known.low <= entry.key && entry.key < known.end => (&*known, leaf),
        _ => {
            let leaf = leaf_of(tx, directory, root, entry.key, path)?;
            (&*path, leaf)
        }
    };
    add(tx, nodes, (directory, path, leaf), &entry)
}

/// Adds an entry to a directory whose entries are in the inode, or that has none; `last` is the largest key of a name
/// with its hash. Returns the leaf that the directory needs instead, if it does.
#[inline(never)]
fn insert_small<'n, P: Platform>(
    tx: &mut Transaction<'_, P>,
    node: &'n mut [u8; BLOCK_BYTES],
    (directory, contents, last): (&Tree, Contents, Option<u64>),
    (name, entry): (&Name<'_>, &mut Entry<'_>),
) -> Result<Option<Image<'n>>> {
    let mut entries = match contents {
        Contents::Inline(len) => inline::Entries::read(tx, directory, len)?,
        _ => inline::Entries::new(),
    };
    match last {
        None if entries.push(entry.target, name, xattr_root(tx, directory.ino)?.room()) => {
            entries.write(tx, directory)?;
            return Ok(None);
        }
        None => {}
        Some(last) => entry.key = last + 1,
    }
    let mut image = Image::new(node);
    entries.copy_to(tx.volume(), &mut image)?;
    image.push(*entry)?;
    Ok(Some(image))
}

/// The leaf for a key, when it is another than the search has seen.
#[inline(never)]
fn leaf_of<P: Platform>(
    tx: &Transaction<'_, P>,
    directory: &Tree,
    root: (u64, u8),
    key: u64,
    path: &mut Path,
) -> Result<Leaf> {
    descend(tx, tx.volume(), directory, root, key, path)?;
    Leaf::read(tx, tx.volume(), directory, path)
}

/// Adds an entry to a leaf of a tree, which has the entry's key.
fn add<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (directory, path, leaf): (&Tree, &Path, Leaf),
    entry: &Entry<'_>,
) -> Result<Inserted> {
    // What was removed in this transaction is reachable until it is committed.
    let lines = lines_of(tx, leaf.block)?;
    let taken = lines.used() | lines_of(tx.volume(), leaf.block)?.used();
    if let Some(line) = Lines::room(taken, entry_lines(entry.name.len())) {
        put(tx, (leaf.block, lines), line, entry)?;
        return Ok(Inserted::InPlace);
    }
    let leaf = Leaf { lines, ..leaf };
    // That has left the stack when the nodes above follow.
    let (block, next) = rewrite(tx, nodes, (directory, path.low), &leaf, entry)?;
    replace(tx, nodes, (directory, path), block, next)?;
    Ok(Inserted::Rewritten)
}

/// Writes an entry to free lines of a leaf.
#[inline(never)]
fn put<P: Platform>(
    tx: &mut Transaction<'_, P>,
    (block, lines): (u64, Lines),
    line: u32,
    entry: &Entry<'_>,
) -> Result {
    let offset = line_offset(block, line);
    let count = entry_lines(entry.name.len());
    // Poison is met here, not by the store.
    tx.volume().check_poison(offset, (count * LINE) as u64)?;
    if count == 1 {
        let mut bytes = [0; LINE];
        entry.write_to(&mut bytes)?;
        tx.fresh(offset, &bytes)?;
    } else {
        put_long(tx, offset, entry)?;
    }
    let prints = block_offset(block) + FINGERPRINTS as u64 + u64::from(line & !7);
    let shift = (line & 7) * 8;
    let old = tx.word(prints)?;
    let print = u64::from(fingerprint(entry.key)) << shift;
    tx.change(prints, old, old & !(0xff << shift) | print)?;
    set_lines(tx, block, lines, lines.with(line, count))
}

/// Writes an entry of more than one line: apart, because of its place on the stack.
#[inline(never)]
fn put_long<P: Platform>(tx: &mut Transaction<'_, P>, offset: u64, entry: &Entry<'_>) -> Result {
    let mut bytes = [0; entry_lines(MAX_NAME) * LINE];
    let len = entry_lines(entry.name.len()) * LINE;
    let bytes = bytes.get_mut(..len).ok_or(Error::NoSpace)?;
    entry.write_to(bytes)?;
    tx.fresh(offset, bytes)
}

/// The lowest key that no name with a hash has: the last one is taken.
#[inline(never)]
fn free_key<P: Platform>(
    tx: &Transaction<'_, P>,
    scratch: &mut Scratch,
    directory: &Tree,
    root: (u64, u8),
    name: &Name<'_>,
) -> Result<u64> {
    // A bit for each key.
    let Scratch { nodes, path, .. } = scratch;
    let (taken, copy) = (&mut nodes.node, &mut nodes.other);
    taken.fill(0);
    let mut key = name.key;
    while name.has(key) {
        let leaf = leaf_of(tx, directory, root, key, path)?;
        let lines = copy_leaf(tx, &leaf, copy)?;
        let mut order = Order::new();
        sort(copy, lines, leaf.keys, name.key, &mut order)?;
        for &line in order.as_slice() {
            let at = (entry_at(copy, line)?.key - name.key) as usize;
            if let Some(byte) = taken.get_mut(at / 8) {
                *byte |= 1 << (at % 8);
            }
        }
        if path.end <= key {
            return Err(Error::Corrupt);
        }
        key = path.end;
    }
    let byte = taken.iter().position(|&byte| byte != 0xff);
    let byte = byte.ok_or(Error::NoSpace)?;
    let bit = taken.get(byte).map_or(0, |byte| byte.trailing_ones());
    Ok(name.key + byte as u64 * 8 + u64::from(bit))
}

/// Gives back the blocks that a directory has left behind, and counts what it has, for `changed` too.
/// Comes last in a transaction.
pub(crate) fn settle<P: Platform>(
    tx: &mut Transaction<'_, P>,
    blocks: &NodeBlocks,
    directory: &Tree,
    changed: &mut Changed,
) -> Result {
    let (made, freed) = blocks.settle(tx)?;
    if made == freed {
        return Ok(());
    }
    for (field, unit, place) in [
        (offset_of!(Inode, blocks), 1, &mut changed.blocks),
        (offset_of!(Inode, size), BLOCK_SIZE, &mut changed.size),
    ] {
        let offset = inode_word(directory.ino, field);
        let before = tx.word(offset)?;
        let more = before.checked_add(made * unit);
        let now = more.and_then(|more| more.checked_sub(freed * unit));
        let now = now.ok_or(Error::Corrupt)?;
        tx.change(offset, before, now)?;
        *place = Some(now);
    }
    Ok(())
}
