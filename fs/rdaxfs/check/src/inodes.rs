// SPDX-License-Identifier: GPL-2.0

//! The inodes: which there are, and what belongs to them.

use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, entry_type, group_metadata, group_start, inode_block, inode_number, inode_offset,
    inode_slot, Extent, Inode, InodeChunk, Intent, Root, CHUNK_FULL, CHUNK_SLOTS,
    INODE_CHUNK_MAGIC, INODE_CRC, INODE_MAGIC, MAX_FILE_SIZE, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG,
};
use rdaxfs_core::platform::{Digest, Medium};
use zerocopy::IntoBytes;

use crate::claims::BITMAP_WORDS;
use crate::extents::extents;
use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::survey::{InodeInfo, Progress, Survey};
use crate::xattrs::xattrs;

/// Finds the inode chunks that the metadata bitmaps know of, and their inodes.
pub(crate) fn find<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    progress: &mut impl FnMut(Progress),
) {
    let mut found = Vec::new();
    for group in 0..image.groups() {
        progress(Progress {
            part: "inodes",
            done: u64::from(group),
            all: u64::from(image.groups()),
        });
        let Ok(bitmap) = image.block(group_metadata(group)) else {
            continue;
        };
        for word in 0..BITMAP_WORDS {
            let mut bits = bitmap.word(8 * word);
            while bits != 0 {
                let block =
                    group_start(group) + 64 * word as u64 + u64::from(bits.trailing_zeros());
                bits &= bits - 1;
                if is_chunk(image, block) && survey.claim(block, 1, true) {
                    found.push(block);
                }
            }
        }
    }
    // All chunks first: what else claims their blocks is wrong.
    let mut inodes = Vec::new();
    for block in found {
        read_chunk(image, survey, block, &mut inodes);
    }
    for inode in inodes {
        add_inode(image, survey, inode);
    }
}

/// An inode that a name leads to, but no bitmap: returns whether it is one after all.
pub(crate) fn find_by_name<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    ino: u64,
) -> bool {
    let block = inode_block(ino);
    let is_new = image.is_run(block, 1)
        && !survey.claims.is_claimed(block)
        && is_chunk(image, block)
        && survey.claim(block, 1, true);
    if is_new {
        let mut inodes = Vec::new();
        read_chunk(image, survey, block, &mut inodes);
        for inode in inodes {
            add_inode(image, survey, inode);
        }
    }
    survey.inodes.contains_key(&ino)
}

/// Whether a block says that it is an inode chunk, and which.
fn is_chunk<M: Medium + Digest>(image: &Image<'_, M>, block: u64) -> bool {
    if !image.is_run(block, 1) {
        return false;
    }
    let Ok(chunk) = image.get::<InodeChunk>(block_offset(block)) else {
        return false;
    };
    chunk.magic.get() == INODE_CHUNK_MAGIC
        && chunk.block.get() == block
        && chunk.crc.get() == image.crc(chunk.block.as_bytes())
}

fn read_chunk<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    block: u64,
    inodes: &mut Vec<Inode>,
) {
    let Ok(chunk) = image.get::<InodeChunk>(block_offset(block)) else {
        return;
    };
    let used = chunk.used.get();
    let used_at = block_offset(block) + offset_of!(InodeChunk, used) as u64;
    let mut good = used & CHUNK_FULL;
    let mut problems = Vec::new();
    if good != used {
        problems.push(Problem::Chunk {
            block,
            what: "has impossible inodes in use",
        });
    }
    for slot in (1..CHUNK_SLOTS).filter(|slot| used >> slot & 1 == 1) {
        let ino = inode_number(block, slot);
        match read_inode(image, ino) {
            Ok((inode, None)) => inodes.push(inode),
            Ok((inode, Some((what, word)))) => {
                survey.add(Finding::words(Problem::Inode { ino, what }, vec![word]));
                inodes.push(inode);
            }
            Err(what) => {
                good &= !(1 << slot);
                problems.push(Problem::Inode { ino, what });
            }
        }
    }
    for problem in problems {
        survey.add(Finding::words(problem, vec![(used_at, good)]));
    }
    survey.chunks.insert(block, good);
}

/// An inode that can be kept, if need be with a word that mends it.
fn read_inode<M: Medium + Digest>(
    image: &Image<'_, M>,
    ino: u64,
) -> Result<(Inode, Option<(&'static str, Word)>), &'static str> {
    let mut inode: Inode = image
        .get(inode_offset(ino))
        .map_err(|_| "cannot be read; it is removed")?;
    let is_one =
        inode.ino.get() == ino && inode.generation.get() != 0 && entry_type(inode.mode.get()) != 0;
    if inode.magic.get() != INODE_MAGIC || !is_one {
        return Err("is none; it is removed");
    }
    let crc = image.crc(&inode.as_bytes()[INODE_CRC]);
    if inode.crc.get() == crc {
        return Ok((inode, None));
    }
    inode.crc.set(crc);
    let word = u64::from(INODE_MAGIC) | u64::from(crc) << 32;
    Ok((
        inode,
        Some((
            "has a wrong checksum; its owner and permissions may be wrong",
            (inode_offset(ino), word),
        )),
    ))
}

/// Claims what belongs to an inode, and judges what it says of that.
fn add_inode<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey, inode: Inode) {
    let ino = inode.ino.get();
    let base = inode_offset(ino);
    let kind = inode.mode.get() & S_IFMT;
    let root = Root::from_word(inode.root.get()).filter(|root| may_have(kind, *root));
    if root.is_none() {
        let what = "has impossible contents; they are lost";
        let word = (base + offset_of!(Inode, root) as u64, 0);
        survey.add(Finding::words(Problem::Inode { ino, what }, vec![word]));
    }
    let root = root.unwrap_or(Root::Empty);
    let claimed_before = survey.claimed;
    let found = if kind == S_IFDIR {
        let entries = crate::directory::entries(image, survey, &inode, root);
        survey.entries.insert(ino, entries);
        Vec::new()
    } else {
        extents(image, survey, &inode, root)
    };
    xattrs(image, survey, &inode);
    let blocks = survey.claimed - claimed_before;
    let tree_blocks = if kind == S_IFDIR {
        directory_blocks(&inode, blocks)
    } else {
        0
    };

    let mut numbers = vec![(
        offset_of!(Inode, blocks),
        "number of blocks",
        inode.blocks.get(),
        blocks,
    )];
    match kind {
        S_IFDIR => {
            let size = tree_blocks * rdaxfs_core::format::BLOCK_SIZE;
            numbers.push((offset_of!(Inode, size), "size", inode.size.get(), size));
        }
        S_IFREG if inode.size.get() > MAX_FILE_SIZE => {
            let end = found.last().map_or(0, Extent::end) * rdaxfs_core::format::BLOCK_SIZE;
            numbers.push((offset_of!(Inode, size), "size", inode.size.get(), end));
        }
        S_IFLNK => {
            if let Root::Target(len) = root {
                numbers.push((
                    offset_of!(Inode, size),
                    "size",
                    inode.size.get(),
                    u64::from(len),
                ));
            }
        }
        _ => {}
    }
    for time in [
        (offset_of!(Inode, atime), "access time", inode.atime.get()),
        (
            offset_of!(Inode, mtime),
            "modification time",
            inode.mtime.get(),
        ),
        (offset_of!(Inode, ctime), "change time", inode.ctime.get()),
    ] {
        let (field, which, found) = time;
        let nanoseconds = found & ((1 << 30) - 1);
        if nanoseconds > 999_999_999 {
            numbers.push((field, which, found, found - nanoseconds));
        }
    }
    for (field, which, found, expected) in numbers {
        if found != expected {
            let problem = Problem::InodeNumber {
                ino,
                which,
                found,
                expected,
            };
            survey.add(Finding::words(
                problem,
                vec![(base + field as u64, expected)],
            ));
        }
    }
    if inode.intent.get() != 0 && Intent::from_word(inode.intent.get()).is_none() {
        let what = "has an unknown intent; it is dropped";
        let word = (base + offset_of!(Inode, intent) as u64, 0);
        survey.add(Finding::words(Problem::Inode { ino, what }, vec![word]));
    }
    survey.inodes.insert(
        ino,
        InodeInfo {
            inode,
            blocks,
            names: Vec::new(),
        },
    );
    debug_assert_eq!(inode_number(inode_block(ino), inode_slot(ino)), ino);
}

/// The blocks of a directory's tree: all but those of its attributes.
fn directory_blocks(inode: &Inode, blocks: u64) -> u64 {
    let xattrs = rdaxfs_core::format::XattrRoot::from_word(inode.xattrs.get());
    blocks.saturating_sub(xattrs.map_or(0, |root| root.count))
}

/// Whether an inode of a kind may have such contents.
fn may_have(kind: u16, root: Root) -> bool {
    match root {
        Root::Empty => kind != S_IFLNK,
        Root::Target(len) => kind == S_IFLNK && len > 0,
        Root::Extents(count) => count > 0 && (kind == S_IFREG || (kind == S_IFLNK && count == 1)),
        Root::ExtentTree { .. } => kind == S_IFREG,
        Root::Entries(len) => kind == S_IFDIR && len > 0,
        Root::DirectoryTree { .. } => kind == S_IFDIR,
    }
}
