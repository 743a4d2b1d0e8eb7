// SPDX-License-Identifier: GPL-2.0

//! What users write into badblocks: parsed, printed and parsed again it is the same edit; applied,
//! the text that the map shows is that of a bool a sector.

#![no_main]

use badblocks::{index_words_needed, words_needed, AtomicU64, Badblocks, Edit, Edits};
use libfuzzer_sys::fuzz_target;

const SECTORS: u64 = 5000;

fuzz_target!(|text: &[u8]| {
    let map = (0..words_needed(SECTORS).unwrap()).map(|_| AtomicU64::new(0));
    let index = vec![0u64; index_words_needed(SECTORS).unwrap()];
    let (map, mut index) = Badblocks::new(map.collect::<Vec<_>>(), index, SECTORS).unwrap();
    let mut model = vec![false; SECTORS as usize];

    for item in Edits::new(text, SECTORS) {
        let edit = match item {
            Ok(edit) => edit,
            Err(error) => {
                assert!(!error.to_string().contains('\n'));
                continue;
            }
        };
        let again = edit.to_string();
        assert_eq!(Edits::new(again.as_bytes(), SECTORS).next(), Some(Ok(edit)));

        let (range, bad) = match edit {
            Edit::Inject(range) => (range, true),
            Edit::Clear(range) => (range, false),
        };
        if bad {
            map.set(&mut index, range.start(), range.sectors()).unwrap();
        } else {
            map.clear(&mut index, range.start(), range.sectors())
                .unwrap();
        }
        model[range.start() as usize..range.end() as usize].fill(bad);
    }

    // What the map shows, a small piece at a time, injects into a new model what the old one has.
    let mut shown = Vec::new();
    let mut piece = [0; 50];
    loop {
        let len = map.read_text(&mut index, 1, shown.len() as u64, &mut piece);
        if len == 0 {
            break;
        }
        shown.extend_from_slice(&piece[..len]);
    }
    assert_eq!(shown.len() as u64, index.text_len());
    let mut again = vec![false; SECTORS as usize];
    if !shown.is_empty() {
        for item in Edits::new(&shown, SECTORS) {
            let Edit::Inject(range) = item.unwrap() else {
                panic!("a map shows no minus");
            };
            again[range.start() as usize..range.end() as usize].fill(true);
        }
    }
    assert_eq!(again, model);
});
