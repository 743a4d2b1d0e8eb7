// SPDX-License-Identifier: GPL-2.0

//! The trees of extents and of entries, down to their leaves.

use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, inode_offset, Child, Inode, NodeHeader, EXTENT_LEAF_MAGIC, INNER_MAGIC,
    MAX_CHILDREN, MAX_PAGES, NODE_CRC, NODE_HEADER,
};
use rdaxfs_core::platform::{Digest, Medium};
use zerocopy::IntoBytes;

use crate::finding::{Finding, Problem, Word};
use crate::image::{Block, Image};
use crate::survey::Survey;

/// An inode whose tree is walked.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) ino: u64,
    pub(crate) generation: u32,
    /// The magic number of its leaves.
    pub(crate) leaf_magic: u32,
}

/// A leaf, with the keys that may be in it.
pub(crate) struct Leaf {
    pub(crate) block: u64,
    pub(crate) bytes: Block,
    pub(crate) keys: std::ops::Range<u64>,
}

/// Claims the nodes of a tree and returns its leaves, from the lowest key up. `keys` are all keys.
pub(crate) fn leaves<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    owner: Owner,
    (block, level): (u64, u8),
    keys: std::ops::Range<u64>,
) -> Vec<Leaf> {
    let mut found = Vec::new();
    let node = (block, u16::from(level));
    if let Err(what) = walk(image, survey, owner, node, keys, &mut found) {
        survey.add(Finding::words(
            bad_node(owner.ino, block, what),
            without_root(owner.ino),
        ));
    }
    found
}

fn bad_node(ino: u64, block: u64, what: &'static str) -> Problem {
    Problem::Node { ino, block, what }
}

/// Adds the leaves of a node, which itself is one or has some; or says why it is to be taken out.
fn walk<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    owner: Owner,
    (block, level): (u64, u16),
    keys: std::ops::Range<u64>,
    found: &mut Vec<Leaf>,
) -> Result<(), &'static str> {
    if !image.is_run(block, 1) {
        return Err("is outside the volume; what it held is lost");
    }
    let bytes = image
        .block(block)
        .map_err(|_| "cannot be read; what it held is lost")?;
    if bytes.is_lost(0) {
        return Err("cannot be read; what it held is lost");
    }
    judge(image, owner, block, level, &bytes)?;
    if !survey.claim(block, 1, true) {
        return Err("belongs to something else already; what it held is lost");
    }
    if bytes.lost() != 0 {
        survey.add(Finding::words(
            bad_node(owner.ino, block, "has lines that cannot be read"),
            bytes.readable_words(block),
        ));
    }
    judge_low(image, survey, owner, block, (&bytes, &keys));
    if level == 0 {
        found.push(Leaf { block, bytes, keys });
        return Ok(());
    }
    let mut children = children(&bytes);
    let mut problems = Vec::new();
    if children.len() as u64 != bytes.get::<NodeHeader>(0).word.get() {
        let what = "has children that cannot be read; what those held is lost";
        problems.push(bad_node(owner.ino, block, what));
    }
    // The first child has all keys below the second one's, but a search goes by what it says too. A node's only
    // child may say one that went to the node behind, when that one's pages moved towards the start.
    let second = children.get(1).map_or(u64::MAX, |&(key, _)| key);
    if let Some((key, _)) = children.first_mut() {
        if !(keys.start..second).contains(key) {
            *key = keys.start;
            let what = "has a first child with a key that it cannot have";
            problems.push(bad_node(owner.ino, block, what));
        }
    }
    let mut left = children.clone();
    for (at, &(key, child)) in children.iter().enumerate() {
        let low = if at == 0 { keys.start } else { key };
        let high = children.get(at + 1).map_or(keys.end, |&(key, _)| key);
        let judged = if low >= high || low < keys.start || high > keys.end {
            let what = "has a child out of order; what that held is lost";
            Err(bad_node(owner.ino, block, what))
        } else {
            walk(image, survey, owner, (child, level - 1), low..high, found)
                .map_err(|what| bad_node(owner.ino, child, what))
        };
        if let Err(problem) = judged {
            problems.push(problem);
            left.remove(at + left.len() - children.len());
        }
    }
    // One list of those that stay, whichever of the problems is repaired first.
    let words = children_words(block, &children, &left);
    for problem in problems {
        survey.add(Finding::words(problem, words.clone()));
    }
    Ok(())
}

/// Whether a block is the node that it should be.
fn judge<M: Medium + Digest>(
    image: &Image<'_, M>,
    owner: Owner,
    block: u64,
    level: u16,
    bytes: &Block,
) -> Result<(), &'static str> {
    let header: NodeHeader = bytes.get(0);
    let magic = if level == 0 {
        owner.leaf_magic
    } else {
        INNER_MAGIC
    };
    if header.magic.get() != magic {
        return Err("is no node of this kind; what it held is lost");
    }
    if header.crc.get() != image.crc(&header.as_bytes()[NODE_CRC]) {
        return Err("has a wrong checksum; what it held is lost");
    }
    if header.block.get() != block || header.level.get() != level {
        return Err("is that of another place; what it held is lost");
    }
    if header.owner.get() != owner.ino || header.generation.get() != owner.generation {
        return Err("is that of another inode; what it held is lost");
    }
    let count = header.word.get();
    if level > 0 && (count == 0 || count > MAX_CHILDREN as u64) {
        return Err("has an impossible number of children; what it held is lost");
    }
    Ok(())
}

/// Whether a node's lowest key was one of those that it may have now. What was a file's may have gone to the node
/// behind it, when that one's pages moved towards the start.
fn judge_low<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    owner: Owner,
    block: u64,
    (bytes, keys): (&Block, &std::ops::Range<u64>),
) {
    let mut header: NodeHeader = bytes.get(0);
    let low = header.low.get();
    let moved = owner.leaf_magic == EXTENT_LEAF_MAGIC && (keys.end..MAX_PAGES).contains(&low);
    if keys.contains(&low) || moved {
        return;
    }
    header.low.set(keys.start);
    header.crc.set(image.crc(&header.as_bytes()[NODE_CRC]));
    let base = block_offset(block);
    let head = u64::from(header.magic.get()) | u64::from(header.crc.get()) << 32;
    let words = vec![
        (base, head),
        (base + offset_of!(NodeHeader, low) as u64, keys.start),
    ];
    let problem = bad_node(owner.ino, block, "says a lowest key that it cannot have");
    survey.add(Finding::words(problem, words));
}

/// An inner node's children that can be read: their keys and blocks.
fn children(bytes: &Block) -> Vec<(u64, u64)> {
    let count = (bytes.get::<NodeHeader>(0).word.get() as usize).min(MAX_CHILDREN);
    (0..count)
        .map(|at| NODE_HEADER + at * size_of::<Child>())
        .filter(|&at| !bytes.is_lost(at))
        .map(|at| bytes.get::<Child>(at))
        .map(|child| (child.key.get(), child.block.get()))
        .collect()
}

/// The words that take all out of a tree.
fn without_root(ino: u64) -> Vec<Word> {
    vec![(inode_offset(ino) + offset_of!(Inode, root) as u64, 0)]
}

/// The words that leave an inner node so many of its children.
fn children_words(block: u64, children: &[(u64, u64)], left: &[(u64, u64)]) -> Vec<Word> {
    let base = block_offset(block);
    let count = base + offset_of!(NodeHeader, word) as u64;
    let mut words = vec![(count, left.len() as u64)];
    for (place, &(key, child)) in left.iter().enumerate() {
        // The first child has all keys below the second one's.
        let key = match (place, children.first()) {
            (0, Some(&(first, _))) => first,
            _ => key,
        };
        let at = base + (NODE_HEADER + place * size_of::<Child>()) as u64;
        words.extend([(at, key), (at + 8, child)]);
    }
    words
}

/// The words that take a leaf out of its tree which holds nothing. It is looked for anew, because a leaf
/// knows nothing of what points to it.
pub(crate) fn remove_leaf<M: Medium + Digest>(
    image: &Image<'_, M>,
    ino: u64,
    (root, level): (u64, u8),
    leaf: u64,
) -> Vec<Word> {
    if level == 0 {
        return without_root(ino);
    }
    let mut nodes = vec![(root, u16::from(level))];
    while let Some((block, level)) = nodes.pop() {
        let Ok(bytes) = image.block(block) else {
            continue;
        };
        let children = children(&bytes);
        if level > 1 {
            nodes.extend(children.iter().map(|&(_, child)| (child, level - 1)));
        } else if children.iter().any(|&(_, child)| child == leaf) {
            let mut left = children.clone();
            left.retain(|&(_, child)| child != leaf);
            return children_words(block, &children, &left);
        }
    }
    Vec::new()
}
