// SPDX-License-Identifier: GPL-2.0

//! A medium that costs what the kernel's does.

use std::sync::atomic::{AtomicU64, AtomicU8, Ordering::Relaxed};

use rdaxfs_core::format::BLOCK_SIZE;
use rdaxfs_core::platform::{Digest, Medium, Stores, CACHE_LINE};
use rdaxfs_core::{Error, Result};

use crate::{digest, nontemporal};

/// Memory of whole blocks, without poison.
///
/// For one thread that reads and writes: words are atomic, longer ranges are copied as they are.
///
/// # Invariants
///
/// The words are only changed by stores of words, and by the functions of `nontemporal` in between.
pub struct Memory {
    words: Box<[AtomicU64]>,
}

impl Memory {
    /// So many blocks, zeroed.
    #[must_use]
    pub fn new(blocks: u64) -> Self {
        let words = (0..blocks * BLOCK_SIZE / 8).map(|_| AtomicU64::new(0));
        Self {
            words: words.collect(),
        }
    }

    /// The address of a range, which lies within.
    #[inline(always)]
    fn at(&self, offset: u64, len: usize) -> Result<*mut u8> {
        let whole = self.words.len() as u64 * 8;
        match offset.checked_add(len as u64) {
            // `as_ptr` of an atomic may be written through.
            Some(end) if end <= whole => {
                let base = self.words.as_ptr().cast::<u8>().cast_mut();
                Ok(base.wrapping_add(offset as usize))
            }
            _ => Err(Error::Io),
        }
    }
}

impl Medium for Memory {
    #[inline]
    fn len(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    #[inline]
    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        let from = self.at(offset, into.len())?;
        // SAFETY: `at` says that the range is within; `into` is borrowed, so it is another one.
        unsafe { nontemporal::copy_mc(into.as_mut_ptr(), from, into.len()) };
        Ok(())
    }

    /// A load that a machine check may interrupt.
    #[inline]
    fn load_u64(&self, offset: u64) -> Result<u64> {
        let word = self.words.get((offset / 8) as usize).ok_or(Error::Io)?;
        Ok(word.load(Relaxed))
    }

    /// The device's list of bad blocks is empty: one load says so.
    #[inline]
    fn check_poison(&self, _offset: u64, _len: u64) -> Result {
        Ok(())
    }
}

impl Stores for Memory {
    #[inline]
    fn store_u64(&self, offset: u64, value: u64) {
        if let Some(word) = self.words.get((offset / 8) as usize) {
            word.store(value, Relaxed);
        }
    }

    #[inline]
    fn store_u8(&self, offset: u64, value: u8) {
        if let Ok(at) = self.at(offset, 1) {
            // SAFETY: `at` says that the byte is within; bytes and words of an atomic may be stored to in turn.
            unsafe { AtomicU8::from_ptr(at).store(value, Relaxed) };
        }
    }

    #[inline]
    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        let to = self.at(offset, bytes.len())?;
        // SAFETY: `at` says that the range is within; `bytes` is borrowed, so it is another one. The offset and
        // the length are of words, as the trait has it.
        unsafe { nontemporal::copy(to, bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    #[inline]
    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        let to = self.at(offset, len as usize)?;
        // SAFETY: As for `copy_nt`.
        unsafe { nontemporal::zero(to, len as usize) };
        Ok(())
    }

    #[inline]
    fn flush(&self, offset: u64, len: u64) {
        let mut at = offset - offset % CACHE_LINE as u64;
        while at < offset + len {
            nontemporal::flush_line();
            at += CACHE_LINE as u64;
        }
    }

    #[inline]
    fn fence(&self) {
        nontemporal::fence();
    }
}

impl Digest for Memory {
    #[inline]
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        digest::crc32c(crc, bytes)
    }

    #[inline]
    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        digest::siphash(key, bytes)
    }
}
