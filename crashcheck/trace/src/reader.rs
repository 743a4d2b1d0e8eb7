// SPDX-License-Identifier: GPL-2.0

//! Reads a trace.

use std::fmt;
use std::io::{self, Read};

use crate::record::Record;
use crate::{Range, MAGIC};

/// No chunk is larger: a length beyond it is damage, not a reason to ask for memory.
const LARGEST_CHUNK: u32 = 1 << 26;

/// Why a trace cannot be read.
#[derive(Debug)]
pub enum Error {
    /// Reading failed.
    Io(io::Error),
    /// It does not begin as a trace does.
    NotATrace,
    /// It is one of another version of the format.
    Version(u8),
    /// It ends within a chunk: the machine was switched off while the chunk was written.
    Cut,
    /// A chunk is not what the writer writes.
    Damaged {
        /// The chunk's number, from 0.
        chunk: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the trace cannot be read: {error}"),
            Self::NotATrace => f.write_str("it is not a trace: it does not begin with 'rpmtrac'"),
            Self::Version(version) => write!(
                f,
                "the trace has version {version} of the format, and this program reads {}: record it again",
                MAGIC[7]
            ),
            Self::Cut => f.write_str(
                "the trace ends within a chunk: the machine was switched off while it was written; record it again",
            ),
            Self::Damaged { chunk } => {
                write!(f, "chunk {chunk} of the trace is damaged: record it again")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the records of a trace, one after the other.
#[derive(Debug)]
pub struct Reader<R: Read> {
    from: R,
    range: Range,
    chunk: Vec<u8>,
    at: usize,
    chunks: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning.
    ///
    /// # Errors
    ///
    /// If it is not a trace, or cannot be read.
    pub fn new(mut from: R) -> Result<Self, Error> {
        let mut head = [0; 24];
        let mut have = 0;
        while have < head.len() {
            match from.read(&mut head[have..])? {
                0 => return Err(Error::NotATrace),
                more => have += more,
            }
        }
        if head[..7] != MAGIC[..7] {
            return Err(Error::NotATrace);
        }
        if head[7] != MAGIC[7] {
            return Err(Error::Version(head[7]));
        }
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| head[at + byte]));
        Ok(Self {
            from,
            range: Range {
                start: number(8),
                len: number(16),
            },
            chunk: Vec::new(),
            at: 0,
            chunks: 0,
        })
    }

    /// What was watched.
    #[must_use]
    pub fn range(&self) -> Range {
        self.range
    }

    /// The next chunk; whether there is one.
    fn next_chunk(&mut self) -> Result<bool, Error> {
        let mut len = [0; 4];
        let mut have = 0;
        while have < len.len() {
            match self.from.read(&mut len[have..])? {
                0 if have == 0 => return Ok(false),
                0 => return Err(Error::Cut),
                more => have += more,
            }
        }
        let damaged = Error::Damaged { chunk: self.chunks };
        let len = u32::from_le_bytes(len);
        if len > LARGEST_CHUNK {
            return Err(damaged);
        }
        let mut packed = Vec::new();
        (&mut self.from).take(len.into()).read_to_end(&mut packed)?;
        if packed.len() < len as usize {
            return Err(Error::Cut);
        }
        let size = packed.get(..4).and_then(|size| size.try_into().ok());
        if size.is_none_or(|size| u32::from_le_bytes(size) > LARGEST_CHUNK) {
            return Err(damaged);
        }
        let Ok(chunk) = lz4_flex::block::decompress_size_prepended(&packed) else {
            return Err(damaged);
        };
        (self.chunk, self.at) = (chunk, 0);
        self.chunks += 1;
        Ok(true)
    }

    fn try_next(&mut self) -> Result<Option<Record>, Error> {
        while self.at == self.chunk.len() {
            if !self.next_chunk()? {
                return Ok(None);
            }
        }
        let mut rest = &self.chunk[self.at..];
        let record = Record::take(&mut rest).ok_or(Error::Damaged {
            chunk: self.chunks - 1,
        })?;
        self.at = self.chunk.len() - rest.len();
        Ok(Some(record))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}
