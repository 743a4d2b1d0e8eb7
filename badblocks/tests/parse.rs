// SPDX-License-Identifier: GPL-2.0

//! What users may write.

use badblocks::{Edit, Edits, Extent, Input, Rule};
use proptest::prelude::*;

const SECTORS: u64 = 2048;

fn inject(start: u64, sectors: u64) -> Edit {
    Edit::Inject(Extent::new(start, sectors).unwrap())
}

fn clear(start: u64, sectors: u64) -> Edit {
    Edit::Clear(Extent::new(start, sectors).unwrap())
}

fn all(text: &str) -> Result<Vec<Edit>, String> {
    Edits::new(text.as_bytes(), SECTORS)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

#[test]
fn takes() {
    for (text, edits) in [
        ("8 16", &[inject(8, 16)][..]),
        ("8 16\n", &[inject(8, 16)]),
        ("-8 16\n", &[clear(8, 16)]),
        ("0 2048\n", &[inject(0, 2048)]),
        ("2047 1\n", &[inject(2047, 1)]),
        (" \t8  \t16 \t\n", &[inject(8, 16)]),
        ("008 0016\n", &[inject(8, 16)]),
        ("1 1\n-2 2\n3 3", &[inject(1, 1), clear(2, 2), inject(3, 3)]),
        ("\n\n1 1\n \n\t\n2 2\n\n", &[inject(1, 1), inject(2, 2)]),
    ] {
        assert_eq!(all(text).as_deref(), Ok(edits), "{text:?}");
    }
}

#[test]
fn refuses() {
    const USAGE: &str = "write \"START LEN\" in 512-byte sectors to inject, \
                         \"-START LEN\" to clear";
    for (text, message) in [
        ("", format!("line 1: \"\": no range is named; {USAGE}")),
        (
            " \n\t\n",
            format!("line 1: \"\": no range is named; {USAGE}"),
        ),
        (
            "x 1",
            format!("line 1: \"x 1\": START is not a decimal number; {USAGE}"),
        ),
        (
            "0x8 1",
            format!("line 1: \"0x8 1\": START is not a decimal number; {USAGE}"),
        ),
        (
            "+8 1",
            format!("line 1: \"+8 1\": START is not a decimal number; {USAGE}"),
        ),
        (
            "--8 1",
            format!("line 1: \"--8 1\": START is not a decimal number; {USAGE}"),
        ),
        (
            "- 8 1",
            format!("line 1: \"- 8 1\": START is not a decimal number; {USAGE}"),
        ),
        (
            "-",
            format!("line 1: \"-\": START is not a decimal number; {USAGE}"),
        ),
        ("8", format!("line 1: \"8\": LEN is missing; {USAGE}")),
        ("8 ", format!("line 1: \"8\": LEN is missing; {USAGE}")),
        (
            "12 x",
            format!("line 1: \"12 x\": LEN is not a decimal number; {USAGE}"),
        ),
        (
            "12 -3",
            format!("line 1: \"12 -3\": LEN is not a decimal number; {USAGE}"),
        ),
        (
            "12 3\r",
            format!("line 1: \"12 3\\r\": LEN is not a decimal number; {USAGE}"),
        ),
        (
            "12 3\0",
            format!("line 1: \"12 3\\x00\": LEN is not a decimal number; {USAGE}"),
        ),
        (
            "12 \u{663}",
            format!("line 1: \"12 \\xd9\\xa3\": LEN is not a decimal number; {USAGE}"),
        ),
        (
            "1 2 3",
            format!("line 1: \"1 2 3\": something follows LEN; {USAGE}, one range a line"),
        ),
        (
            "1 1\n2 0\n",
            "line 2: \"2 0\": LEN is 0; name at least one 512-byte sector".into(),
        ),
        (
            "18446744073709551616 1",
            "line 1: \"18446744073709551616 1\": START + LEN is not below 2^64; \
             name sectors of the device"
                .into(),
        ),
        (
            "18446744073709551615 1",
            "line 1: \"18446744073709551615 1\": START + LEN is not below 2^64; \
             name sectors of the device"
                .into(),
        ),
        (
            "2047 2",
            "line 1: \"2047 2\": the range ends beyond the device; \
             it has 2048 sectors of 512 bytes, numbered from 0"
                .into(),
        ),
        (
            "\n-18446744073709551614 1",
            "line 2: \"-18446744073709551614 1\": the range ends beyond the device; \
             it has 2048 sectors of 512 bytes, numbered from 0"
                .into(),
        ),
        (
            "1 1111111111222222222233333333334444444444555555555566666666667777777777",
            "line 1: \"1 1111111111222222222233333333334444444444555555...\": \
             START + LEN is not below 2^64; name sectors of the device"
                .into(),
        ),
    ] {
        assert_eq!(all(text), Err(message), "{text:?}");
    }
}

#[test]
fn goes_on_after_an_error() {
    let items: Vec<_> = Edits::new(b"1 1\nx\n2 2", SECTORS).collect();
    assert_eq!(items[0], Ok(inject(1, 1)));
    let error = items[1].unwrap_err();
    assert_eq!(
        (error.line, error.text, error.rule),
        (2, &b"x"[..], Rule::Start)
    );
    assert_eq!(items[2], Ok(inject(2, 2)));
    assert_eq!(items.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(text in prop::collection::vec(prop_oneof![
        any::<u8>(), b'0'..=b'9', Just(b' '), Just(b'\n'), Just(b'-'),
    ], 0..200)) {
        for item in Edits::new(&text, SECTORS) {
            match item {
                Ok(edit) => {
                    let again = edit.to_string();
                    prop_assert_eq!(Edits::new(again.as_bytes(), SECTORS).next(), Some(Ok(edit)));
                }
                Err(error) => prop_assert!(!error.to_string().contains('\n')),
            }
        }
    }

    /// However a stream of lines is cut into writes, as many edits arrive.
    #[test]
    fn cut_anywhere(
        edits in prop::collection::vec((any::<bool>(), 0..2000u64, 1..40u64), 1..60),
        room in 16..100usize,
        newline in any::<bool>(),
    ) {
        let edits: Vec<_> = edits
            .into_iter()
            .map(|(bad, s, n)| if bad { inject(s, n) } else { clear(s, n) })
            .collect();
        let lines: Vec<_> = edits.iter().map(Edit::to_string).collect();
        let mut text = lines.join("\n");
        if newline {
            text.push('\n');
        }
        // A text that ends without a newline just where a piece does may go on.
        let waits = !newline && text.len() % room == 0;
        let mut input = Input::new();
        let mut offset = 0;
        let mut taken = Vec::new();
        for piece in text.as_bytes().chunks(room) {
            let lines = input.feed(1, offset, piece, piece.len() == room).unwrap();
            offset += piece.len() as u64;
            for part in [lines.joined(), lines.rest()] {
                if !part.is_empty() {
                    taken.extend(Edits::new(part, SECTORS).map(Result::unwrap));
                }
            }
        }
        if waits {
            let lines = input.feed(1, offset, b"\n", false).unwrap();
            taken.extend(Edits::new(lines.joined(), SECTORS).map(Result::unwrap));
        }
        prop_assert_eq!(taken, edits);
    }
}
