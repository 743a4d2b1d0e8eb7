// SPDX-License-Identifier: GPL-2.0

//! What an image has of a block, by what the block is.
//!
//! Only what means something is copied: what was there before may be a name, or the data of a file. A structure whose
//! checksum is wrong has a wrong one in the image.

use std::mem::offset_of;

use rdaxfs_check::Block;
use rdaxfs_core::format::{
    block_offset, entry_lines, entry_target, target_ino, target_kind, target_len, Child, EntryHead,
    Extent, GroupHeader, Inode, InodeChunk, NodeHeader, Root, Superblock, XattrEntry, XattrHeader,
    XattrRoot, XattrSpace, BLOCK_BYTES, CHUNK_SLOTS, DIRECTORY_LEAF_MAGIC, EXTENT_LEAF_MAGIC,
    FINGERPRINTS, FIRST_LINE, INLINE_BYTES, INNER_MAGIC, INODE_CHUNK_MAGIC, INODE_CRC, INODE_MAGIC,
    INODE_SIZE, LINE, LINES, MAX_CHILDREN, MAX_XATTR_BLOCKS, NODE_CRC, NODE_HEADER, SUPER_CRC,
    SUPER_MAGIC, S_IFLNK, S_IFMT, XATTR_MAGIC,
};
use rdaxfs_host::{crc32c, SCRAMBLED};
use zerocopy::{FromBytes, IntoBytes};

use super::names::{hidden, Names, Scrambler, HIDDEN};

/// What stands for a byte that is not what it should be.
const OTHER: u8 = b'y';

/// What a block is, as far as its bytes say it.
pub(super) enum Kind {
    Chunk,
    Inner,
    Extents,
    Directory,
    Xattrs,
    Unknown,
}

impl Kind {
    pub(super) fn of(block: &Block) -> Self {
        let magic = |at: usize| block.get::<NodeHeader>(at).magic.get();
        match magic(0) {
            INNER_MAGIC => Self::Inner,
            EXTENT_LEAF_MAGIC => Self::Extents,
            DIRECTORY_LEAF_MAGIC => Self::Directory,
            XATTR_MAGIC => Self::Xattrs,
            INODE_CHUNK_MAGIC => Self::Chunk,
            _ if slots().any(|at| is_inode(&block.get(at))) => Self::Chunk,
            _ => Self::Unknown,
        }
    }
}

/// Where the inodes of a chunk are.
fn slots() -> impl Iterator<Item = usize> {
    (1..CHUNK_SLOTS).map(|slot| (slot * INODE_SIZE) as usize)
}

/// Whether something is an inode that fsck could keep.
fn is_inode(inode: &Inode) -> bool {
    let crc = crc32c(0, &inode.as_bytes()[INODE_CRC]);
    inode.magic.get() == INODE_MAGIC || inode.crc.get() == crc && inode.generation.get() != 0
}

/// A block of zeros with something at its start.
fn starting_with(bytes: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    block[..bytes.len()].copy_from_slice(bytes);
    block
}

/// A superblock: the label is hidden, and the hash key says that names are scrambled. Where it differs from the good one, it
/// does so in the image.
pub(super) fn superblock(block: &Block, good: &Superblock) -> Vec<u8> {
    let mut superblock: Superblock = block.get(0);
    if superblock.magic.get() != SUPER_MAGIC {
        return vec![0; BLOCK_BYTES];
    }
    let crc = |superblock: &Superblock| crc32c(0, &superblock.as_bytes()[SUPER_CRC]);
    let wrong = superblock.crc.get() ^ crc(&superblock);
    for (byte, good) in superblock.label.iter_mut().zip(good.label) {
        *byte = match *byte {
            0 => 0,
            same if same == good => HIDDEN,
            _ => OTHER,
        };
    }
    let is_same = superblock.hash_key == good.hash_key;
    let [first, second] = SCRAMBLED;
    superblock.hash_key = [first.into(), (second ^ u64::from(!is_same)).into()];
    superblock.crc.set(crc(&superblock) ^ wrong);
    starting_with(superblock.as_bytes())
}

/// A group's header.
pub(super) fn group_header(block: &Block) -> Vec<u8> {
    starting_with(block.get::<GroupHeader>(0).as_bytes())
}

/// An inode chunk. `targets` gets the blocks of targets of symbolic links, with their lengths.
pub(super) fn chunk(block: &Block, scrambler: Scrambler, targets: &mut Vec<(u64, u64)>) -> Vec<u8> {
    let known = offset_of!(InodeChunk, reserved);
    let mut made = starting_with(&block.bytes()[..known]);
    for at in slots() {
        let mut inode: Inode = block.get(at);
        if !is_inode(&inode) {
            continue;
        }
        let root = Root::from_word(inode.root.get());
        if let (S_IFLNK, Some(Root::Extents(1))) = (inode.mode.get() & S_IFMT, root) {
            let [pages, block] = [0, 8].map(|at| word(&inode.inline, at));
            let block = Extent::from_words(pages, block).block;
            targets.push((block, inode.size.get()));
        }
        scramble_inline(&mut inode, root, scrambler);
        made[at..at + INODE_SIZE as usize].copy_from_slice(inode.as_bytes());
    }
    made
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}

/// What an inode holds itself.
fn scramble_inline(inode: &mut Inode, root: Option<Root>, scrambler: Scrambler) {
    let bytes = inode.inline;
    let mut kept = match root {
        Some(Root::Target(len)) => target(&bytes[..usize::from(len)]),
        Some(Root::Extents(count)) => bytes[..usize::from(count) * size_of::<Child>()].to_vec(),
        Some(Root::Entries(len)) => entries(&bytes[..usize::from(len)], scrambler),
        Some(Root::Device) => bytes[..8].to_vec(),
        _ => Vec::new(),
    };
    let mut made = [0; INLINE_BYTES];
    if let Some(XattrRoot::Inline(mut root)) = XattrRoot::from_word(inode.xattrs.get()) {
        let entries = &bytes[root.start()..];
        // Those with a wrong checksum, which may be anything, keep none of their bytes and stay wrong.
        if root.crc == crc32c(0, entries) {
            let entries = scramble_entries(entries, scrambler);
            root.crc = crc32c(0, &entries);
            made[root.start()..].copy_from_slice(&entries);
        } else {
            root.crc = !crc32c(0, &made[root.start()..]);
        }
        inode.xattrs.set(XattrRoot::Inline(root).to_word());
        // Contents that claim their place would tell them.
        kept.truncate(root.start());
    }
    made[..kept.len()].copy_from_slice(&kept);
    inode.inline = made;
}

/// The target of a symbolic link: only its "/" and dots are left.
pub(super) fn target(bytes: &[u8]) -> Vec<u8> {
    let parts = bytes.split(|&byte| byte == b'/');
    parts.map(hidden).collect::<Vec<_>>().join(&b'/')
}

/// The entries that an inode holds.
fn entries(bytes: &[u8], scrambler: Scrambler) -> Vec<u8> {
    let mut names = Names::default();
    let mut made = Vec::new();
    let mut rest = bytes;
    while let Some((head, behind)) = rest.split_first_chunk() {
        let target = u64::from_le_bytes(*head);
        made.extend(head);
        rest = behind;
        let Some((name, behind)) = behind.split_at_checked(target_len(target)) else {
            break;
        };
        made.extend(scrambler.of_same_length(&mut names, name));
        rest = behind;
    }
    // The last one ends behind the others.
    made.extend(hidden(rest));
    made
}

/// A node's header, and whether what follows means something.
fn node_header(block: &Block) -> (NodeHeader, bool) {
    let header: NodeHeader = block.get(0);
    let crc = crc32c(0, &header.as_bytes()[NODE_CRC]);
    (header, header.crc.get() == crc)
}

/// An inner node: keys and blocks.
pub(super) fn inner(block: &Block) -> Vec<u8> {
    let (header, is_good) = node_header(block);
    let count = usize::try_from(header.word.get()).unwrap_or(usize::MAX);
    let children = if is_good { count.min(MAX_CHILDREN) } else { 0 };
    starting_with(&block.bytes()[..NODE_HEADER + children * size_of::<Child>()])
}

/// A leaf of extents: numbers only.
pub(super) fn extents(block: &Block) -> Vec<u8> {
    let (_, is_good) = node_header(block);
    let kept = if is_good { BLOCK_BYTES } else { NODE_HEADER };
    starting_with(&block.bytes()[..kept])
}

/// A leaf of a directory.
pub(super) fn directory(block: &Block, scrambler: Scrambler) -> Vec<u8> {
    let (header, is_good) = node_header(block);
    if !is_good {
        return starting_with(header.as_bytes());
    }
    let mut made = starting_with(&block.bytes()[..FINGERPRINTS + LINES]);
    let starts = header.word.get();
    let mut taken = 0;
    for line in (FIRST_LINE..LINES).filter(|line| starts >> line & 1 == 1) {
        let at = line * LINE;
        let mut head: EntryHead = block.get(at);
        let name_at = at + size_of::<EntryHead>();
        let target = head.target.get();
        let count = entry_lines(target_len(target));
        let name = block.bytes().get(name_at..name_at + target_len(target));
        let (Some(name), true) = (name, line + count <= LINES) else {
            made[at..name_at].copy_from_slice(head.as_bytes());
            continue;
        };
        let lines = (u64::MAX >> (LINES - count)) << line;
        let others = taken | starts & !(1 << line);
        let is_alone = lines & others == 0;
        let name = if is_alone {
            scrambler.in_leaf(name)
        } else {
            hidden(name)
        };
        if is_alone {
            taken |= lines;
            let target = entry_target(target_ino(target), name.len(), target_kind(target));
            head.target.set(target);
        }
        made[at..name_at].copy_from_slice(head.as_bytes());
        for (byte, at) in name.into_iter().zip(name_at..) {
            if others >> (at / LINE) & 1 == 0 {
                made[at] = byte;
            }
        }
    }
    made
}

/// The bytes of a run of attributes, as its first block says.
pub(super) fn xattrs_len(block: &Block) -> usize {
    let header: XattrHeader = block.get(0);
    let len = size_of::<XattrHeader>() + header.bytes.get() as usize;
    len.min(MAX_XATTR_BLOCKS as usize * BLOCK_BYTES)
}

/// A run of attributes. ACLs stay: they have numbers of users only, and are judged.
pub(super) fn xattrs(run: &[u8], scrambler: Scrambler) -> Vec<u8> {
    let Ok((mut header, entries)) = XattrHeader::read_from_prefix(run) else {
        return run.to_vec();
    };
    let from = offset_of!(XattrHeader, block);
    if header.crc.get() != crc32c(0, &run[from..]) {
        return header.as_bytes().to_vec();
    }
    let mut made = header.as_bytes().to_vec();
    made.extend(scramble_entries(entries, scrambler));
    made.resize(run.len(), 0);
    let crc = crc32c(0, &made[from..]);
    header.crc.set(crc);
    made[..from].copy_from_slice(&header.as_bytes()[..from]);
    made
}

/// Entries of attributes: as many bytes.
fn scramble_entries(entries: &[u8], scrambler: Scrambler) -> Vec<u8> {
    let mut made = Vec::new();
    let mut spaces: [Names; 5] = Default::default();
    let mut rest = entries;
    while let Ok((head, behind)) = XattrEntry::read_from_prefix(rest) {
        made.extend(head.as_bytes());
        let (name_len, value_len) = (
            usize::from(head.name_len.get()),
            head.value_len.get() as usize,
        );
        let Some((name, behind)) = behind.split_at_checked(name_len) else {
            break;
        };
        let Some(value) = behind.get(..value_len) else {
            break;
        };
        let space = XattrSpace::from_number(head.space.get());
        match space {
            Some(XattrSpace::System | XattrSpace::Security) => made.extend(name),
            _ => {
                let names = &mut spaces[usize::from(head.space.get()).min(4)];
                made.extend(scrambler.of_same_length(names, name));
            }
        }
        if space == Some(XattrSpace::System) {
            made.extend(value);
        } else {
            made.extend(std::iter::repeat_n(HIDDEN, value_len));
        }
        let end = made.len().next_multiple_of(8);
        made.resize(end, 0);
        rest = entries.get(end..).unwrap_or(&[]);
    }
    made.resize(entries.len(), 0);
    made
}

/// The place of a block that a symbolic link has its target in.
pub(super) fn target_range((block, size): (u64, u64)) -> (u64, usize) {
    (block_offset(block), size.min(BLOCK_BYTES as u64) as usize)
}
