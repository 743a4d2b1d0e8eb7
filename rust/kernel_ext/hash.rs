// SPDX-License-Identifier: GPL-2.0

//! Checksums and keyed hashes.
//!
//! C headers: [`include/linux/crc32.h`](srctree/include/linux/crc32.h),
//! [`include/linux/siphash.h`](srctree/include/linux/siphash.h)

use kernel_bindings as bindings;

/// CRC-32C (Castagnoli) of `bytes`, continued from `crc`, as catalogues define it: with all bits
/// inverted before and after. The CRC of several pieces, each continued from the one before, is that
/// of the whole, and that of nothing is `crc`.
///
/// # Examples
///
/// ```
/// assert_eq!(kernel_ext::hash::crc32c(0, b"123456789"), 0xe306_9283);
/// ```
#[inline]
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    // SAFETY: The bytes are valid. The function itself inverts nothing.
    !unsafe { bindings::crc32c(!crc, bytes.as_ptr().cast(), bytes.len()) }
}

/// SipHash-2-4 of `bytes`, 64 bits of it.
///
/// # Examples
///
/// ```
/// // Appendix A of the paper.
/// let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
/// let message = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
/// assert_eq!(kernel_ext::hash::siphash(&key, &message), 0xa129_ca61_49be_45e5);
/// ```
#[inline]
pub fn siphash(key: &[u64; 2], bytes: &[u8]) -> u64 {
    let key = bindings::siphash_key_t { key: *key };
    // SAFETY: The bytes and the key are valid.
    unsafe { bindings::siphash(bytes.as_ptr().cast(), bytes.len(), &key) }
}
