// SPDX-License-Identifier: GPL-2.0

//! Several writers, each of whom writes its text in pieces, against a model.

#[path = "common/pieces.rs"]
mod pieces;

use pieces::{compare, Write};
use proptest::prelude::*;

/// Mostly bytes of a line, now and then a newline or anything.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![12 => b'0'..=b'9', 4 => Just(b' '), 1 => Just(b'\n'), 1 => any::<u8>()];
    let longest = prop_oneof![4 => Just(12usize), 2 => Just(90), 1 => Just(300)];
    longest.prop_flat_map(move |longest| prop::collection::vec(byte.clone(), 0..longest))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn as_the_model_says(
        pieces in prop::collection::vec((0..20u64, piece(), 0..20u64, any::<bool>()), 1..80),
    ) {
        let mut ends = [0u64; 20];
        let mut writes = Vec::new();
        for (cookie, piece, jump, is_full) in pieces {
            // Mostly just behind the writer's last one, else elsewhere.
            let offset = match jump {
                0 => 0,
                1 => ends[cookie as usize] + 1,
                2 => u64::MAX - 3,
                _ => ends[cookie as usize],
            };
            ends[cookie as usize] = offset.saturating_add(piece.len() as u64) % (1 << 40);
            writes.push(Write { cookie, offset, piece, is_full });
        }
        compare(&writes);
    }
}
