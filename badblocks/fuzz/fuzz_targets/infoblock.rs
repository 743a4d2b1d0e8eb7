// SPDX-License-Identifier: GPL-2.0

//! The first bytes of a region, whatever they are: taken for libnvdimm's exactly if they are.
//!
//! Input: 16 bytes for each place that is looked at or beside it.

#![no_main]

#[path = "../../../drivers/rpmem/regions/tests/common/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut medium = vec![0; 4096 * 3];
    let mut end = 0;
    for (at, found) in [0, 512, 4096, 8192].into_iter().zip(bytes.chunks(16)) {
        end = at + found.len();
        medium[at..end].copy_from_slice(found);
    }
    // Also a medium that ends there.
    model::compare_infoblock(&medium[..end]);
    model::compare_infoblock(&medium);
});
