// SPDX-License-Identifier: GPL-2.0

//! A [`Recorder`] as the core of rdaxfs sees it: for tests that record the core, and for crash images whose
//! recovery is to be tried.

#![forbid(unsafe_code)]

use rdaxfs_check::{survey, Image};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::Result;
use rdaxfs_crash::Recorder;

/// The recorder as the core sees it.
#[derive(Clone, Copy, Debug)]
pub struct Pmem<'m>(pub &'m Recorder);

impl Medium for Pmem<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result {
        self.0.read(offset, into);
        Ok(())
    }

    // Nothing is poisoned, and to read would be to decide what is there.
    fn check_poison(&self, _offset: u64, _len: u64) -> Result {
        Ok(())
    }
}

impl Stores for Pmem<'_> {
    #[track_caller]
    fn store_u64(&self, offset: u64, value: u64) {
        self.0.store(offset, value);
    }

    #[track_caller]
    fn copy_nt(&self, offset: u64, bytes: &[u8]) -> Result {
        self.0.stream(offset, bytes);
        Ok(())
    }

    #[track_caller]
    fn zero_nt(&self, offset: u64, len: u64) -> Result {
        self.0.stream_zeros(offset, len);
        Ok(())
    }

    #[track_caller]
    fn flush(&self, offset: u64, len: u64) {
        self.0.flush(offset, len);
    }

    #[track_caller]
    fn fence(&self) {
        self.0.fence();
    }
}

impl Digest for Pmem<'_> {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        rdaxfs_host::crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        rdaxfs_host::siphash(key, bytes)
    }
}

/// Whether fsck finds nothing to repair; if it does, what.
///
/// # Errors
///
/// What it finds, in its words.
pub fn fsck(medium: &Recorder) -> core::result::Result<(), String> {
    let pmem = Pmem(medium);
    let superblock = probe(&pmem).map_err(|error| format!("fsck: the superblock: {error}"))?;
    let survey = survey(&Image::new(&pmem, superblock), |_| {});
    if survey.findings.is_empty() {
        return Ok(());
    }
    let problems: Vec<String> = survey
        .findings
        .iter()
        .map(|finding| finding.problem.to_string())
        .collect();
    Err(format!("fsck: {}", problems.join("; ")))
}
