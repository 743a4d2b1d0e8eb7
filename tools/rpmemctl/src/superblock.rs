// SPDX-License-Identifier: GPL-2.0

//! What the superblock of ext4 or XFS says that matters for DAX.
//!
//! Formats: `Documentation/filesystems/ext4/super.rst`; `struct xfs_dsb` in
//! `fs/xfs/libxfs/xfs_format.h`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file system on a device, mounted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Superblock {
    /// ext2, ext3 or ext4.
    Ext4 {
        /// Bytes of a block.
        block_size: u64,
        /// Whether small files may be kept in their inodes.
        inline_data: bool,
        /// Blocks that large files are laid out by; 0 for none.
        stripe: u32,
        /// The device of the journal, as `new_encode_dev()` has it; 0 if it is on this one or there is none.
        journal: u32,
    },
    /// XFS.
    Xfs {
        /// Bytes of a block.
        block_size: u64,
        /// Whether files may share blocks.
        reflink: bool,
        /// Blocks that large files are laid out by; 0 for none.
        stripe: u32,
    },
}

/// How many bytes hold what is looked for.
const LENGTH: usize = 2048;

impl Superblock {
    /// That of a device; `None` if it has neither.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn of(node: &Path) -> io::Result<Option<Self>> {
        let mut bytes = [0; LENGTH];
        File::open(node)?.read_exact_at(&mut bytes, 0)?;
        Ok(Self::parse(&bytes))
    }

    /// That in the first bytes of a device.
    pub fn parse(bytes: &[u8; LENGTH]) -> Option<Self> {
        let little = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let big = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes.starts_with(b"XFSB") {
            return Some(Self::Xfs {
                block_size: big(4).into(),
                // sb_features_ro_compat, XFS_SB_FEAT_RO_COMPAT_REFLINK
                reflink: big(212) & 0x4 != 0,
                // sb_unit
                stripe: big(184),
            });
        }
        let ext4 = 1024;
        if bytes[ext4 + 56..ext4 + 58] == [0x53, 0xef] {
            return Some(Self::Ext4 {
                // s_log_block_size
                block_size: 1024u64.checked_shl(little(ext4 + 24)).unwrap_or(0),
                // s_feature_incompat, EXT4_FEATURE_INCOMPAT_INLINE_DATA
                inline_data: little(ext4 + 96) & 0x8000 != 0,
                // s_raid_stripe_width
                stripe: little(ext4 + 368),
                // s_journal_dev, which counts if there is no s_journal_inum.
                journal: if little(ext4 + 0xe0) == 0 {
                    little(ext4 + 0xe4)
                } else {
                    0
                },
            });
        }
        None
    }

    /// The name of the type.
    pub fn file_system(&self) -> &'static str {
        match self {
            Self::Ext4 { .. } => "ext4",
            Self::Xfs { .. } => "xfs",
        }
    }

    /// Bytes that large files are laid out by; 0 for none.
    pub fn stripe(&self) -> u64 {
        match self {
            Self::Ext4 { stripe, .. } | Self::Xfs { stripe, .. } => {
                self.block_size() * u64::from(*stripe)
            }
        }
    }

    /// Bytes of a block.
    pub fn block_size(&self) -> u64 {
        match self {
            Self::Ext4 { block_size, .. } | Self::Xfs { block_size, .. } => *block_size,
        }
    }
}

/// Whether an f2fs is on several devices, of which this is the first (`struct f2fs_super_block` in
/// `include/linux/f2fs_fs.h`).
///
/// # Errors
///
/// If the device cannot be read.
pub fn f2fs_has_members(node: &Path) -> io::Result<bool> {
    let mut bytes = [0; F2FS_MEMBERS + 1];
    File::open(node)?.read_exact_at(&mut bytes, 0)?;
    Ok(names_members(&bytes))
}

/// Where the path of the first device is, which mkfs.f2fs only writes if there are several.
const F2FS_MEMBERS: usize = 1024 + 2201;

fn names_members(bytes: &[u8; F2FS_MEMBERS + 1]) -> bool {
    bytes[1024..].starts_with(&[0x10, 0x20, 0xf5, 0xf2]) && bytes[F2FS_MEMBERS] != 0
}

#[cfg(test)]
mod tests {
    use super::{names_members, Superblock, F2FS_MEMBERS, LENGTH};

    #[test]
    fn members_of_f2fs() {
        let mut bytes = [0; F2FS_MEMBERS + 1];
        bytes[F2FS_MEMBERS] = b'/';
        assert!(!names_members(&bytes));
        bytes[1024..1028].copy_from_slice(&[0x10, 0x20, 0xf5, 0xf2]);
        assert!(names_members(&bytes));
        bytes[F2FS_MEMBERS] = 0;
        assert!(!names_members(&bytes));
    }

    #[test]
    fn tells_the_two_apart() {
        let mut bytes = [0; LENGTH];
        assert_eq!(Superblock::parse(&bytes), None);
        bytes[1024 + 56] = 0x53;
        bytes[1024 + 57] = 0xef;
        bytes[1024 + 24] = 2;
        bytes[1024 + 97] = 0x80;
        bytes[1024 + 0x171] = 2;
        let ext4 = Superblock::Ext4 {
            block_size: 4096,
            inline_data: true,
            stripe: 512,
            journal: 0,
        };
        assert_eq!(Superblock::parse(&bytes), Some(ext4));
        bytes[1024 + 0xe4..1024 + 0xe6].copy_from_slice(&[1, 3]);
        let with_journal = Superblock::parse(&bytes);
        assert!(matches!(
            with_journal,
            Some(Superblock::Ext4 { journal: 0x301, .. })
        ));
        bytes[1024 + 0xe0] = 8;
        assert_eq!(Superblock::parse(&bytes), Some(ext4));
        bytes[..4].copy_from_slice(b"XFSB");
        bytes[6] = 0x10;
        let xfs = Superblock::Xfs {
            block_size: 4096,
            reflink: false,
            stripe: 0,
        };
        assert_eq!(Superblock::parse(&bytes), Some(xfs));
        bytes[184 + 2] = 2;
        assert_eq!(Superblock::parse(&bytes).unwrap().stripe(), 2 << 20);
    }
}
