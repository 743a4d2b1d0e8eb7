// SPDX-License-Identifier: GPL-2.0

//! How inner nodes follow when a leaf is split, replaced or removed.

use core::mem::offset_of;

use zerocopy::little_endian::U64;
use zerocopy::FromBytes;

use super::path::{child_offset, Step};
use super::{put_header, NodeBlocks, Nodes, Path, Tree};
use crate::format::{
    block_offset, Child, Inode, Root, BLOCK_BYTES, MAX_CHILDREN, MAX_DEPTH, NODE_HEADER,
};
use crate::inode::inode_word;
use crate::journal::Transaction;
use crate::platform::{Platform, CACHE_LINE};
use crate::source::Source;
use crate::{Error, Result};

/// Puts the leaf in `block`, and if it was split the one of `next` behind it, in place of the path's
/// leaf. The new leaves have been written, and are not set words of in this transaction; the old one is retired.
///
/// # Errors
///
/// [`Error::NoSpace`] if there is no block for an inner node, and those of [`Transaction`].
pub(crate) fn replace<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, path): (&Tree, &Path),
    block: u64,
    next: Option<Child>,
) -> Result {
    nodes.blocks.retire(path.leaf)?;
    let mut block = block;
    let mut level = 0;
    let mut next = next;
    while let Some(new) = next {
        if level == path.level {
            root_above(nodes, level, block, new)?;
            let place = (level + 1, 0, 2);
            let root = write(tx, &mut nodes.blocks, tree, &mut nodes.node, place)?;
            return set_root(tx, tree, tree.root(root, level + 1));
        }
        level += 1;
        let step = path.step(level)?;
        load(tx, &mut nodes.node, &step)?;
        let children = children_of(&mut nodes.node);
        children.get_mut(step.index()).ok_or(Error::Corrupt)?.block = U64::new(block);
        let behind = step.index() + 1;
        // Inner nodes at the right edge stay full, for files that are written from front to back.
        let split = (step.count() == MAX_CHILDREN).then_some(if behind == step.count() {
            step.count()
        } else {
            step.count() / 2
        });
        let kept;
        match split {
            None => {
                insert(children, step.count(), behind, new)?;
                kept = step.count() + 1;
                next = None;
            }
            Some(at) => {
                let moved = step.count() - at;
                let other = children_of(&mut nodes.other);
                for (to, from) in other.iter_mut().zip(children.iter().skip(at)) {
                    *to = *from;
                }
                let (left, right) = if behind < at {
                    insert(children, at, behind, new)?;
                    (at + 1, moved)
                } else {
                    insert(other, moved, behind - at, new)?;
                    (at, moved + 1)
                };
                kept = left;
                let key = other.first().ok_or(Error::Corrupt)?.key;
                let made = write(
                    tx,
                    &mut nodes.blocks,
                    tree,
                    &mut nodes.other,
                    (level, key.get(), right),
                )?;
                next = Some(Child {
                    key,
                    block: U64::new(made),
                });
            }
        }
        block = write(
            tx,
            &mut nodes.blocks,
            tree,
            &mut nodes.node,
            (level, step.low, kept),
        )?;
        nodes.blocks.retire(step.block())?;
    }
    let (offset, value) = path.pointer(tree, level, block)?;
    tx.set(offset, value)
}

/// Removes the path's leaf, which is retired. The leaf before it gets its keys, or the one behind it if it is its
/// parent's first.
///
/// # Errors
///
/// As [`replace`].
pub(crate) fn remove<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, path): (&Tree, &Path),
) -> Result {
    nodes.blocks.retire(path.leaf)?;
    for level in 1..=path.level {
        let step = path.step(level)?;
        if step.count() == 1 {
            nodes.blocks.retire(step.block())?;
            continue;
        }
        if level == path.level && step.count() == 2 {
            // The root's only other child is root enough.
            let other = child_offset(step.block(), 1 - step.index().min(1));
            let block = tx.word(other + offset_of!(Child, block) as u64)?;
            tx.volume().check_block(block)?;
            nodes.blocks.retire(step.block())?;
            return set_root(tx, tree, tree.root(block, level - 1));
        }
        load(tx, &mut nodes.node, &step)?;
        let children = children_of(&mut nodes.node);
        children.copy_within(step.index() + 1..step.count(), step.index());
        if step.index() == 0 {
            children.first_mut().ok_or(Error::Corrupt)?.key = U64::new(step.low);
        }
        let kept = (level, step.low, step.count() - 1);
        let block = write(tx, &mut nodes.blocks, tree, &mut nodes.node, kept)?;
        nodes.blocks.retire(step.block())?;
        let (offset, value) = path.pointer(tree, level, block)?;
        return tx.set(offset, value);
    }
    set_root(tx, tree, Root::Empty)
}

/// Puts the leaf in `block` in place of the path's leaf, with another key: between the end of what the leaf
/// before it has and the start of what it has itself. Not for a tree's first leaf, which has no key.
///
/// # Errors
///
/// As [`replace`].
pub(crate) fn rekey<P: Platform>(
    tx: &mut Transaction<'_, P>,
    nodes: &mut Nodes,
    (tree, path): (&Tree, &Path),
    (block, key): (u64, u64),
) -> Result {
    nodes.blocks.retire(path.leaf)?;
    let mut block = block;
    for level in 1..=path.level {
        let step = path.step(level)?;
        load(tx, &mut nodes.node, &step)?;
        let children = children_of(&mut nodes.node);
        *children.get_mut(step.index()).ok_or(Error::Corrupt)? = Child {
            key: U64::new(key),
            block: U64::new(block),
        };
        // The key of a node's first child is the node's.
        let is_first = step.index() == 0;
        let low = if is_first { key } else { step.low };
        block = write(
            tx,
            &mut nodes.blocks,
            tree,
            &mut nodes.node,
            (level, low, step.count()),
        )?;
        nodes.blocks.retire(step.block())?;
        if !is_first {
            let (offset, value) = path.pointer(tree, level, block)?;
            return tx.set(offset, value);
        }
    }
    Err(Error::Corrupt)
}

/// Makes the children of a root above the old one.
#[inline(never)]
fn root_above(nodes: &mut Nodes, level: u8, block: u64, next: Child) -> Result {
    if u32::from(level) >= MAX_DEPTH {
        return Err(Error::NoSpace);
    }
    let children = children_of(&mut nodes.node).first_chunk_mut();
    let first = Child {
        key: U64::new(0),
        block: U64::new(block),
    };
    *children.ok_or(Error::Invalid)? = [first, next];
    Ok(())
}

fn set_root<P: Platform>(tx: &mut Transaction<'_, P>, tree: &Tree, root: Root) -> Result {
    let offset = inode_word(tree.ino, offset_of!(Inode, root));
    tx.set(offset, root.to_word())
}

/// Reads the children of a node, of which the first one gets the node's lowest key: a node that got the keys of
/// the one before it has a first child which says a higher one, and any key between the two may be the next child's.
#[inline(never)]
fn load<P: Platform>(tx: &Transaction<'_, P>, node: &mut [u8; BLOCK_BYTES], step: &Step) -> Result {
    if step.count() > MAX_CHILDREN || step.index() >= step.count() {
        return Err(Error::Corrupt);
    }
    let end = NODE_HEADER + step.count() * size_of::<Child>();
    let into = node.get_mut(NODE_HEADER..end).ok_or(Error::Corrupt)?;
    tx.read(child_offset(step.block(), 0), into)?;
    let first = children_of(node).first_mut().ok_or(Error::Corrupt)?;
    first.key = U64::new(step.low);
    Ok(())
}

/// Writes a node with so many children to a block of its own.
#[inline(never)]
fn write<P: Platform>(
    tx: &mut Transaction<'_, P>,
    blocks: &mut NodeBlocks,
    tree: &Tree,
    node: &mut [u8; BLOCK_BYTES],
    (level, low, count): (u8, u64, usize),
) -> Result<u64> {
    let block = blocks.make(tx)?;
    let place = (block, level);
    put_header(tx.volume(), tree, node, place, low, [count as u64, 0])?;
    // A probe reads a whole line; nobody reads those without a child.
    let used = NODE_HEADER + count * size_of::<Child>();
    let end = used.next_multiple_of(CACHE_LINE).min(BLOCK_BYTES);
    node.get_mut(used..end).unwrap_or(&mut []).fill(0);
    tx.fresh(block_offset(block), node.get(..end).unwrap_or(&[]))?;
    Ok(block)
}

fn children_of(node: &mut [u8; BLOCK_BYTES]) -> &mut [Child] {
    let bytes = node.get_mut(NODE_HEADER..).unwrap_or(&mut []);
    <[Child]>::mut_from_bytes(bytes).unwrap_or(&mut [])
}

/// Puts a child at `at` among `count`.
fn insert(children: &mut [Child], count: usize, at: usize, child: Child) -> Result {
    if at > count || count >= children.len() {
        return Err(Error::Corrupt);
    }
    children.copy_within(at..count, at + 1);
    *children.get_mut(at).ok_or(Error::Corrupt)? = child;
    Ok(())
}
