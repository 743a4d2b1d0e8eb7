// SPDX-License-Identifier: GPL-2.0

//! The extents of a file.

use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, inode_offset, Extent, Inode, Root, EXTENT_LEAF_MAGIC, EXTENT_ORDER,
    EXTENT_ORDER_BYTES, EXTENT_PLACES, MAX_EXTENTS,
};
use rdaxfs_core::platform::{Digest, Medium};

use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::node::{leaves, remove_leaf, Leaf, Owner};
use crate::survey::Survey;

/// The pages of a file.
const PAGES: u64 = 1 << 32;

/// Claims a file's extents and returns them, in order of pages.
pub(crate) fn extents<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    inode: &Inode,
    root: Root,
) -> Vec<Extent> {
    let ino = inode.ino.get();
    match root {
        Root::Extents(count) => inline(image, survey, inode, usize::from(count)),
        Root::ExtentTree { block, level } => {
            let owner = Owner {
                ino,
                generation: inode.generation.get(),
                leaf_magic: EXTENT_LEAF_MAGIC,
            };
            let mut found = Vec::new();
            for leaf in leaves(image, survey, owner, (block, level), 0..PAGES) {
                let kept = in_leaf(image, survey, ino, &leaf);
                if kept.is_empty() {
                    let problem = Problem::Node {
                        ino,
                        block: leaf.block,
                        what: "has no extents",
                    };
                    let words = remove_leaf(image, ino, (block, level), leaf.block);
                    survey.add(Finding::words(problem, words));
                }
                found.extend(kept);
            }
            found
        }
        _ => Vec::new(),
    }
}

/// Extents in the inode. Bad ones are taken out, and those behind move up.
fn inline<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    inode: &Inode,
    count: usize,
) -> Vec<Extent> {
    let ino = inode.ino.get();
    let words: Vec<u64> = inode
        .inline
        .chunks_exact(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("the chunks have 8 bytes")))
        .collect();
    let all: Vec<Extent> = words
        .chunks_exact(2)
        .take(count)
        .map(|pair| Extent::from_words(pair[0], pair[1]))
        .collect();
    let mut kept: Vec<Extent> = Vec::new();
    let mut problems = Vec::new();
    for extent in all {
        let kept_before = kept.last();
        let judged = judge_identity(survey, ino, &extent)
            .and_then(|()| judge(image, survey, kept_before, &(0..PAGES), &extent));
        match judged {
            Ok(()) => kept.push(extent),
            Err(what) => problems.push(Problem::Extent {
                ino,
                page: extent.page,
                what,
            }),
        }
    }
    let base = inode_offset(ino);
    for problem in problems {
        let root = if kept.is_empty() {
            Root::Empty
        } else {
            Root::Extents(kept.len() as u8)
        };
        let mut words: Vec<Word> = vec![(base + offset_of!(Inode, root) as u64, root.to_word())];
        for (place, extent) in kept.iter().enumerate() {
            let at = base + (offset_of!(Inode, inline) + 16 * place) as u64;
            words.extend([(at, extent.pages_word()), (at + 8, extent.block_word())]);
        }
        survey.add(Finding::words(problem, words));
    }
    kept
}

/// The extents of a leaf. Bad ones are taken out of its order.
fn in_leaf<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    ino: u64,
    leaf: &Leaf,
) -> Vec<Extent> {
    let order = &leaf.bytes.bytes()[EXTENT_ORDER..EXTENT_ORDER + EXTENT_ORDER_BYTES];
    let count = usize::from(order[0]).min(MAX_EXTENTS);
    let mut kept: Vec<(u8, Extent)> = Vec::new();
    let mut problems = Vec::new();
    if usize::from(order[0]) > MAX_EXTENTS {
        problems.push(Problem::Node {
            ino,
            block: leaf.block,
            what: "has too many extents",
        });
    }
    for &place in &order[1..=count] {
        let at = EXTENT_PLACES + 16 * usize::from(place);
        let twice = kept.iter().any(|&(other, _)| other == place);
        if twice || usize::from(place) >= MAX_EXTENTS {
            let what = "has an impossible order of extents";
            problems.push(Problem::Node {
                ino,
                block: leaf.block,
                what,
            });
            continue;
        }
        if leaf.bytes.is_lost(at) {
            problems.push(Problem::Node {
                ino,
                block: leaf.block,
                what: "has an extent that cannot be read; it is taken out",
            });
            continue;
        }
        let extent = Extent::from_words(leaf.bytes.word(at), leaf.bytes.word(at + 8));
        let before = kept.last().map(|(_, extent)| extent);
        let judged = judge_identity(survey, ino, &extent)
            .and_then(|()| judge(image, survey, before, &leaf.keys, &extent));
        match judged {
            Ok(()) => kept.push((place, extent)),
            Err(what) => problems.push(Problem::Extent {
                ino,
                page: extent.page,
                what,
            }),
        }
    }
    for problem in problems {
        let mut bytes = [0_u8; EXTENT_ORDER_BYTES];
        bytes[0] = kept.len() as u8;
        for (byte, (place, _)) in bytes[1..].iter_mut().zip(&kept) {
            *byte = *place;
        }
        let base = block_offset(leaf.block) + EXTENT_ORDER as u64;
        let words = bytes.chunks_exact(8).enumerate().map(|(at, bytes)| {
            let bytes = bytes.try_into().expect("the chunks have 8 bytes");
            (base + 8 * at as u64, u64::from_le_bytes(bytes))
        });
        survey.add(Finding::words(problem, words.collect()));
    }
    kept.into_iter().map(|(_, extent)| extent).collect()
}

/// Whether an extent of the bad blocks' owner says what it has to: page `n` is block `n`, and nobody reads it.
fn judge_identity(survey: &Survey, ino: u64, extent: &Extent) -> Result<(), &'static str> {
    if survey.bad_blocks_owner == ino && (extent.page != extent.block || !extent.unwritten) {
        return Err("is not a bad block's; it is taken out");
    }
    Ok(())
}

/// Whether an extent may follow another; then its blocks are claimed.
fn judge<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    before: Option<&Extent>,
    keys: &std::ops::Range<u64>,
    extent: &Extent,
) -> Result<(), &'static str> {
    if extent.count == 0 || extent.page < keys.start || extent.end() > keys.end {
        return Err("has impossible pages; it is taken out");
    }
    if before.is_some_and(|before| extent.page < before.end()) {
        return Err("overlaps another or is out of order; it is taken out");
    }
    if !image.is_run(extent.block, extent.count) {
        return Err("has blocks that no file can have; it is taken out");
    }
    if !survey.claim(extent.block, extent.count, false) {
        return Err("has blocks that belong to something else; it is taken out");
    }
    Ok(())
}
