// SPDX-License-Identifier: GPL-2.0

//! Texts that are nearly right, memory maps and media, against a model.

mod common;

use common::{compare_auto, compare_infoblock, compare_parse};
use proptest::prelude::*;
use rpmem_regions::Regions;

fn number() -> impl Strategy<Value = String> {
    let plain = prop_oneof![
        0..20u64,
        any::<u64>(),
        (0..64u32).prop_map(|shift| 1 << shift)
    ];
    (plain, 0..4, "[kKmMgGtTpPeE]?").prop_map(|(n, base, suffix)| match base {
        0 => format!("{n:#x}{suffix}"),
        1 => format!("0{n:o}{suffix}"),
        _ => format!("{n}{suffix}"),
    })
}

/// Lists of regions, a few of them with a byte that does not belong there.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let element = prop_oneof![
        (number(), number()).prop_map(|(size, addr)| format!("{size}@{addr}")),
        (1..64u64, 0..4096u64).prop_map(|(size, addr)| format!("{size}M@{addr}M")),
    ];
    let word = prop_oneof![4 => Just(""), 1 => Just(":ro"), 1 => ":?[ro]{0,3}".prop_map(|word| &*word.leak())];
    let element = (element, word).prop_map(|(element, word)| element + word);
    let list = prop::collection::vec(element, 0..5).prop_map(|list| list.join(",").into_bytes());
    let wrong = prop::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>()));
    (list, wrong).prop_map(|(mut text, wrong)| {
        if let (Some((at, byte)), false) = (wrong, text.is_empty()) {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text
    })
}

fn legacy() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let edge = prop_oneof![
        4 => (0..4096u64).prop_map(|n| n << 20),
        1 => (0..1u64 << 21).prop_map(|n| n << 12),
        1 => any::<u64>(),
    ];
    prop::collection::vec((edge.clone(), edge), 0..90)
}

/// 3 pages with signatures, some of them broken, where the driver looks and elsewhere.
fn medium() -> impl Strategy<Value = Vec<u8>> {
    let signature = prop::sample::select(vec![
        *b"NVDIMM_PFN_INFO\0",
        *b"NVDIMM_DAX_INFO\0",
        *b"BTT_ARENA_INFO\0\0",
        [0; 16],
    ]);
    let broken = prop::option::weighted(0.3, (0..16usize, any::<u8>()));
    let at = prop::sample::select(vec![0usize, 16, 512, 4080, 4096, 8192]);
    let len = prop_oneof![Just(12288usize), 0..12288usize];
    (prop::collection::vec((at, signature, broken), 0..5), len).prop_map(|(found, len)| {
        let mut medium = vec![0; 12288];
        for (at, mut signature, broken) in found {
            if let Some((byte, value)) = broken {
                signature[byte] = value;
            }
            medium[at..at + 16].copy_from_slice(&signature);
        }
        medium.truncate(len);
        medium
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn parses_as_the_model_does(text in text(), shift in 12..31u32) {
        compare_parse(&text, 1 << shift);
    }

    #[test]
    fn takes_what_is_free_as_the_model_does(text in text(), legacy in legacy()) {
        let named = Regions::parse(&text).unwrap_or_default();
        compare_auto(named, &legacy, 2 << 20);
    }

    #[test]
    fn recognises_as_the_model_does(medium in medium()) {
        compare_infoblock(&medium);
    }
}
