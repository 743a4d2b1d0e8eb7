// SPDX-License-Identifier: GPL-2.0

//! Reading a volume, whatever it holds.

use rdaxfs_core::format::{block_offset, group_of, groups_of, Superblock, BLOCK_BYTES};
use rdaxfs_core::platform::{Digest, Medium};
use rdaxfs_core::{Error, Result};
use zerocopy::{FromBytes, IntoBytes};

/// A volume that is read, with its superblock.
pub struct Image<'m, M> {
    medium: &'m M,
    /// The superblock by which all else is judged.
    pub superblock: Superblock,
}

impl<'m, M: Medium + Digest> Image<'m, M> {
    /// The volume on a medium. The superblock must have been judged.
    pub fn new(medium: &'m M, superblock: Superblock) -> Self {
        Self { medium, superblock }
    }

    /// The medium.
    pub fn medium(&self) -> &'m M {
        self.medium
    }

    /// The volume's length in blocks.
    pub fn blocks(&self) -> u64 {
        self.superblock.blocks.get()
    }

    /// The number of groups.
    pub fn groups(&self) -> u32 {
        groups_of(self.blocks())
    }

    /// Reads bytes of the volume.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] beyond its end, [`Error::Io`] where the medium cannot be read.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        let end = offset
            .checked_add(into.len() as u64)
            .ok_or(Error::Corrupt)?;
        if end > block_offset(self.blocks()) {
            return Err(Error::Corrupt);
        }
        self.medium.read(offset, into)
    }

    /// Reads a structure.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn get<T: FromBytes + IntoBytes>(&self, offset: u64) -> Result<T> {
        let mut value = T::new_zeroed();
        self.read(offset, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Reads a block.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn block(&self, block: u64) -> Result<Block> {
        let mut bytes = Block(vec![0; BLOCK_BYTES]);
        self.read(block_offset(block), &mut bytes.0)?;
        Ok(bytes)
    }

    /// Whether adjacent blocks are of one group, and not of its head.
    pub fn is_run(&self, block: u64, count: u64) -> bool {
        let Some(end) = block.checked_add(count) else {
            return false;
        };
        count > 0
            && end <= self.blocks()
            && group_of(block) == group_of(end - 1)
            && group_of(block) < self.groups()
            && block >= rdaxfs_core::format::group_body(group_of(block))
    }

    /// CRC-32C.
    pub fn crc(&self, bytes: &[u8]) -> u32 {
        self.medium.crc32c(0, bytes)
    }

    /// The hash of a directory entry's name.
    pub fn hash(&self, name: &[u8]) -> u64 {
        let [first, second] = &self.superblock.hash_key;
        self.medium.siphash(&[first.get(), second.get()], name)
    }
}

/// A block's bytes.
pub struct Block(Vec<u8>);

impl Block {
    /// A word at a multiple of 8.
    pub fn word(&self, at: usize) -> u64 {
        let bytes = self
            .0
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        u64::from_le_bytes(bytes.expect("the place is within the block"))
    }

    /// A structure.
    pub fn get<T: FromBytes + IntoBytes>(&self, at: usize) -> T {
        let mut value = T::new_zeroed();
        let len = size_of::<T>();
        value.as_mut_bytes().copy_from_slice(&self.0[at..at + len]);
        value
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
