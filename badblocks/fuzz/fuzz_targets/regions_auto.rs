// SPDX-License-Identifier: GPL-2.0

//! A regions= of the user, and the ranges of a memory map that auto=1 adds: those that a model adds.
//!
//! Input: the text up to a semicolon, a byte for the alignment, then eight bytes a range: start and
//! size, in 64ths of a MiB.

#![no_main]

#[path = "../../../drivers/rpmem/regions/tests/common/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use rpmem_regions::Regions;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |&byte| byte == b';');
    let named = parts.next().unwrap_or(&[]);
    let Some([shift, map @ ..]) = parts.next() else {
        return;
    };
    let align = 1 << (12 + shift % 20);
    let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().unwrap())) << 14;
    let map: Vec<_> = map
        .chunks_exact(8)
        .map(|range| (number(&range[..4]), number(&range[4..])))
        .collect();
    let named = Regions::parse(named).unwrap_or_default();
    model::compare_auto(named, &map, align);
});
