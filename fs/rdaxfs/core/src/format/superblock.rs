// SPDX-License-Identifier: GPL-2.0

//! The superblock: what the volume is. Block 0, with a copy in the volume's last block.

use zerocopy::little_endian::{U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`Superblock::magic`]: "rdaxfs" and a version that changes when nothing else can say that
/// the format did.
pub const SUPER_MAGIC: u64 = u64::from_le_bytes(*b"rdaxfs\0\x01");

/// [`Superblock::state`]: unmounted cleanly; [`Superblock::free_blocks`] holds.
pub const STATE_CLEAN: u64 = 1;
/// [`Superblock::state`]: mounted, or was when the machine stopped.
pub const STATE_MOUNTED: u64 = 2;
/// [`Superblock::state`]: damage has been met; fsck is due.
pub const STATE_DAMAGED: u64 = 3;

/// The length of [`Superblock::label`] in bytes.
pub const LABEL_BYTES: usize = 32;

/// The most journal slots of a volume.
pub const MAX_SLOTS: u32 = 64;

/// The superblock. What is before `label` is covered by `crc`, and is what the volume was made with. `label`, `bad_blocks`
/// and `retired_slots` change in transactions, in both copies. No checksum covers them: a crash between two
/// stores would leave a checksum that is wrong, and a volume that cannot be mounted.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Superblock {
    /// [`SUPER_MAGIC`].
    pub magic: U64,
    /// CRC-32C of the bytes from `compat` to before `label`.
    pub crc: U32,
    /// Features that whoever does not know them may ignore.
    pub compat: U32,
    /// Features that whoever does not know them may read beside, not write.
    pub ro_compat: U32,
    /// Features without which nothing can be understood.
    pub incompat: U32,
    /// The volume's UUID, as RFC 9562 orders its bytes.
    pub uuid: [u8; 16],
    /// Zero.
    pub reserved_early: [u8; 32],
    /// The length of the volume in blocks.
    pub blocks: U64,
    /// The root directory's inode number.
    pub root: U64,
    /// The key of directories' name hashes.
    pub hash_key: [U64; 2],
    /// Where, in blocks modulo [`CHUNK_BLOCKS`](super::CHUNK_BLOCKS), chunks start: the first block
    /// whose physical address is a multiple of 2 MiB.
    pub align_offset: U32,
    /// The number of journal slots, 1 to [`MAX_SLOTS`].
    pub slots: U32,
    /// The block of the first journal slot; each has a block.
    pub slots_at: U64,
    /// When the volume was made, as [`Time`](super::Time).
    pub created: U64,
    /// The length of an inode in bytes: [`INODE_SIZE`](super::INODE_SIZE).
    pub inode_size: U32,
    /// Zero.
    pub reserved_size: U32,
    /// Zero.
    pub reserved: U64,
    /// The volume's name, UTF-8, padded with zeros.
    pub label: [u8; LABEL_BYTES],
    /// The inode that owns the blocks which must not be used; 0: there is none.
    pub bad_blocks: U64,
    /// Bit `n`: journal slot `n` cannot be written any more and is not used. What it holds is no record.
    pub retired_slots: U64,
    /// [`STATE_CLEAN`], [`STATE_MOUNTED`] or [`STATE_DAMAGED`]; a single store.
    pub state: U64,
    /// Free blocks when the volume was unmounted; only while `state` is clean.
    pub free_blocks: U64,
    /// Inodes in use when the volume was unmounted; only while `state` is clean.
    pub inodes: U64,
    /// When it was last mounted for writing, as [`Time`](super::Time).
    pub mounted: U64,
    /// How often it was mounted for writing.
    pub mounts: U64,
    /// How many errors have been met since fsck last looked.
    pub errors: U32,
    /// What the last one was: [`ErrorKind`].
    pub error_kind: U32,
    /// When the first one was met, as [`Time`](super::Time); only if there was one.
    pub first_error: U64,
    /// When the last one was met.
    pub last_error: U64,
}

/// What an error was that [`Superblock::errors`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorKind {
    /// Metadata does not say what it must.
    Corrupt = 1,
    /// Metadata cannot be read.
    Unreadable = 2,
    /// Metadata cannot be written.
    Unwritable = 3,
    /// A journal slot has been retired.
    Journal = 4,
}

impl ErrorKind {
    /// The kind that [`Superblock::error_kind`] says.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Corrupt),
            2 => Some(Self::Unreadable),
            3 => Some(Self::Unwritable),
            4 => Some(Self::Journal),
            _ => None,
        }
    }
}

/// The bytes that [`Superblock::crc`] covers.
pub const SUPER_CRC: core::ops::Range<usize> =
    core::mem::offset_of!(Superblock, compat)..core::mem::offset_of!(Superblock, label);

/// How many bytes both copies share, from the start on.
pub const SUPER_SHARED: usize = core::mem::offset_of!(Superblock, state);

const _: () = assert!(size_of::<Superblock>() == 256);
