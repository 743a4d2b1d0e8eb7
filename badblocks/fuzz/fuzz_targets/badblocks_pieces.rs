// SPDX-License-Identifier: GPL-2.0

//! Texts that several writers write in pieces, cut anywhere: the lines that come together are those of
//! a model.
//!
//! Input: for each write a byte for the writer, one for the place and the length, and the piece.

#![no_main]

#[path = "../../tests/common/pieces.rs"]
mod pieces;

use libfuzzer_sys::fuzz_target;
use pieces::{compare, Write};

fuzz_target!(|bytes: &[u8]| {
    let mut ends = [0u64; 32];
    let mut writes = Vec::new();
    let mut rest = bytes;
    while let [who, how, tail @ ..] = rest {
        let cookie = who % 32;
        let longest = if how & 0x80 != 0 { 200 } else { 0x1f };
        let len = longest.min(usize::from(how & 0x1f) * 8).min(tail.len());
        let (piece, next) = tail.split_at(len);
        rest = next;
        let end = &mut ends[usize::from(cookie)];
        let offset = match how >> 5 & 3 {
            0 => 0,
            1 if who & 0x80 != 0 => u64::MAX - 3,
            _ => *end,
        };
        *end = offset.saturating_add(len as u64);
        writes.push(Write {
            cookie: cookie.into(),
            offset,
            piece: piece.to_vec(),
            is_full: who & 0x40 != 0,
        });
    }
    compare(&writes);
});
