// SPDX-License-Identifier: GPL-2.0

//! Sequential readers of the text while the list changes under them.

mod common;

use badblocks::Extent;
use common::{map, text, Model};
use proptest::prelude::*;

const SECTORS: u64 = 3000;
/// Sectors that no edit touches, each a range of its own or part of one.
const KEPT: u64 = 10;

#[derive(Clone, Debug)]
enum Step {
    Set(u64, u64),
    Clear(u64, u64),
    /// One reader reads on, into a buffer of this size.
    Read(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let range = (0..SECTORS, 1..40u64).prop_map(|(s, n)| (s, n.min(SECTORS - s)));
    prop_oneof![
        1 => range.clone().prop_map(|(s, n)| Step::Set(s, n)),
        1 => range.prop_map(|(s, n)| Step::Clear(s, n)),
        3 => (0..3usize, prop_oneof![1..20usize, 1..200usize]).prop_map(|(r, n)| Step::Read(r, n)),
    ]
}

/// The ranges of a text of whole lines.
fn parse(text: &str) -> Vec<Extent> {
    text.lines()
        .map(|line| {
            let (start, len) = line.split_once(' ').unwrap();
            Extent::new(start.parse().unwrap(), len.parse().unwrap()).unwrap()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Every line is whole, the ranges ascend, every sector shown was bad at some time, and each
    /// that was bad throughout is shown exactly once.
    #[test]
    fn each_range_once(steps in prop::collection::vec(step(), 1..400)) {
        let (map, mut index) = map(SECTORS);
        let mut model = Model::new(SECTORS);
        let kept = |s: u64| s % 100 == KEPT;
        for s in (0..SECTORS).filter(|&s| kept(s)) {
            map.set(&mut index, s, 1).unwrap();
            model.change(s, 1, true);
        }
        let mut ever_bad = model.0.clone();
        let mut texts = [const { Vec::new() }; 3];
        let read = |index: &mut common::MapIndex, texts: &mut [Vec<u8>; 3], who: usize, room| {
            let mut buf = vec![0; room];
            let text = &mut texts[who];
            let len = map.read_text(index, who as u64, text.len() as u64, &mut buf);
            text.extend_from_slice(&buf[..len]);
            len
        };
        for step in steps {
            match step {
                Step::Set(s, n) => {
                    map.set(&mut index, s, n).unwrap();
                    model.change(s, n, true);
                    ever_bad[s as usize..(s + n) as usize].fill(true);
                }
                Step::Clear(s, n) => {
                    for s in (s..s + n).filter(|&s| !kept(s)) {
                        map.clear(&mut index, s, 1).unwrap();
                        model.change(s, 1, false);
                    }
                }
                Step::Read(who, room) => {
                    read(&mut index, &mut texts, who, room);
                }
            }
        }
        for who in 0..3 {
            while read(&mut index, &mut texts, who, 64) > 0 {}
            let shown = parse(std::str::from_utf8(&texts[who]).unwrap());
            prop_assert!(shown.windows(2).all(|w| w[0].end() <= w[1].start()));
            for range in &shown {
                prop_assert!(range.end() <= SECTORS);
                prop_assert!((range.start()..range.end()).all(|s| ever_bad[s as usize]));
            }
            for s in (0..SECTORS).filter(|&s| kept(s)) {
                let times = shown.iter().filter(|r| r.start() <= s && s < r.end()).count();
                prop_assert_eq!(times, 1, "sector {}", s);
            }
        }
        prop_assert_eq!(text(&map, &mut index, 9, 100), model.text());
    }
}

#[test]
fn a_ninth_reader_takes_the_oldest_place() {
    let (map, mut index) = map(1 << 20);
    for i in 0..100 {
        map.set(&mut index, 1000 + i * 10, 1).unwrap();
    }
    let mut buf = [0; 7];
    for cookie in 0..9 {
        assert_eq!(map.read_text(&mut index, cookie, 0, &mut buf), 7);
        assert_eq!(&buf, b"1000 1\n");
    }
    // The list changes so that the sector and the byte offset lead to different lines.
    map.clear(&mut index, 1000, 1).unwrap();
    map.read_text(&mut index, 8, 7, &mut buf);
    assert_eq!(&buf, b"1010 1\n", "the last one goes on");
    map.read_text(&mut index, 0, 7, &mut buf);
    assert_eq!(&buf, b"1020 1\n", "the first one was forgotten");
    map.read_text(&mut index, 2, 7, &mut buf);
    assert_eq!(&buf, b"1010 1\n", "the third one was not");
}

#[test]
fn a_reader_at_the_end_gives_its_place_away_first() {
    let (map, mut index) = map(1 << 20);
    map.set(&mut index, 1000, 1).unwrap();
    map.set(&mut index, 1010, 1).unwrap();
    let mut buf = [0; 7];
    for cookie in 0..7 {
        map.read_text(&mut index, cookie, 0, &mut buf);
    }
    // `cat` comes by a hundred times; nobody forgets the others.
    for _ in 0..100 {
        assert_eq!(text(&map, &mut index, 99, 50), "1000 1\n1010 1\n");
    }
    for cookie in 200..300 {
        assert_eq!(text(&map, &mut index, cookie, 50), "1000 1\n1010 1\n");
    }
    map.clear(&mut index, 1000, 1).unwrap();
    for cookie in 0..7 {
        assert_eq!(map.read_text(&mut index, cookie, 7, &mut buf), 7);
        assert_eq!(&buf, b"1010 1\n");
    }
}

#[test]
fn a_cut_line_is_finished_as_it_began() {
    let (map, mut index) = map(1 << 20);
    map.set(&mut index, 1000, 5).unwrap();
    let mut buf = [0; 3];
    assert_eq!(map.read_text(&mut index, 1, 0, &mut buf), 3);
    assert_eq!(&buf, b"100");
    map.clear(&mut index, 0, 1 << 20).unwrap();
    map.set(&mut index, 77, 1).unwrap();
    map.set(&mut index, 2000, 1).unwrap();
    let mut buf = [0; 30];
    let len = map.read_text(&mut index, 1, 3, &mut buf);
    assert_eq!(&buf[..len], b"0 5\n2000 1\n");
    assert_eq!(map.read_text(&mut index, 1, 14, &mut buf), 0);
}

#[test]
fn growth_behind_the_reader_is_shown_as_the_rest() {
    let (map, mut index) = map(1 << 20);
    map.set(&mut index, 10, 10).unwrap();
    map.set(&mut index, 50, 1).unwrap();
    let mut buf = [0; 6];
    assert_eq!(map.read_text(&mut index, 1, 0, &mut buf), 6);
    map.set(&mut index, 20, 10).unwrap();
    assert_eq!(map.read_text(&mut index, 1, 6, &mut buf), 6);
    assert_eq!(&buf, b"20 10\n");
    assert_eq!(map.read_text(&mut index, 1, 12, &mut buf), 5);
    assert_eq!(&buf[..5], b"50 1\n");
}
