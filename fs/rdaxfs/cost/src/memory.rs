// SPDX-License-Identifier: GPL-2.0

//! Large media of which little is written, and what a volume on one does to it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rdaxfs_core::format::{BLOCK_BYTES, BLOCK_SIZE};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::{Error, Result};
use rdaxfs_host::{crc32c, siphash};

const BLOCK_WORDS: usize = BLOCK_BYTES / 8;

type Block = [AtomicU64; BLOCK_WORDS];

/// A medium in memory, whose blocks take memory when something is written to them, and read as zeros
/// before. Those who share it see the same bytes.
#[derive(Clone)]
pub struct Memory {
    blocks: Arc<[OnceLock<Box<Block>>]>,
}

impl Memory {
    /// A medium of so many blocks.
    #[must_use]
    pub fn new(blocks: u64) -> Self {
        Self {
            blocks: (0..blocks).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn load(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut number = [0; 8];
        file.read_exact(&mut number)?;
        let memory = Self::new(u64::from_le_bytes(number));
        let mut bytes = [0; BLOCK_BYTES];
        loop {
            file.read_exact(&mut number)?;
            let block = u64::from_le_bytes(number);
            if block == u64::MAX {
                return Ok(memory);
            }
            file.read_exact(&mut bytes)?;
            memory
                .copy_nt(block * BLOCK_SIZE, &bytes)
                .map_err(|error| io::Error::from_raw_os_error(error.errno()))?;
        }
    }

    /// Writes what has been written to it into a file.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&(self.blocks.len() as u64).to_le_bytes())?;
        for (number, block) in self.blocks.iter().enumerate() {
            let Some(words) = block.get() else { continue };
            file.write_all(&(number as u64).to_le_bytes())?;
            for word in words.iter() {
                file.write_all(&word.load(Relaxed).to_le_bytes())?;
            }
        }
        file.write_all(&u64::MAX.to_le_bytes())?;
        file.flush()
    }

    fn block(&self, offset: u64) -> Result<&OnceLock<Box<Block>>> {
        self.blocks
            .get((offset / BLOCK_SIZE) as usize)
            .ok_or(Error::Io)
    }

    /// The word at an offset, to be stored to.
    fn word(&self, offset: u64) -> Result<&AtomicU64> {
        let block = self
            .block(offset)?
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; BLOCK_WORDS]));
        Ok(&block[(offset % BLOCK_SIZE / 8) as usize])
    }
}

impl Medium for Memory {
    fn len(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK_SIZE
    }

    // Its list of bad blocks is empty.
    fn check_poison(&self, _offset: u64, _len: u64) -> Result {
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        let mut at = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let in_block = (at % BLOCK_SIZE) as usize;
            let (now, behind) = rest.split_at_mut(rest.len().min(BLOCK_BYTES - in_block));
            match self.block(at)?.get() {
                Some(words) => copy_words(words, in_block, now),
                None => now.fill(0),
            }
            at += now.len() as u64;
            rest = behind;
        }
        Ok(())
    }
}

impl Stores for Memory {
    fn store_u64(&self, offset: u64, value: u64) {
        self.word(offset)
            .expect("the core stores within the volume")
            .store(value, Relaxed);
    }

    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        for (at, bytes) in (offset..).step_by(8).zip(bytes.chunks_exact(8)) {
            let bytes = bytes.try_into().expect("the chunks have 8 bytes");
            self.word(at)?.store(u64::from_le_bytes(bytes), Relaxed);
        }
        Ok(())
    }

    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        let end = offset.checked_add(len).ok_or(Error::Io)?;
        let mut at = offset;
        while at < end {
            let next = (at - at % BLOCK_SIZE + BLOCK_SIZE).min(end);
            if let Some(words) = self.block(at)?.get() {
                let from = (at % BLOCK_SIZE / 8) as usize;
                let count = ((next - at) / 8) as usize;
                for word in &words[from..from + count] {
                    word.store(0, Relaxed);
                }
            }
            at = next;
        }
        Ok(())
    }

    fn flush(&self, _offset: u64, _len: u64) {}

    fn fence(&self) {}
}

impl Digest for Memory {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        siphash(key, bytes)
    }
}

/// Copies the bytes of a block from one on.
fn copy_words(words: &Block, from: usize, into: &mut [u8]) {
    let start = (from.next_multiple_of(8) - from).min(into.len());
    let (first, rest) = into.split_at_mut(start);
    let bytes = |word: usize| words[word].load(Relaxed).to_le_bytes();
    if start > 0 {
        first.copy_from_slice(&bytes(from / 8)[from % 8..from % 8 + start]);
    }
    let mut chunks = rest.chunks_exact_mut(8);
    let mut word = (from + start) / 8;
    for chunk in &mut chunks {
        chunk.copy_from_slice(&bytes(word));
        word += 1;
    }
    let last = chunks.into_remainder();
    if !last.is_empty() {
        last.copy_from_slice(&bytes(word)[..last.len()]);
    }
}
