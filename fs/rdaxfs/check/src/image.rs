// SPDX-License-Identifier: GPL-2.0

//! Reading a volume, whatever it holds.

use rdaxfs_core::format::{block_offset, group_of, groups_of, Superblock, BLOCK_BYTES};
use rdaxfs_core::platform::{Digest, Medium, CACHE_LINE};
use rdaxfs_core::{Error, Result};
use zerocopy::{FromBytes, IntoBytes};

use crate::finding::{Finding, Problem, Word};
use crate::survey::Survey;

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

    /// Reads a block, or what can be read of it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] beyond the volume's end, [`Error::Io`] if nothing can be read.
    pub fn block(&self, block: u64) -> Result<Block> {
        let mut found = Block {
            bytes: vec![0; BLOCK_BYTES],
            lost: 0,
        };
        let start = block_offset(block);
        let Err(error) = self.read(start, &mut found.bytes) else {
            return Ok(found);
        };
        let lines = found.bytes.chunks_exact_mut(CACHE_LINE);
        for (line, bytes) in lines.enumerate() {
            if self
                .read(start + (line * CACHE_LINE) as u64, bytes)
                .is_err()
            {
                bytes.fill(0);
                found.lost |= 1 << line;
            }
        }
        if found.lost == u64::MAX {
            return Err(error);
        }
        Ok(found)
    }

    /// Judges the lines of a block from a byte on, which nobody reads.
    pub(crate) fn judge_rest(
        &self,
        survey: &mut Survey,
        (block, from): (u64, usize),
        problem: Problem,
    ) {
        let rest = (
            block_offset(block) + from as u64,
            (BLOCK_BYTES - from) as u64,
        );
        if self.medium.check_poison(rest.0, rest.1).is_ok() {
            return;
        }
        if let Ok(found) = self.block(block) {
            survey.add(Finding::words(problem, found.readable_words(block)));
        }
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

/// A block's bytes, with zeros in the lines that cannot be read.
pub struct Block {
    bytes: Vec<u8>,
    /// A bit for each line that cannot be read.
    lost: u64,
}

impl Block {
    /// A bit for each line that cannot be read.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether the byte there cannot be read.
    pub const fn is_lost(&self, at: usize) -> bool {
        self.lost >> (at / CACHE_LINE) & 1 == 1
    }

    /// What makes the whole of it readable, which is that block: a word in each line that cannot be read.
    pub(crate) fn readable_words(&self, block: u64) -> Vec<Word> {
        (0..BLOCK_BYTES)
            .step_by(CACHE_LINE)
            .filter(|&at| self.is_lost(at))
            .map(|at| (block_offset(block) + at as u64, 0))
            .collect()
    }

    /// A word at a multiple of 8.
    pub fn word(&self, at: usize) -> u64 {
        let bytes = self
            .bytes
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        u64::from_le_bytes(bytes.expect("the place is within the block"))
    }

    /// A structure.
    pub fn get<T: FromBytes + IntoBytes>(&self, at: usize) -> T {
        let mut value = T::new_zeroed();
        let len = size_of::<T>();
        value
            .as_mut_bytes()
            .copy_from_slice(&self.bytes[at..at + len]);
        value
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
