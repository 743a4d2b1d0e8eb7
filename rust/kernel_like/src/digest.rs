// SPDX-License-Identifier: GPL-2.0

//! The digests that the kernel has.
//!
//! C headers: `include/linux/crc32.h`, `include/linux/siphash.h`.

use core::arch::asm;

/// CRC-32C by the instruction, as `arch/x86/lib/crc` does it for short buffers.
#[inline(never)]
pub(crate) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    let mut state = u64::from(!crc);
    let (mut at, mut words) = (bytes.as_ptr(), bytes.len() / 8);
    while words > 0 {
        // SAFETY: A whole word of `bytes` is left at `at`; every processor with SSE 4.2 has the instruction.
        unsafe {
            asm!("crc32 {state}, qword ptr [{at}]", state = inout(reg) state, at = in(reg) at,
                options(nostack, readonly, pure));
            at = at.add(8);
        }
        words -= 1;
    }
    let mut state = state as u32;
    for &byte in bytes.get(bytes.len() / 8 * 8..).unwrap_or(&[]) {
        // SAFETY: It touches registers only.
        unsafe {
            asm!("crc32 {state:e}, {byte}", state = inout(reg) state, byte = in(reg_byte) byte,
                options(nostack, nomem, pure));
        }
    }
    !state
}

/// SipHash-2-4.
#[inline(never)]
pub(crate) fn siphash(key: &[u64; 2], bytes: &[u8]) -> u64 {
    let [first, second] = *key;
    let mut state = [
        0x736f_6d65_7073_6575 ^ first,
        0x646f_7261_6e64_6f6d ^ second,
        0x6c79_6765_6e65_7261 ^ first,
        0x7465_6462_7974_6573 ^ second,
    ];
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        mix(&mut state, word);
    }
    let mut last = (bytes.len() as u64) << 56;
    for (at, &byte) in words.remainder().iter().enumerate() {
        last |= u64::from(byte) << (8 * at);
    }
    mix(&mut state, last);
    state[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[inline(always)]
fn mix(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

#[inline(always)]
fn round(state: &mut [u64; 4]) {
    let [a, b, c, d] = *state;
    let (a, c) = (a.wrapping_add(b), c.wrapping_add(d));
    let (b, d) = (b.rotate_left(13) ^ a, d.rotate_left(16) ^ c);
    let a = a.rotate_left(32);
    let (c, a) = (c.wrapping_add(b), a.wrapping_add(d));
    *state = [
        a,
        b.rotate_left(17) ^ c,
        c.rotate_left(32),
        d.rotate_left(21) ^ a,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_others_compute() {
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"12345"), b"6789"), 0xe306_9283);
        // The first vectors of the reference implementation.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(&key, &[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(siphash(&key, &input), 0xa129_ca61_49be_45e5);
    }
}
