// SPDX-License-Identifier: GPL-2.0

//! A medium in ordinary memory.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::{Error, Result};

use crate::digest;

/// A medium in ordinary memory, for tests: what is stored is there at once.
pub struct Dram {
    words: Vec<AtomicU64>,
}

impl Dram {
    /// A medium of `len` bytes (a multiple of 8), filled with a pattern that is neither zero nor
    /// anything that the file system writes, so that what is read by mistake shows.
    #[must_use]
    pub fn new(len: u64) -> Self {
        let words = usize::try_from(len / 8).expect("the medium fits the address space");
        Self {
            words: (0..words)
                .map(|_| AtomicU64::new(0xa5a5_5a5a_c3c3_3c3c))
                .collect(),
        }
    }

    /// Its length in blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.len() / BLOCK_SIZE
    }

    fn words(&self, offset: u64, len: u64) -> Result<&[AtomicU64]> {
        assert!(
            offset % 8 == 0 && len % 8 == 0,
            "{offset:#x}+{len:#x} is not a run of words"
        );
        let start = (offset / 8) as usize;
        self.words
            .get(start..start + (len / 8) as usize)
            .ok_or(Error::Io)
    }
}

impl Medium for Dram {
    fn len(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    // It has no poison.
    fn check_poison(&self, _offset: u64, _len: u64) -> Result {
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        // What is before the first whole word, the whole words, and what is behind.
        let start = (offset.next_multiple_of(8) - offset).min(into.len() as u64) as usize;
        let (first, rest) = into.split_at_mut(start);
        if start > 0 {
            let word = self.words.get((offset / 8) as usize).ok_or(Error::Io)?;
            let from = (offset % 8) as usize;
            first.copy_from_slice(&word.load(Relaxed).to_le_bytes()[from..from + start]);
        }
        let at = ((offset + start as u64) / 8) as usize;
        let words = self.words.get(at..at + rest.len().div_ceil(8));
        for (word, bytes) in words.ok_or(Error::Io)?.iter().zip(rest.chunks_mut(8)) {
            let word = word.load(Relaxed).to_le_bytes();
            match <&mut [u8; 8]>::try_from(&mut *bytes) {
                Ok(bytes) => *bytes = word,
                Err(_) => bytes.copy_from_slice(&word[..bytes.len()]),
            }
        }
        Ok(())
    }
}

impl Stores for Dram {
    fn store_u64(&self, offset: u64, value: u64) {
        self.words(offset, 8)
            .expect("the core stores within the volume")[0]
            .store(value, Relaxed);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        let words = self.words(offset, bytes.len() as u64)?;
        for (word, bytes) in words.iter().zip(bytes.chunks_exact(8)) {
            let bytes = bytes.try_into().expect("the chunks have 8 bytes");
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
        Ok(())
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        for word in self.words(offset, len)? {
            word.store(0, Relaxed);
        }
        Ok(())
    }

    fn flush(&self, _offset: u64, _len: u64) {}

    fn fence(&self) {}
}

impl Digest for Dram {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        digest::crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        digest::siphash(key, bytes)
    }
}
