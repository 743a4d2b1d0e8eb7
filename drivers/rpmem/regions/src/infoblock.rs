// SPDX-License-Identifier: GPL-2.0

//! Memory that one of the kernel's own drivers for persistent memory has formatted.
//!
//! libnvdimm marks a region that it lays out for device DAX, file-system DAX or a block translation
//! table with an info block that begins with a signature of 16 bytes. A driver that took such a
//! region raw would show its metadata as data, and overwrite it.
//!
//! Facts from `drivers/nvdimm/pfn.h`, `btt.h`, `pfn_devs.c` and `btt_devs.c`: all three lie at 4 KiB
//! from the start, but for version 2.0 of the block translation table, which lies at 0. A signature
//! alone is taken for the whole block here: its owner also verifies a checksum and a UUID, but memory
//! that says whose it is has earned the question, whatever state it is in.

use core::fmt;

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 16;

/// Where a signature may be, in bytes from the start of the region.
///
/// Read [`SIGNATURE_LEN`] bytes at each, and hand them to [`recognise`].
pub const PROBES: [u64; 2] = [0, SZ_4K];

const SZ_4K: u64 = 4096;

/// Whose info block it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfoBlock {
    /// File-system DAX: a page map for `nd_pmem`.
    Pfn,
    /// Device DAX: a page map for `device_dax`.
    Dax,
    /// A block translation table, for `nd_btt`.
    Btt,
}

impl InfoBlock {
    /// The name that libnvdimm's own devices of this kind begin with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pfn => "pfn",
            Self::Dax => "dax",
            Self::Btt => "btt",
        }
    }

    const fn signature(self) -> &'static [u8; SIGNATURE_LEN] {
        match self {
            Self::Pfn => b"NVDIMM_PFN_INFO\0",
            Self::Dax => b"NVDIMM_DAX_INFO\0",
            Self::Btt => b"BTT_ARENA_INFO\0\0",
        }
    }
}

impl fmt::Display for InfoBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose info block starts `offset` bytes into a region, where `bytes` are what is there.
///
/// `None` if it is nobody's, there is none of that kind at that offset, or `bytes` has fewer than
/// [`SIGNATURE_LEN`] bytes.
pub fn recognise(offset: u64, bytes: &[u8]) -> Option<InfoBlock> {
    let found: &[InfoBlock] = match offset {
        0 => &[InfoBlock::Btt],
        SZ_4K => &[InfoBlock::Pfn, InfoBlock::Dax, InfoBlock::Btt],
        _ => &[],
    };
    let mut found = found.iter().copied();
    found.find(|block| bytes.starts_with(block.signature()))
}
