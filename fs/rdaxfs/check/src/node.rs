// SPDX-License-Identifier: GPL-2.0

//! The trees of extents and of entries, down to their leaves.

use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, inode_offset, Child, Inode, NodeHeader, INNER_MAGIC, MAX_CHILDREN, NODE_CRC,
    NODE_HEADER,
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

/// What points to a node, and so what has to change if the node is bad.
#[derive(Clone)]
enum Parent {
    /// The inode's word `root`.
    Root,
    /// An inner node, and which of its children.
    Inner {
        block: u64,
        children: Vec<(u64, u64)>,
        at: usize,
    },
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
    walk(
        image,
        survey,
        owner,
        (block, u16::from(level)),
        (Parent::Root, keys),
        &mut found,
    );
    found
}

fn walk<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    owner: Owner,
    (block, level): (u64, u16),
    (parent, keys): (Parent, std::ops::Range<u64>),
    found: &mut Vec<Leaf>,
) {
    let bad = |survey: &mut Survey, what| {
        let problem = Problem::Node {
            ino: owner.ino,
            block,
            what,
        };
        survey.add(Finding::words(problem, without(owner.ino, &parent)));
    };
    if !image.is_run(block, 1) {
        return bad(survey, "is outside the volume; what it held is lost");
    }
    let Ok(bytes) = image.block(block) else {
        return bad(survey, "cannot be read; what it held is lost");
    };
    if let Err(what) = judge(image, owner, block, level, &bytes) {
        return bad(survey, what);
    }
    if !survey.claim(block, 1, true) {
        return bad(
            survey,
            "belongs to something else already; what it held is lost",
        );
    }
    if level == 0 {
        found.push(Leaf { block, bytes, keys });
        return;
    }
    let count = bytes.get::<NodeHeader>(0).word.get() as usize;
    let children: Vec<(u64, u64)> = (0..count)
        .map(|at| bytes.get::<Child>(NODE_HEADER + at * size_of::<Child>()))
        .map(|child| (child.key.get(), child.block.get()))
        .collect();
    for (at, &(key, child)) in children.iter().enumerate() {
        let low = if at == 0 { keys.start } else { key };
        let high = children.get(at + 1).map_or(keys.end, |&(key, _)| key);
        let parent = Parent::Inner {
            block,
            children: children.clone(),
            at,
        };
        if low >= high || low < keys.start || high > keys.end {
            let what = "has a child out of order; what that held is lost";
            let problem = Problem::Node {
                ino: owner.ino,
                block,
                what,
            };
            survey.add(Finding::words(problem, without(owner.ino, &parent)));
            continue;
        }
        walk(
            image,
            survey,
            owner,
            (child, level - 1),
            (parent, low..high),
            found,
        );
    }
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

/// The words that take a node out of its tree.
fn without(ino: u64, parent: &Parent) -> Vec<Word> {
    match parent {
        Parent::Root => vec![(inode_offset(ino) + offset_of!(Inode, root) as u64, 0)],
        Parent::Inner {
            block,
            children,
            at,
        } => {
            let mut left = children.clone();
            left.remove(*at);
            // The first child has all keys below the second one's.
            if let (0, Some(first)) = (*at, left.first_mut()) {
                first.0 = children[0].0;
            }
            let base = block_offset(*block);
            let mut words = vec![(
                base + offset_of!(NodeHeader, word) as u64,
                left.len() as u64,
            )];
            for (place, (key, child)) in left.iter().enumerate() {
                let at = base + (NODE_HEADER + place * size_of::<Child>()) as u64;
                words.extend([(at, *key), (at + 8, *child)]);
            }
            words
        }
    }
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
        return without(ino, &Parent::Root);
    }
    let mut nodes = vec![(root, u16::from(level))];
    while let Some((block, level)) = nodes.pop() {
        let Ok(bytes) = image.block(block) else {
            continue;
        };
        let count = (bytes.get::<NodeHeader>(0).word.get() as usize).min(MAX_CHILDREN);
        let children: Vec<(u64, u64)> = (0..count)
            .map(|at| bytes.get::<Child>(NODE_HEADER + at * size_of::<Child>()))
            .map(|child| (child.key.get(), child.block.get()))
            .collect();
        if level > 1 {
            nodes.extend(children.iter().map(|&(_, child)| (child, level - 1)));
        } else if let Some(at) = children.iter().position(|&(_, child)| child == leaf) {
            return without(
                ino,
                &Parent::Inner {
                    block,
                    children,
                    at,
                },
            );
        }
    }
    Vec::new()
}
