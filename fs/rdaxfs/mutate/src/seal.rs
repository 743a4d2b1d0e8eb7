// SPDX-License-Identifier: GPL-2.0

//! Checksums of what has been damaged, without which everything ends at the first of them.

use std::mem::offset_of;
use std::ops::Range;

use rdaxfs_core::format::{
    block_offset, GroupHeader, InlineXattrs, Inode, InodeChunk, NodeHeader, RecordHeader,
    XattrHeader, XattrRoot, CHUNK_SLOTS, DIRECTORY_LEAF_MAGIC, EXTENT_LEAF_MAGIC, GROUP_CRC,
    GROUP_MAGIC, INNER_MAGIC, INODE_CHUNK_MAGIC, INODE_CRC, INODE_MAGIC, INODE_SIZE,
    MAX_XATTR_VALUE, NODE_CRC, RECORD_ENTRY, RECORD_HEADER, SUPER_CRC, SUPER_MAGIC, XATTR_MAGIC,
};
use rdaxfs_host::crc32c;

use crate::Memory;

/// What a block says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Superblock,
    Group,
    Chunk,
    Inner,
    ExtentLeaf,
    DirectoryLeaf,
    Xattrs,
    Other,
}

pub(crate) fn kind(block: &[u8]) -> Kind {
    if u64::from_le_bytes(block[..8].try_into().expect("they are 8")) == SUPER_MAGIC {
        return Kind::Superblock;
    }
    match u32::from_le_bytes(block[..4].try_into().expect("they are 4")) {
        GROUP_MAGIC => Kind::Group,
        INODE_CHUNK_MAGIC => Kind::Chunk,
        INNER_MAGIC => Kind::Inner,
        EXTENT_LEAF_MAGIC => Kind::ExtentLeaf,
        DIRECTORY_LEAF_MAGIC => Kind::DirectoryLeaf,
        XATTR_MAGIC => Kind::Xattrs,
        _ => Kind::Other,
    }
}

/// Makes the checksums right of a block that says what it is.
pub fn seal(medium: &Memory, block: u64) {
    let start = block_offset(block);
    let kind = kind(&medium.block(block));
    let covered = match kind {
        Kind::Superblock => SUPER_CRC,
        Kind::Group => GROUP_CRC,
        Kind::Chunk => {
            for slot in 1..CHUNK_SLOTS {
                let at = start + slot * INODE_SIZE;
                if medium.word(at) as u32 == INODE_MAGIC {
                    put_crc(medium, at, 4, INODE_CRC);
                    seal_xattrs(medium, at);
                }
            }
            offset_of!(InodeChunk, block)..offset_of!(InodeChunk, used)
        }
        Kind::Inner | Kind::ExtentLeaf | Kind::DirectoryLeaf => NODE_CRC,
        Kind::Xattrs => {
            let at = offset_of!(XattrHeader, bytes);
            let len = (medium.word(start + at as u64 - 4) >> 32) as usize;
            let end = size_of::<XattrHeader>() + len.min(MAX_XATTR_VALUE * 2);
            offset_of!(XattrHeader, block)..end
        }
        Kind::Other => return,
    };
    let field = match kind {
        Kind::Superblock => 8,
        _ => 4,
    };
    put_crc(medium, start, field, covered);
    debug_assert_eq!(offset_of!(NodeHeader, crc), 4);
    debug_assert_eq!(offset_of!(GroupHeader, crc), 4);
    debug_assert_eq!(offset_of!(XattrHeader, bytes) % 8, 4);
}

/// Makes the checksum right of the attributes in the inode at a byte offset.
fn seal_xattrs(medium: &Memory, inode: u64) {
    let field = inode + offset_of!(Inode, xattrs) as u64;
    let Some(XattrRoot::Inline(inline)) = XattrRoot::from_word(medium.word(field)) else {
        return;
    };
    let start = inode + (offset_of!(Inode, inline) + inline.start()) as u64;
    let crc = crc32c(0, &medium.bytes(start, inline.bytes));
    let root = XattrRoot::Inline(InlineXattrs { crc, ..inline });
    medium.put(field, &root.to_word().to_le_bytes());
}

fn put_crc(medium: &Memory, start: u64, field: u64, covered: Range<usize>) {
    let crc = crc32c(
        0,
        &medium.bytes(start + covered.start as u64, covered.len()),
    );
    medium.put(start + field, &crc.to_le_bytes());
}

/// Makes a journal slot's checksum right, if its record fits the slot.
pub fn seal_record(medium: &Memory, block: u64) {
    let slot = medium.block(block);
    let (header, entries) = slot.split_at(RECORD_HEADER);
    let at = offset_of!(RecordHeader, count);
    let count = u32::from_le_bytes(header[at..at + 4].try_into().expect("they are 4"));
    let Some(entries) = entries.get(..(count as usize).saturating_mul(RECORD_ENTRY)) else {
        return;
    };
    let crc = crc32c(crc32c(0, &header[..8]), &header[at..at + 4]);
    let crc = crc32c(crc, entries);
    let at = offset_of!(RecordHeader, crc) as u64;
    medium.put(block_offset(block) + at, &crc.to_le_bytes());
}
