// SPDX-License-Identifier: GPL-2.0

//! Extended attributes: all of an inode's in one run of blocks, which a change replaces.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`XattrHeader::magic`].
pub const XATTR_MAGIC: u32 = u32::from_le_bytes(*b"rdxX");
/// The most blocks of an inode's attributes: 64 KiB of value, and names.
pub const MAX_XATTR_BLOCKS: u64 = 32;
/// The longest value of an attribute, in bytes (`XATTR_SIZE_MAX`).
pub const MAX_XATTR_VALUE: usize = 65536;

/// Where an inode's attributes are: the word [`Inode::xattrs`](super::Inode::xattrs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XattrRoot {
    /// The first block.
    pub block: u64,
    /// The number of blocks, 1 to [`MAX_XATTR_BLOCKS`].
    pub count: u64,
}

impl XattrRoot {
    /// The word: block in bits 0 to 47, number in 48 to 63.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.block & ((1 << 48) - 1) | self.count << 48
    }

    /// What a word other than 0 says; [`None`] if the number is out of range.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        let count = word >> 48;
        if count == 0 || count > MAX_XATTR_BLOCKS {
            return None;
        }
        Some(Self {
            block: word & ((1 << 48) - 1),
            count,
        })
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
