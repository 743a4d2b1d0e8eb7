// SPDX-License-Identifier: GPL-2.0

//! Extended attributes: all of an inode's in the inode itself, or in one run of blocks, which a change
//! replaces.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{ExtentRecord, INLINE_BYTES};

/// [`XattrHeader::magic`].
pub const XATTR_MAGIC: u32 = u32::from_le_bytes(*b"rdxX");
/// The most blocks of an inode's attributes: 64 KiB of value, and names.
pub const MAX_XATTR_BLOCKS: u64 = 32;
/// The longest value of an attribute, in bytes (`XATTR_SIZE_MAX`).
pub const MAX_XATTR_VALUE: usize = 65536;

/// The most bytes of attributes in an inode. What is left of [`Inode::inline`](super::Inode::inline) has room
/// for an extent.
pub const MAX_INLINE_XATTRS: usize = INLINE_BYTES - size_of::<ExtentRecord>();

/// Where an inode's attributes are: the word [`Inode::xattrs`](super::Inode::xattrs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrRoot {
    /// There are none; the word is 0.
    Empty,
    /// In blocks of their own.
    Run(XattrRun),
    /// In the inode.
    Inline(InlineXattrs),
}

/// A run of blocks that holds attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XattrRun {
    /// The first block.
    pub block: u64,
    /// The number of blocks, 1 to [`MAX_XATTR_BLOCKS`].
    pub count: u64,
}

/// Attributes in the last bytes of [`Inode::inline`](super::Inode::inline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlineXattrs {
    /// The bytes of the entries: a multiple of 8, 8 to [`MAX_INLINE_XATTRS`].
    pub bytes: usize,
    /// CRC-32C of the entries.
    pub crc: u32,
}

impl InlineXattrs {
    /// Where they begin in [`Inode::inline`](super::Inode::inline).
    #[must_use]
    pub const fn start(self) -> usize {
        INLINE_BYTES.saturating_sub(self.bytes)
    }
}

impl XattrRoot {
    /// The word. A run: its block in bits 0 to 47, the number of blocks in 48 to 62. In the inode: bit 63, the
    /// number of bytes in bits 32 to 39, the checksum in bits 0 to 31.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Run(run) => run.block & ((1 << 48) - 1) | (run.count & 0x7fff) << 48,
            Self::Inline(inline) => {
                1 << 63 | ((inline.bytes & 0xff) as u64) << 32 | inline.crc as u64
            }
        }
    }

    /// What a word says; [`None`] if it has no meaning.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        if word == 0 {
            return Some(Self::Empty);
        }
        if word >> 63 != 0 {
            let bytes = (word >> 32 & 0x7fff_ffff) as usize;
            let good = bytes != 0 && bytes <= MAX_INLINE_XATTRS && bytes % 8 == 0;
            return if good {
                Some(Self::Inline(InlineXattrs {
                    bytes,
                    crc: word as u32,
                }))
            } else {
                None
            };
        }
        let count = word >> 48;
        if count == 0 || count > MAX_XATTR_BLOCKS {
            return None;
        }
        Some(Self::Run(XattrRun {
            block: word & ((1 << 48) - 1),
            count,
        }))
    }

    /// The run, if the attributes are in one.
    #[must_use]
    pub const fn run(self) -> Option<XattrRun> {
        match self {
            Self::Run(run) => Some(run),
            Self::Empty | Self::Inline(_) => None,
        }
    }

    /// The bytes of [`Inode::inline`](super::Inode::inline) that are left for the inode's contents.
    #[must_use]
    pub const fn room(self) -> usize {
        match self {
            Self::Inline(inline) => inline.start(),
            Self::Empty | Self::Run(_) => INLINE_BYTES,
        }
    }
}

/// The head of the run; entries follow. Written once, before the run is reachable.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct XattrHeader {
    /// [`XATTR_MAGIC`].
    pub magic: U32,
    /// CRC-32C of the bytes from `block` to the end of the entries.
    pub crc: U32,
    /// The first block of the run.
    pub block: U64,
    /// The inode.
    pub owner: U64,
    /// That inode's generation.
    pub generation: U32,
    /// The bytes of the entries.
    pub bytes: U32,
    /// Zero.
    pub reserved: [U64; 4],
}

const _: () = assert!(size_of::<XattrHeader>() == 64);

/// The head of an attribute; name and value follow, and zeros to a multiple of 8.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct XattrEntry {
    /// The length of the value.
    pub value_len: U32,
    /// The length of the name, which is without its prefix: 1 to 255.
    pub name_len: U16,
    /// [`XattrSpace`].
    pub space: U16,
}

const _: () = assert!(size_of::<XattrEntry>() == 8);

/// The prefix of an attribute's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum XattrSpace {
    /// `user.`
    User = 1,
    /// `trusted.`
    Trusted = 2,
    /// `security.`
    Security = 3,
    /// `system.`, of which `posix_acl_access` and `posix_acl_default` are used.
    System = 4,
}

impl XattrSpace {
    /// What [`XattrEntry::space`] says.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::User),
            2 => Some(Self::Trusted),
            3 => Some(Self::Security),
            4 => Some(Self::System),
            _ => None,
        }
    }

    /// The prefix, with its dot.
    #[must_use]
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::User => b"user.",
            Self::Trusted => b"trusted.",
            Self::Security => b"security.",
            Self::System => b"system.",
        }
    }

    /// The prefix of a whole name, and the rest.
    #[must_use]
    pub fn split(name: &[u8]) -> Option<(Self, &[u8])> {
        let spaces = [Self::User, Self::Trusted, Self::Security, Self::System];
        let mut found = spaces
            .into_iter()
            .filter_map(|space| Some((space, name.strip_prefix(space.prefix())?)));
        found.next()
    }
}
