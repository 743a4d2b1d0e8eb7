// SPDX-License-Identifier: GPL-2.0

//! Names that were scrambled, in an image of a volume's metadata.
//!
//! A directory's order is by the hash of its names, and a name with a given hash cannot be found. So an image says by
//! its hash key, [`SCRAMBLED`], that names tell their hash: the first characters of a name are digits to the base of 64.
//! The key of the volume itself is not in the image, and the hashes say nothing about the names without it.

/// The hash key of a volume whose names are scrambled, as the superblock has it.
pub const SCRAMBLED: [u64; 2] = [
    u64::from_le_bytes(*b"scramble"),
    u64::from_le_bytes(*b"d names\0"),
];

/// The digits, which are all good in a name.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_";
/// The bits of a hash that a key has.
const HASH_BITS: u32 = 48;
/// The digits of a hash.
const HASH_DIGITS: usize = (HASH_BITS / 6) as usize;

/// The shortest name that has a hash, and something that tells it from others of the same hash.
pub const WHOLE_NAME: usize = HASH_DIGITS + 3;

/// So many digits of a number, beginning with the lowest.
fn digits(mut number: u64) -> impl Iterator<Item = u8> {
    std::iter::repeat_with(move || {
        let digit = DIGITS[(number & 63) as usize];
        number >>= 6;
        digit
    })
}

/// A name of `len` bytes with a hash, of which the upper 48 bits count; names with different numbers `other` below
/// 2^18 differ, if they have [`WHOLE_NAME`] bytes. A name that is too short for a hash is made of `other` alone.
#[must_use]
pub fn scrambled_name(hash: u64, other: u64, len: usize) -> Vec<u8> {
    if len < HASH_DIGITS {
        return digits(other).take(len).collect();
    }
    let hash = digits(hash >> (u64::BITS - HASH_BITS)).take(HASH_DIGITS);
    let other = digits(other).take(WHOLE_NAME - HASH_DIGITS);
    hash.chain(other)
        .chain(std::iter::repeat(b'_'))
        .take(len)
        .collect()
}

/// The hash that a name tells; [`None`] if it tells none.
pub(crate) fn told_hash(name: &[u8]) -> Option<u64> {
    let digits: &[u8; HASH_DIGITS] = name.first_chunk()?;
    let mut hash = 0;
    for &digit in digits.iter().rev() {
        let value = DIGITS.iter().position(|&known| known == digit)?;
        hash = hash << 6 | value as u64;
    }
    Some(hash << (u64::BITS - HASH_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siphash;

    #[test]
    fn a_scrambled_name_has_its_hash() {
        for (hash, len) in [(0, 8), (u64::MAX, 255), (0x0123_4567_89ab_cdef, 11)] {
            let name = scrambled_name(hash, 77, len);
            assert_eq!(name.len(), len);
            assert_eq!(siphash(&SCRAMBLED, &name) >> 16, hash >> 16);
            assert_ne!(siphash(&[1, 2], &name) >> 16, hash >> 16);
        }
        assert_ne!(
            scrambled_name(5, 1, WHOLE_NAME),
            scrambled_name(5, 1 << 17, WHOLE_NAME)
        );
        assert_eq!(scrambled_name(5, 9, 3).len(), 3);
        // Other names have a hash too.
        assert_ne!(
            siphash(&SCRAMBLED, b"a.b.c.d.e"),
            siphash(&SCRAMBLED, b"a.b.c.d.f")
        );
    }
}
