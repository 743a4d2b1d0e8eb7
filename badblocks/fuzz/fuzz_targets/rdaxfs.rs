// SPDX-License-Identifier: GPL-2.0

//! A damaged volume of rdaxfs: whatever is done with it ends, and repairing it leaves nothing wrong.
//!
//! Input: a byte for the kind of trial, then what the damage and the operations are chosen by.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rdaxfs_mutate::corpus::{corpus, Base};
use rdaxfs_mutate::trial::{run, Kind, Tally};

thread_local! {
    static BASES: Vec<Base> = corpus();
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, data)) = bytes.split_first() else {
        return;
    };
    let kind = if kind % 8 == 0 {
        Kind::Full
    } else {
        Kind::Quick
    };
    BASES.with(|bases| run(bases, kind, data, &mut Tally::default()));
});
