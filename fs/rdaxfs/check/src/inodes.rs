// SPDX-License-Identifier: GPL-2.0

//! The inodes: which there are, and what belongs to them.

use std::mem::offset_of;

use rdaxfs_core::file::can_be_finished;
use rdaxfs_core::format::{
    block_offset, entry_type, group_metadata, group_start, inode_block, inode_number, inode_offset,
    inode_slot, Extent, Inode, InodeChunk, Root, BLOCK_BYTES, CHUNK_FULL, CHUNK_SLOTS,
    INODE_CHUNK_MAGIC, INODE_CRC, INODE_MAGIC, INODE_SIZE, MAX_FILE_SIZE, S_IFBLK, S_IFCHR,
    S_IFDIR, S_IFLNK, S_IFMT, S_IFREG,
};
use rdaxfs_core::platform::{Digest, Medium, CACHE_LINE};
use zerocopy::{FromZeros, IntoBytes};

use crate::claims::BITMAP_WORDS;
use crate::extents::extents;
use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::progress::Progress;
use crate::survey::{InodeInfo, Survey};
use crate::xattrs::xattrs;

/// Finds the inode chunks that the metadata bitmaps know of, and their inodes.
pub(crate) fn find<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    progress: &mut impl FnMut(Progress),
) {
    let mut found = Vec::new();
    let mut others = Vec::new();
    let mut window = vec![0; WINDOW * BLOCK_BYTES];
    // Without the root directory nothing has a path: its chunk is looked for whatever bitmaps say.
    let root = inode_block(image.superblock.root.get());
    for group in 0..image.groups() {
        progress(Progress {
            part: "inodes",
            done: u64::from(group),
            all: u64::from(image.groups()),
        });
        for block in candidates(image, group, &mut window) {
            if is_chunk(image, block) {
                if survey.claim(block, 1, true) {
                    found.push(block);
                }
            } else {
                others.push(block);
            }
        }
    }
    if !found.contains(&root) && has_inode(image, root) && survey.claim(root, 1, true) {
        found.push(root);
    }
    // All chunks first: what else claims their blocks is wrong.
    let mut inodes = Vec::new();
    for block in found {
        read_chunk(image, survey, block, &mut inodes);
    }
    for inode in inodes {
        add_inode(image, survey, inode);
    }
    // What is nothing else may be a chunk whose head is damaged.
    for block in others {
        if !survey.claims.is_claimed(block) && has_inode(image, block) {
            add_chunk(image, survey, block);
        }
    }
}

/// The blocks that are read at once.
const WINDOW: usize = 256;
/// A window with fewer marked blocks is not read as a whole.
const SPARSE: usize = 8;

/// The marked blocks of a group that may be inode chunks, or have been.
fn candidates<M: Medium + Digest>(image: &Image<'_, M>, group: u32, window: &mut [u8]) -> Vec<u64> {
    let marked = marked_metadata(image, group);
    let mut found = Vec::new();
    for blocks in marked.chunk_by(|one, next| one / WINDOW as u64 == next / WINDOW as u64) {
        let (Some(&first), Some(&last)) = (blocks.first(), blocks.last()) else {
            continue;
        };
        let len = (last - first + 1) as usize * BLOCK_BYTES;
        let bytes = &mut window[..len];
        // Where something cannot be read, each block is looked at on its own.
        if blocks.len() < SPARSE || image.read(block_offset(first), bytes).is_err() {
            found.extend(blocks);
            continue;
        }
        let bytes = &*bytes;
        found.extend(blocks.iter().filter(|&block| {
            let at = (block - first) as usize * BLOCK_BYTES;
            may_be_chunk(&bytes[at..at + BLOCK_BYTES])
        }));
    }
    found
}

/// Whether a block has a magic number of a chunk or of an inode, without which it is neither.
fn may_be_chunk(block: &[u8]) -> bool {
    let has = |at: usize, magic: u32| block[at..at + 4] == magic.to_le_bytes();
    has(offset_of!(InodeChunk, magic), INODE_CHUNK_MAGIC)
        || (1..CHUNK_SLOTS).any(|slot| {
            let at = slot as usize * INODE_SIZE as usize + offset_of!(Inode, magic);
            has(at, INODE_MAGIC)
        })
}

/// The blocks that a group's bitmap says hold metadata.
fn marked_metadata<M: Medium + Digest>(image: &Image<'_, M>, group: u32) -> Vec<u64> {
    let Ok(bitmap) = image.block(group_metadata(group)) else {
        return Vec::new();
    };
    let mut blocks = Vec::new();
    for word in 0..BITMAP_WORDS {
        let mut bits = bitmap.word(8 * word);
        while bits != 0 {
            let bit = u64::from(bits.trailing_zeros());
            blocks.push(group_start(group) + 64 * word as u64 + bit);
            bits &= bits - 1;
        }
    }
    blocks
}

/// Whether a block has an inode of its own, whatever its head says.
fn has_inode<M: Medium + Digest>(image: &Image<'_, M>, block: u64) -> bool {
    (1..CHUNK_SLOTS).any(|slot| is_whole(image, inode_number(block, slot)))
}

/// Whether an inode's bytes are all as they must be, where one can be.
fn is_whole<M: Medium + Digest>(image: &Image<'_, M>, ino: u64) -> bool {
    image.is_run(inode_block(ino), 1) && matches!(read_inode(image, ino), Ok((_, None)))
}

/// Claims a chunk, and adds its inodes.
fn add_chunk<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey, block: u64) {
    if !survey.claim(block, 1, true) {
        return;
    }
    let mut inodes = Vec::new();
    read_chunk(image, survey, block, &mut inodes);
    for inode in inodes {
        add_inode(image, survey, inode);
    }
}

/// An inode that a name of that type (`DT_*`) leads to, but no bitmap: returns whether it is one after all.
pub(crate) fn find_by_name<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    ino: u64,
    kind: u8,
) -> bool {
    let block = inode_block(ino);
    // One whose head is damaged may have the inode all the same.
    let is_chunk = is_chunk(image, block) || is_whole(image, ino);
    if is_chunk && !survey.claims.is_claimed(block) {
        add_chunk(image, survey, block);
    }
    if !survey.inodes.contains_key(&ino) {
        revive(image, survey, ino, kind);
    }
    survey.inodes.contains_key(&ino)
}

/// Takes an inode for one in use that its chunk says is free, if it is whole and has links: those that were
/// freed have none.
fn revive<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey, ino: u64, kind: u8) {
    let (block, slot) = (inode_block(ino), inode_slot(ino));
    let Some(used) = survey.chunks.get_mut(&block) else {
        return;
    };
    let Ok((inode, None)) = read_inode(image, ino) else {
        return;
    };
    let is_free = slot != 0 && *used >> slot & 1 == 0;
    if !is_free || inode.links.get() == 0 || entry_type(inode.mode.get()) != kind {
        return;
    }
    *used |= 1 << slot;
    let used_at = block_offset(block) + offset_of!(InodeChunk, used) as u64;
    let words = vec![(used_at, *used)];
    let what = "has a name and links, but is marked free; it is kept";
    survey.add(Finding::words(Problem::Inode { ino, what }, words));
    add_inode(image, survey, inode);
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
    let base = block_offset(block);
    let head = image.get::<InodeChunk>(base);
    let is_lost = head.is_err();
    let chunk = head.unwrap_or_else(|_| InodeChunk::new_zeroed());
    let used_at = base + offset_of!(InodeChunk, used) as u64;
    let mut used = chunk.used.get();
    let mut problems = Vec::new();
    if !is_chunk(image, block) {
        let crc = image.crc(&block.to_le_bytes());
        let words = vec![
            (base, u64::from(INODE_CHUNK_MAGIC) | u64::from(crc) << 32),
            (base + offset_of!(InodeChunk, block) as u64, block),
        ];
        let what = "the head is damaged";
        survey.add(Finding::words(Problem::Chunk { block, what }, words));
    }
    if is_lost || used & !CHUNK_FULL != 0 {
        // The word is not to be trusted: what looks like an inode is taken for one.
        used = (1..CHUNK_SLOTS)
            .filter(|&slot| is_whole(image, inode_number(block, slot)))
            .fold(0, |used, slot| used | 1 << slot);
        let what = if is_lost {
            "the inodes in use cannot be read; what looks like an inode is kept"
        } else {
            "the inodes in use are impossible; what looks like an inode is kept"
        };
        problems.push(Problem::Chunk { block, what });
    }
    let mut good = used;
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
    let spare = (1..CHUNK_SLOTS).filter(|slot| used >> slot & 1 == 0);
    for ino in spare.map(|slot| inode_number(block, slot)) {
        // Nobody reads it before it is to be an inode, and then none can be made there.
        let place = inode_offset(ino);
        if image.medium().check_poison(place, INODE_SIZE).is_err() {
            let problem = Problem::Inode {
                ino,
                what: "is free and cannot be read",
            };
            let words = (0..INODE_SIZE).step_by(CACHE_LINE);
            let words = words.map(|at| (place + at, 0)).collect();
            survey.add(Finding::words(problem, words));
        }
    }
    for problem in problems {
        survey.add(Finding::words(problem, vec![(used_at, good)]));
    }
    survey.chunks.insert(block, good);
}

/// What is wrong with an inode that can be kept, and the word that repairs it.
type Flaw = (&'static str, Word);

/// An inode that can be kept, if need be with a word that repairs it.
fn read_inode<M: Medium + Digest>(
    image: &Image<'_, M>,
    ino: u64,
) -> Result<(Inode, Option<Flaw>), &'static str> {
    let mut inode: Inode = image
        .get(inode_offset(ino))
        .map_err(|_| "cannot be read; it is removed")?;
    let crc_of = |inode: &Inode| image.crc(&inode.as_bytes()[INODE_CRC]);
    let has_magic = inode.magic.get() == INODE_MAGIC;
    let has_crc = inode.crc.get() == crc_of(&inode);
    if inode.ino.get() != ino {
        // With its own number in place of another, the checksum tells whether only that is wrong.
        inode.ino.set(ino);
        if !has_magic || inode.crc.get() != crc_of(&inode) {
            return Err("is none; it is removed");
        }
        let word = (inode_offset(ino) + offset_of!(Inode, ino) as u64, ino);
        return Ok((inode, Some(("has another one's number", word))));
    }
    let is_one = inode.generation.get() != 0 && entry_type(inode.mode.get()) != 0;
    if !is_one || !(has_magic || has_crc) {
        return Err("is none; it is removed");
    }
    if has_magic && has_crc {
        return Ok((inode, None));
    }
    inode.magic.set(INODE_MAGIC);
    inode.crc.set(crc_of(&inode));
    let word = u64::from(INODE_MAGIC) | u64::from(inode.crc.get()) << 32;
    let what = if has_magic {
        "has a wrong checksum; its owner and permissions may be wrong"
    } else {
        "has a wrong magic number"
    };
    Ok((inode, Some((what, (inode_offset(ino), word)))))
}

/// Claims what belongs to an inode, and judges what it says of that.
fn add_inode<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey, inode: Inode) {
    let ino = inode.ino.get();
    let base = inode_offset(ino);
    let kind = inode.mode.get() & S_IFMT;
    let root = Root::from_word(inode.root.get()).filter(|root| may_have(kind, *root));
    if root.is_none() && kind == S_IFLNK {
        // There is no link without a target.
        remove_inode(
            survey,
            ino,
            "is a symbolic link without a target; it is removed",
        );
        return;
    }
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
    if ino == survey.bad_blocks_owner {
        survey.bad_blocks = found.iter().map(|extent| extent.count).sum();
    }
    xattrs(image, survey, &inode, root);
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
    // Nobody opens the owner of the bad blocks to finish something.
    let is_owner = ino == survey.bad_blocks_owner;
    if inode.intent().kind != 0 && (is_owner || !intent_fits(&inode, &found)) {
        let what = "has an intent that cannot be carried out; it is dropped";
        let at = base + offset_of!(Inode, intent) as u64;
        let words = vec![(at, 0), (at + 8, 0)];
        survey.add(Finding::words(Problem::Inode { ino, what }, words));
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

/// Takes an inode out of its chunk.
fn remove_inode(survey: &mut Survey, ino: u64, what: &'static str) {
    let block = inode_block(ino);
    let Some(used) = survey.chunks.get_mut(&block) else {
        return;
    };
    *used &= !(1 << inode_slot(ino));
    let used_at = block_offset(block) + offset_of!(InodeChunk, used) as u64;
    let words = vec![(used_at, *used)];
    survey.add(Finding::words(Problem::Inode { ino, what }, words));
}

/// Whether an inode's intent is one that the core can carry out.
fn intent_fits(inode: &Inode, extents: &[Extent]) -> bool {
    inode.mode.get() & S_IFMT == S_IFREG && can_be_finished(inode.intent(), extents)
}

/// The blocks of a directory's tree: all but those of its attributes.
fn directory_blocks(inode: &Inode, blocks: u64) -> u64 {
    let xattrs = rdaxfs_core::format::XattrRoot::from_word(inode.xattrs.get());
    let run = xattrs.and_then(rdaxfs_core::format::XattrRoot::run);
    blocks.saturating_sub(run.map_or(0, |run| run.count))
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
        Root::Device => matches!(kind, S_IFCHR | S_IFBLK),
    }
}
