// SPDX-License-Identifier: GPL-2.0

//! Checksums and hashes: the kernel's.

use kernel_ext::hash;
use rdaxfs_core::platform::Digest;

use super::{Medium, Platform};

impl Digest for Medium {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        hash::crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        hash::siphash(key, bytes)
    }
}

impl Digest for Platform {
    fn crc32c(&self, crc: u32, bytes: &[u8]) -> u32 {
        hash::crc32c(crc, bytes)
    }

    fn siphash(&self, key: &[u64; 2], bytes: &[u8]) -> u64 {
        hash::siphash(key, bytes)
    }
}
