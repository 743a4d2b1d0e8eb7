// SPDX-License-Identifier: GPL-2.0

//! Why the superblock in block 0 cannot be used, in words for people.

use std::fmt;

use rdaxfs_core::format::{Superblock, BLOCK_SIZE, SUPER_MAGIC};
use rdaxfs_core::platform::{Digest, Medium};
use rdaxfs_core::superblock::{checksum, read_superblock};
use rdaxfs_core::Error;
use zerocopy::{FromZeros, IntoBytes};

/// Why the superblock in block 0 cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The medium has no room for a superblock, or something else is in block 0.
    NotRdaxfs,
    /// Block 0 cannot be read.
    Unreadable,
    /// The checksum is wrong.
    Checksum,
    /// It has features that this version does not know.
    Features {
        /// [`Superblock::incompat`].
        incompat: u32,
    },
    /// The medium is shorter than the volume. Both are in bytes.
    Truncated {
        /// The volume's length.
        volume: u64,
        /// The medium's length.
        medium: u64,
    },
    /// The checksum is right, and the fields contradict each other.
    Fields,
}

impl Trouble {
    /// What is the matter with the first superblock; [`None`] if it is good.
    pub fn of(medium: &(impl Medium + Digest)) -> Option<Self> {
        let error = read_superblock(medium, 0).err()?;
        let mut found = Superblock::new_zeroed();
        if medium.len() < size_of::<Superblock>() as u64 {
            return Some(Self::NotRdaxfs);
        }
        if medium.read(0, found.as_mut_bytes()).is_err() {
            return Some(Self::Unreadable);
        }
        Some(if found.magic.get() != SUPER_MAGIC {
            Self::NotRdaxfs
        } else if found.crc.get() != checksum(medium, &found) {
            Self::Checksum
        } else if error == Error::NotSupported {
            Self::Features {
                incompat: found.incompat.get(),
            }
        } else if found.blocks.get() > medium.len() / BLOCK_SIZE {
            Self::Truncated {
                volume: found.blocks.get().saturating_mul(BLOCK_SIZE),
                medium: medium.len(),
            }
        } else {
            Self::Fields
        })
    }
}

/// Follows the name of the device or file.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRdaxfs => write!(f, "is not an rdaxfs volume"),
            Self::Unreadable => write!(f, "cannot be read where the superblock is, in block 0"),
            Self::Checksum => write!(f, "has a superblock with a wrong checksum in block 0"),
            Self::Features { incompat } => write!(
                f,
                "has features that this version does not know (incompat {incompat:#x}); use a newer one"
            ),
            Self::Truncated { volume, medium } => write!(
                f,
                "is too short: the volume has {volume} bytes, and only {medium} are there; it was cut off, \
                 or copied in part: copy it again or restore its length, with all its contents"
            ),
            Self::Fields => write!(f, "has a superblock in block 0 whose fields contradict each other"),
        }
    }
}
