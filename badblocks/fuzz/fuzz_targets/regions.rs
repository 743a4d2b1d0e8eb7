// SPDX-License-Identifier: GPL-2.0

//! What users write as regions=: read as a model reads it, shown and read again the same list, with
//! advice about alignment that can be followed.

#![no_main]

#[path = "../../../drivers/rpmem/regions/tests/common/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    model::compare_parse(text, 2 << 20);
});
