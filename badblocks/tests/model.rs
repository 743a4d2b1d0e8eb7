// SPDX-License-Identifier: GPL-2.0

//! Random histories against a bool a sector.

mod common;

use common::{map, ranges, text, Model};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Set(u64, u64),
    Clear(u64, u64),
    Look(u64, u64),
    Pread(u64, usize),
}

/// A range of a device of `sectors`: most are short, some long, many at a word's or block's edge.
fn range(sectors: u64) -> impl Strategy<Value = (u64, u64)> {
    let edge = (0..sectors.div_ceil(64), -2i64..3)
        .prop_map(|(word, off)| (word * 64).saturating_add_signed(off));
    let start = prop_oneof![0..sectors, edge.prop_map(move |s| s.min(sectors - 1))];
    let len =
        prop_oneof![4 => 1..4u64, 3 => 1..200u64, 1 => 1..=sectors, 1 => Just(64), 1 => Just(512)];
    (start, len).prop_map(move |(start, len)| (start, len.min(sectors - start)))
}

fn step(sectors: u64) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => range(sectors).prop_map(|(s, n)| Step::Set(s, n)),
        3 => range(sectors).prop_map(|(s, n)| Step::Clear(s, n)),
        3 => range(sectors).prop_map(|(s, n)| Step::Look(s, n)),
        1 => (0..200u64, 1..100usize).prop_map(|(o, n)| Step::Pread(o, n)),
    ]
}

fn history() -> impl Strategy<Value = (u64, Vec<Step>)> {
    let sectors = prop_oneof![
        Just(1),
        Just(63),
        Just(64),
        Just(65),
        Just(4096),
        1..3000u64,
        Just(4096 * 64 + 5),
    ];
    sectors.prop_flat_map(|n| (Just(n), prop::collection::vec(step(n), 1..60)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn is_what_the_model_is((sectors, steps) in history()) {
        let (map, mut index) = map(sectors);
        let mut model = Model::new(sectors);
        for step in steps {
            match step {
                Step::Set(s, n) => {
                    prop_assert_eq!(map.set(&mut index, s, n), Ok(model.change(s, n, true)));
                }
                Step::Clear(s, n) => {
                    prop_assert_eq!(map.clear(&mut index, s, n), Ok(model.change(s, n, false)));
                }
                Step::Look(s, n) => {
                    let expected = model.ranges_in(s, s + n);
                    prop_assert_eq!(map.first_in(s, n), expected.first().copied());
                    prop_assert_eq!(map.any_in(s, n), !expected.is_empty());
                    let rest = model.ranges_in(s, sectors);
                    prop_assert_eq!(map.next_range(s), rest.first().copied());
                }
                Step::Pread(offset, room) => {
                    check_pread(&map, &mut index, &model.text(), offset, room)?;
                }
            }
        }
        let expected = model.ranges();
        prop_assert_eq!(&ranges(&map), &expected);
        prop_assert_eq!(index.ranges(), expected.len() as u64);
        let bad: u64 = expected.iter().map(|r| r.sectors()).sum();
        prop_assert_eq!(map.bad_sectors(), bad);
        prop_assert_eq!(map.is_empty(), expected.is_empty());

        let expected = model.text();
        prop_assert_eq!(index.text_len(), expected.len() as u64);
        for room in [1, 7, 42, 100, 4096] {
            prop_assert_eq!(&text(&map, &mut index, 1, room), &expected);
        }
        for offset in (0..expected.len() as u64 + 2).step_by(1 + expected.len() / 50) {
            check_pread(&map, &mut index, &expected, offset, 64)?;
        }
    }
}

/// A read by somebody unknown gives the bytes of the text as it is, cut after a whole line if one
/// ends in the buffer.
fn check_pread(
    map: &common::Map,
    index: &mut common::MapIndex,
    text: &str,
    offset: u64,
    room: usize,
) -> Result<(), TestCaseError> {
    // No cursor of this cookie ever ends at `offset`, so that none answers.
    let cookie = u64::MAX - offset;
    let mut buf = vec![0; room];
    let len = map.read_text(index, cookie, offset, &mut buf);
    let rest = text.get(offset as usize..).unwrap_or("");
    let fits = &rest[..rest.len().min(room)];
    let expected = match fits.rfind('\n') {
        Some(newline) => &fits[..=newline],
        None => fits,
    };
    prop_assert_eq!(std::str::from_utf8(&buf[..len]).unwrap(), expected);
    Ok(())
}
