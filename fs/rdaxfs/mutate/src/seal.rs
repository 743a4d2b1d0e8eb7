// SPDX-License-Identifier: GPL-2.0

//! Checksums of what has been damaged, without which everything ends at the first of them.

use std::mem::offset_of;
use std::ops::Range;

use rdaxfs_core::format::{
    GroupHeader, InodeChunk, NodeHeader, RecordHeader, XattrHeader, BLOCK_BYTES,
    DIRECTORY_LEAF_MAGIC, EXTENT_LEAF_MAGIC, GROUP_CRC, GROUP_MAGIC, INNER_MAGIC,
    INODE_CHUNK_MAGIC, INODE_CRC, INODE_MAGIC, INODE_SIZE, NODE_CRC, RECORD_ENTRY, RECORD_HEADER,
    SUPER_CRC, SUPER_MAGIC, XATTR_MAGIC,
};
use rdaxfs_host::crc32c;

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
pub(crate) fn seal(bytes: &mut [u8], block: u64) {
    let start = block as usize * BLOCK_BYTES;
    let covered = match kind(&bytes[start..]) {
        Kind::Superblock => SUPER_CRC,
        Kind::Group => GROUP_CRC,
        Kind::Chunk => {
            for slot in 1..BLOCK_BYTES / INODE_SIZE as usize {
                let at = start + slot * INODE_SIZE as usize;
                if bytes[at..at + 4] == INODE_MAGIC.to_le_bytes() {
                    put_crc(bytes, at, 4, INODE_CRC);
                }
            }
            offset_of!(InodeChunk, block)..offset_of!(InodeChunk, used)
        }
        Kind::Inner | Kind::ExtentLeaf | Kind::DirectoryLeaf => NODE_CRC,
        Kind::Xattrs => {
            let at = start + offset_of!(XattrHeader, bytes);
            let len = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("they are 4"));
            let end = size_of::<XattrHeader>() + len as usize;
            offset_of!(XattrHeader, block)..end.min(bytes.len() - start)
        }
        Kind::Other => return,
    };
    let field = match kind(&bytes[start..]) {
        Kind::Superblock => 8,
        _ => 4,
    };
    put_crc(bytes, start, field, covered);
    debug_assert_eq!(offset_of!(NodeHeader, crc), 4);
    debug_assert_eq!(offset_of!(GroupHeader, crc), 4);
}

fn put_crc(bytes: &mut [u8], start: usize, field: usize, covered: Range<usize>) {
    let crc = crc32c(0, &bytes[start + covered.start..start + covered.end]);
    bytes[start + field..start + field + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Makes a journal slot's checksum right, if its record fits the slot.
pub(crate) fn seal_record(bytes: &mut [u8], block: u64) {
    let start = block as usize * BLOCK_BYTES;
    let (header, entries) = bytes[start..start + BLOCK_BYTES].split_at_mut(RECORD_HEADER);
    let at = offset_of!(RecordHeader, count);
    let count = u32::from_le_bytes(header[at..at + 4].try_into().expect("they are 4"));
    let Some(entries) = entries.get(..(count as usize).saturating_mul(RECORD_ENTRY)) else {
        return;
    };
    let crc = crc32c(crc32c(0, &header[..8]), &header[at..at + 4]);
    let crc = crc32c(crc, entries);
    let at = offset_of!(RecordHeader, crc);
    header[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}
