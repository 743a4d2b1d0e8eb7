// SPDX-License-Identifier: GPL-2.0

//! What the plugin is told on the emulator's command line.

use std::path::PathBuf;

use crashcheck_trace::Range;

/// `start=0x100000000,len=67108864,trace=FILE`: the emulator hands over one word for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What to watch.
    pub range: Range,
    /// Where to write.
    pub trace: PathBuf,
}

impl Options {
    /// Reads the words.
    ///
    /// # Errors
    ///
    /// What is wrong with which word.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let (mut start, mut len, mut trace) = (None, None, None);
        for word in words {
            match word.split_once('=') {
                Some(("start", value)) => start = Some(number("start", value)?),
                Some(("len", value)) => len = Some(number("len", value)?),
                Some(("trace", value)) if !value.is_empty() => trace = Some(PathBuf::from(value)),
                _ => {
                    return Err(format!(
                        "'{word}': it must be start=ADDRESS, len=BYTES or trace=FILE"
                    ))
                }
            }
        }
        let missing =
            |name: &str| format!("{name}= is missing: all of start, len and trace must be given");
        let range = Range {
            start: start.ok_or_else(|| missing("start"))?,
            len: len.ok_or_else(|| missing("len"))?,
        };
        if range.start % 4096 != 0 || range.len % 4096 != 0 || range.len == 0 {
            return Err(format!(
                "start={:#x},len={}: both must be multiples of 4096, and the length not 0",
                range.start, range.len
            ));
        }
        if range.start.checked_add(range.len).is_none() {
            return Err(format!(
                "start={:#x},len={}: the range ends beyond 64 bits",
                range.start, range.len
            ));
        }
        Ok(Self {
            range,
            trace: trace.ok_or_else(|| missing("trace"))?,
        })
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|error| {
        format!("{name}='{text}': it must be a number of bytes, such as 4096 or 0x1000: {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_are_needed() {
        let options = Options::parse(["trace=/x/y", "start=0x100000000", "len=8192"]);
        assert_eq!(
            options,
            Ok(Options {
                range: Range {
                    start: 1 << 32,
                    len: 8192
                },
                trace: "/x/y".into()
            })
        );
        for words in [
            &["start=0", "len=4096"][..],
            &["start=0", "trace=x"],
            &["len=4096", "trace=x"],
            &["start=1", "len=4096", "trace=x"],
            &["start=0", "len=0", "trace=x"],
            &["start=0", "len=4096", "trace="],
            &["start=0", "len=4096", "trace=x", "other=1"],
            &["start=four", "len=4096", "trace=x"],
            &["start=0xfffffffffffff000", "len=8192", "trace=x"],
        ] {
            assert!(Options::parse(words.iter().copied()).is_err(), "{words:?}");
        }
    }
}
