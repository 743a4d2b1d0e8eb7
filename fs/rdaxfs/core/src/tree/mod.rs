// SPDX-License-Identifier: GPL-2.0

//! The inner nodes of the B+trees of extents and of directory entries. What is in a leaf is its
//! user's business; what leads to it is the same for both.
//!
//! # How a tree changes
//!
//! An inner node's keys never change. A leaf is split ([`replace`] with a second block) or removed
//! ([`remove`]) by writing new copies of the inner nodes that change, where nothing points to yet,
//! and swapping the one pointer above them: a child's word, or the inode's `root`. The blocks that
//! this leaves behind are collected in [`NodeBlocks`] and given back at the transaction's end, because
//! a block that was freed and taken again in one transaction would be overwritten while it can still
//! be reached.
//!
//! So, in one transaction:
//!
//! - a tree gets one [`replace`], [`rekey`] or [`remove`] at most. What needs more makes room first, in a
//!   transaction of its own: splitting a leaf changes nothing that anybody sees;
//! - words of a leaf are not [`set`](crate::journal::Transaction::set) when that leaf is replaced;
//! - [`NodeBlocks::settle`] and all other freeing come after all allocations.
//!
//! # The keys of children
//!
//! A child has the keys from its own up to the next child's. When a node's first child goes, the second
//! one gets its key; so a node may have keys below the [`low`](crate::format::NodeHeader::low) that
//! it was made with, never ones below what its parent says. Its first child then says a higher key than it
//! has, until the node is written anew, with its lowest key there.
//!
//! A key changes otherwise only when all of a leaf's pages move ([`rekey`]), with new copies of the nodes
//! that have it. What is before that leaf then has fewer keys, and perhaps its own `low` no more. Nodes are
//! not merged: one goes when its last entry does.

mod blocks;
mod change;
mod node;
mod path;

pub(crate) use blocks::NodeBlocks;
pub(crate) use change::{rekey, remove, replace};
pub(crate) use node::{checksum, put_header, read_words, Place};
pub(crate) use path::{descend, Path};

use zerocopy_derive::FromZeros;

use crate::format::{
    Root, BLOCK_BYTES, DIRECTORY_LEAF_MAGIC, EXTENT_LEAF_MAGIC, INNER_MAGIC, MAX_DEPTH, MAX_KEY,
    MAX_PAGES,
};

/// What is in a tree's leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Extents,
    Directory,
}

/// A tree: whose it is, and of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub(crate) ino: u64,
    pub(crate) generation: u32,
    pub(crate) kind: Kind,
}

impl Tree {
    /// The magic of its nodes at a level.
    const fn magic(&self, level: u8) -> u32 {
        match self.kind {
            _ if level > 0 => INNER_MAGIC,
            Kind::Extents => EXTENT_LEAF_MAGIC,
            Kind::Directory => DIRECTORY_LEAF_MAGIC,
        }
    }

    /// How many keys there can be: they are below that.
    const fn keys(&self) -> u64 {
        match self.kind {
            Kind::Extents => MAX_PAGES,
            Kind::Directory => MAX_KEY + 1,
        }
    }

    /// What the inode says of it.
    pub(crate) const fn root(&self, block: u64, level: u8) -> Root {
        match self.kind {
            Kind::Extents => Root::ExtentTree { block, level },
            Kind::Directory => Root::DirectoryTree { block, level },
        }
    }
}

/// What a change of a tree works in: part of the workspace.
#[derive(FromZeros)]
pub(crate) struct Nodes {
    /// A node that is being made or read as a whole.
    pub(crate) node: [u8; BLOCK_BYTES],
    /// Another one, for splits.
    pub(crate) other: [u8; BLOCK_BYTES],
    pub(crate) blocks: NodeBlocks,
}

impl Nodes {
    pub(crate) const fn new() -> Self {
        Self {
            node: [0; BLOCK_BYTES],
            other: [0; BLOCK_BYTES],
            blocks: NodeBlocks::new(),
        }
    }
}

const _: () = assert!(MAX_DEPTH <= 8);
