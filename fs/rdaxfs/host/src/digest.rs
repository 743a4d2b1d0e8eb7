// SPDX-License-Identifier: GPL-2.0

//! The digests, as [`rdaxfs_core::platform::Digest`] wants them.

use siphasher::sip::SipHasher24;

use crate::scrambled::{told_hash, SCRAMBLED};

/// CRC-32C of `bytes`, continued from `crc`.
#[must_use]
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// SipHash-2-4; of a volume whose names are scrambled, what the name tells ([`SCRAMBLED`]).
#[must_use]
pub fn siphash(key: &[u64; 2], bytes: &[u8]) -> u64 {
    if *key == SCRAMBLED {
        if let Some(hash) = told_hash(bytes) {
            return hash;
        }
    }
    let [first, second] = *key;
    SipHasher24::new_with_keys(first, second).hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_checksum_of_the_whole() {
        // The check value that catalogues of CRCs give for CRC-32C.
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283);
        assert_eq!(crc32c(0, b""), 0);
    }

    #[test]
    fn siphash_is_the_papers() {
        // Appendix A of the paper: key 00..0f, message 00..0e.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(&key, &message), 0xa129_ca61_49be_45e5);
    }
}
