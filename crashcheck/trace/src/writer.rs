// SPDX-License-Identifier: GPL-2.0

//! Writes a trace.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::record::{Record, Site};
use crate::{Range, MAGIC};

/// What a chunk holds before it is written.
const CHUNK_BYTES: usize = 1 << 18;

/// Writes records to a stream, compressed.
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    chunk: Vec<u8>,
    sites: HashMap<Site, u32>,
}

impl<W: Write> Writer<W> {
    /// Begins a trace.
    ///
    /// # Errors
    ///
    /// Those of writing, as with all functions here.
    pub fn new(mut to: W, range: Range) -> io::Result<Self> {
        to.write_all(&MAGIC)?;
        to.write_all(&range.start.to_le_bytes())?;
        to.write_all(&range.len.to_le_bytes())?;
        to.flush()?;
        Ok(Self {
            to,
            chunk: Vec::with_capacity(CHUNK_BYTES + 4096),
            sites: HashMap::new(),
        })
    }

    /// The number of a site, which is new or has been there before.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn site(&mut self, site: Site) -> io::Result<u32> {
        if let Some(&number) = self.sites.get(&site) {
            return Ok(number);
        }
        let number = self.sites.len() as u32;
        self.record(&Record::Site(site.clone()))?;
        self.sites.insert(site, number);
        Ok(number)
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        record.put(&mut self.chunk);
        if self.chunk.len() >= CHUNK_BYTES || matches!(record, Record::Marker { .. }) {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what has been collected.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.chunk.is_empty() {
            let packed = lz4_flex::block::compress_prepend_size(&self.chunk);
            self.to.write_all(&(packed.len() as u32).to_le_bytes())?;
            self.to.write_all(&packed)?;
            self.chunk.clear();
        }
        self.to.flush()
    }
}
