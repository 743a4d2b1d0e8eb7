// SPDX-License-Identifier: GPL-2.0

//! Inodes, and the blocks ("inode chunks") that hold 15 of them.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{block_offset, BLOCK_SIZE};

/// [`Inode::magic`].
pub const INODE_MAGIC: u32 = u32::from_le_bytes(*b"rdxI");
/// [`InodeChunk::magic`].
pub const INODE_CHUNK_MAGIC: u32 = u32::from_le_bytes(*b"rdxC");
/// The length of an inode in bytes.
pub const INODE_SIZE: u64 = 256;
/// The slots of an inode chunk. Slot 0 is its header.
pub const CHUNK_SLOTS: u64 = BLOCK_SIZE / INODE_SIZE;
/// [`InodeChunk::used`] when every inode is in use.
pub const CHUNK_FULL: u64 = (1 << CHUNK_SLOTS) - 2;
/// The bytes of an inode that hold extents, a symbolic link's target or a directory's entries, and small attributes.
pub const INLINE_BYTES: usize = 96;

/// The number of the inode in `slot` of the inode chunk at `block`.
#[must_use]
pub const fn inode_number(block: u64, slot: u64) -> u64 {
    block * CHUNK_SLOTS + slot
}

/// The block of an inode.
#[must_use]
#[inline]
pub const fn inode_block(ino: u64) -> u64 {
    ino / CHUNK_SLOTS
}

/// The slot of an inode.
#[must_use]
#[inline]
pub const fn inode_slot(ino: u64) -> u64 {
    ino % CHUNK_SLOTS
}

/// The byte offset of an inode.
#[must_use]
#[inline]
pub const fn inode_offset(ino: u64) -> u64 {
    block_offset(inode_block(ino)) + inode_slot(ino) * INODE_SIZE
}

/// The first slot of an inode chunk. All but `magic` to `block` change in transactions, under the
/// group's lock.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InodeChunk {
    /// [`INODE_CHUNK_MAGIC`].
    pub magic: U32,
    /// CRC-32C of `block`.
    pub crc: U32,
    /// The block that this is.
    pub block: U64,
    /// Bit `n`: slot `n` is in use.
    pub used: U64,
    /// The next block on the group's list of chunks with a free inode; 0: the last, or not listed.
    pub next: U64,
    /// The previous block on that list; 0: the first, or not listed.
    pub prev: U64,
    /// Zero.
    pub reserved: [U64; 27],
}

/// The first line of an [`InodeChunk`]: all of it that means something.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ChunkHead {
    /// As [`InodeChunk::magic`].
    pub magic: U32,
    /// As [`InodeChunk::crc`].
    pub crc: U32,
    /// As [`InodeChunk::block`].
    pub block: U64,
    /// As [`InodeChunk::used`].
    pub used: U64,
    /// As [`InodeChunk::next`].
    pub next: U64,
    /// As [`InodeChunk::prev`].
    pub prev: U64,
}

/// An inode. `magic` to `btime` change together with `crc`; the rest are words of their own. What an
/// append changes is in one line: `size` to the first extent of `inline`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Inode {
    /// [`INODE_MAGIC`].
    pub magic: U32,
    /// CRC-32C of the bytes from `ino` to before `xattrs`.
    pub crc: U32,
    /// This inode's number.
    pub ino: U64,
    /// Which of the inodes that had this number; never 0.
    pub generation: U32,
    /// Type and permissions, as `st_mode`.
    pub mode: U16,
    /// Zero.
    pub reserved: U16,
    /// The owner.
    pub uid: U32,
    /// The owning group.
    pub gid: U32,
    /// The project.
    pub project: U32,
    /// `FS_*_FL` of `include/uapi/linux/fs.h`.
    pub flags: U32,
    /// Flags of rdaxfs's own: [`OWN_BAD_BLOCKS`].
    pub own_flags: U32,
    /// Zero.
    pub reserved_flags: U32,
    /// When the inode was made, as [`Time`](super::Time).
    pub btime: U64,
    /// Extended attributes: [`XattrRoot`](super::XattrRoot); 0: none. Under the attributes' lock.
    pub xattrs: U64,
    /// The file's size in bytes; of a directory 0 or the length of its blocks.
    pub size: U64,
    /// The blocks that belong to the inode: data, extent and directory nodes, attributes.
    pub blocks: U64,
    /// Last change of the contents, as [`Time`](super::Time).
    pub mtime: U64,
    /// Last change of the inode.
    pub ctime: U64,
    /// The number of names; of a directory 2 and its subdirectories; 0: an orphan.
    pub links: U32,
    /// Zero, and kept by those who change `links`, which is in the same word.
    pub reserved_links: U32,
    /// What `inline` or the blocks hold: [`Root`](super::Root).
    pub root: U64,
    /// Extents, a target, entries or a device's number, as `root` says. Attributes, as `xattrs` says, at its end.
    pub inline: [u8; INLINE_BYTES],
    /// Last access, as [`Time`](super::Time).
    pub atime: U64,
    /// Of a directory: its parent.
    pub parent: U64,
    /// The next inode on the group's list of orphans and intents; under the group's lock.
    pub orphan_next: U64,
    /// The previous one; the inode's own number if it is listed as the first; 0: not listed.
    pub orphan_prev: U64,
    /// What is still to do, and for which pages: [`IntentWords`].
    pub intent: [U64; 2],
}

/// In [`Inode::own_flags`]: the inode owns blocks that must not be used. [`Superblock`](super::Superblock) names it.
pub const OWN_BAD_BLOCKS: u32 = 1;

/// The bytes that [`Inode::crc`] covers.
pub const INODE_CRC: core::ops::Range<usize> =
    core::mem::offset_of!(Inode, ino)..core::mem::offset_of!(Inode, xattrs);

/// What a word that has [`Inode::links`] says of them.
#[must_use]
pub const fn links_of(word: u64) -> u32 {
    word as u32
}

/// A word that has [`Inode::links`], with so many.
#[must_use]
pub const fn with_links(word: u64, links: u32) -> u64 {
    word & !0xffff_ffff | links as u64
}

const _: () = assert!(size_of::<InodeChunk>() == INODE_SIZE as usize);
const _: () = assert!(size_of::<Inode>() == INODE_SIZE as usize);

/// The type bits of [`Inode::mode`].
pub const S_IFMT: u16 = 0o170_000;
/// A fifo.
pub const S_IFIFO: u16 = 0o010_000;
/// A character device.
pub const S_IFCHR: u16 = 0o020_000;
/// A directory.
pub const S_IFDIR: u16 = 0o040_000;
/// A block device.
pub const S_IFBLK: u16 = 0o060_000;
/// A regular file.
pub const S_IFREG: u16 = 0o100_000;
/// A symbolic link.
pub const S_IFLNK: u16 = 0o120_000;
/// A socket.
pub const S_IFSOCK: u16 = 0o140_000;

/// The type of a directory entry (`DT_*`) for a mode; 0 if the mode has no such type.
#[must_use]
pub const fn entry_type(mode: u16) -> u8 {
    match mode & S_IFMT {
        S_IFIFO | S_IFCHR | S_IFDIR | S_IFBLK | S_IFREG | S_IFLNK | S_IFSOCK => (mode >> 12) as u8,
        _ => 0,
    }
}

/// What is left to do for an inode on the list of orphans and intents. Any of them is done again
/// from where it is found, until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Intent {
    /// Free the blocks of the pages (truncate, punching a hole).
    Free = 1,
    /// Make the extents of the pages unwritten (zeroing a range).
    Unwrite = 2,
    /// Move pages towards the start (collapsing a range): with the numbers `from` and `by`, pages from
    /// `from` on are still to move by `by`. The pages before `from`, `by` of them, are a hole or still to be
    /// freed.
    Collapse = 3,
    /// Move pages towards the end (inserting a range): with the numbers `at`, `by` and `last`, pages
    /// from `at` to `last` are still to move by `by`; those behind have moved.
    Insert = 4,
}

impl Intent {
    /// The intent with that number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Free),
            2 => Some(Self::Unwrite),
            3 => Some(Self::Collapse),
            4 => Some(Self::Insert),
            _ => None,
        }
    }
}

/// The words [`Inode::intent`]: which [`Intent`], and up to three numbers of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntentWords {
    /// Which [`Intent`]; 0: there is nothing to do.
    pub kind: u32,
    /// The pages that it is about: the first and the last one; the third is for intents that move pages.
    pub pages: [u32; 3],
}

impl IntentWords {
    /// The words.
    #[must_use]
    pub const fn to_words(self) -> [u64; 2] {
        let [first, second, third] = self.pages;
        [
            self.kind as u64 | (first as u64) << 32,
            second as u64 | (third as u64) << 32,
        ]
    }

    /// What two words say.
    #[must_use]
    #[inline]
    pub const fn from_words([one, two]: [u64; 2]) -> Self {
        Self {
            kind: one as u32,
            pages: [(one >> 32) as u32, two as u32, (two >> 32) as u32],
        }
    }
}

impl Inode {
    /// What is still to do.
    #[must_use]
    pub const fn intent(&self) -> IntentWords {
        let [one, two] = &self.intent;
        IntentWords::from_words([one.get(), two.get()])
    }
}
