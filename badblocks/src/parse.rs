// SPDX-License-Identifier: GPL-2.0

//! What a user may write to change a map: lines of text.

use core::fmt;

use crate::extent::Extent;

/// One line's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `START LEN`: these sectors are bad from now on.
    Inject(Extent),
    /// `-START LEN`: these sectors are good from now on.
    Clear(Extent),
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inject(extent) => write!(f, "{extent}"),
            Self::Clear(extent) => write!(f, "-{extent}"),
        }
    }
}

/// The rule that a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// There is nothing but white space in all of the text.
    Empty,
    /// START is not a decimal number.
    Start,
    /// There is no LEN.
    NoLen,
    /// LEN is not a decimal number.
    Len,
    /// LEN is 0.
    ZeroLen,
    /// Something follows LEN.
    Trailing,
    /// START, LEN or their sum is not less than 2^64.
    TooLarge,
    /// The range ends beyond the device.
    BeyondDevice {
        /// The sectors of the device.
        sectors: u64,
    },
}

/// A line that is no [`Edit`].
///
/// Displays as the line, the rule that it breaks and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError<'a> {
    /// Which line of the text, from 1.
    pub line: usize,
    /// The line, without its newline and the white space around it.
    pub text: &'a [u8],
    /// The rule that it breaks.
    pub rule: Rule,
}

/// The most bytes of a refused line that a message repeats.
const SHOWN: usize = 48;

const USAGE: &str = "write \"START LEN\" in 512-byte sectors to inject, \"-START LEN\" to clear";

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, cut) = match self.text.get(..SHOWN) {
            Some(shown) if self.text.len() > SHOWN => (shown, "..."),
            _ => (self.text, ""),
        };
        write!(f, "line {}: \"{}{cut}\": ", self.line, shown.escape_ascii())?;
        match self.rule {
            Rule::Empty => write!(f, "no range is named; {USAGE}"),
            Rule::Start => write!(f, "START is not a decimal number; {USAGE}"),
            Rule::NoLen => write!(f, "LEN is missing; {USAGE}"),
            Rule::Len => write!(f, "LEN is not a decimal number; {USAGE}"),
            Rule::ZeroLen => f.write_str("LEN is 0; name at least one 512-byte sector"),
            Rule::Trailing => write!(f, "something follows LEN; {USAGE}, one range a line"),
            Rule::TooLarge => f.write_str("START + LEN is not below 2^64; name sectors of the device"),
            Rule::BeyondDevice { sectors } => write!(
                f,
                "the range ends beyond the device; it has {sectors} sectors of 512 bytes, numbered from 0"
            ),
        }
    }
}

/// The edits of a text of lines, each checked against the size of the device.
///
/// A line is `START LEN` or `-START LEN`: decimal numbers of 512-byte sectors as the kernel's own
/// badblocks attribute takes them, no sign but the one minus, spaces and tabs around and between
/// the numbers as one likes. Lines of nothing but white space are skipped. The last line need not
/// end in a newline. A text without any edit is an error.
///
/// Gives one item for each line that is not blank; after an error it goes on with the next line.
/// Clone it to look at all lines before acting on one.
///
/// # Examples
///
/// ```
/// use badblocks::{Edit, Edits, Extent};
///
/// let mut edits = Edits::new(b"8 16\n-10 1\n12 x\n", 2048);
/// assert_eq!(edits.next(), Some(Ok(Edit::Inject(Extent::new(8, 16).unwrap()))));
/// assert_eq!(edits.next(), Some(Ok(Edit::Clear(Extent::new(10, 1).unwrap()))));
/// assert_eq!(
///     edits.next().unwrap().unwrap_err().to_string(),
///     "line 3: \"12 x\": LEN is not a decimal number; write \"START LEN\" in 512-byte sectors \
///      to inject, \"-START LEN\" to clear",
/// );
/// assert_eq!(edits.next(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Edits<'a> {
    /// What is not yet looked at; `None` once all is.
    rest: Option<&'a [u8]>,
    /// Lines taken so far.
    line: usize,
    /// Whether one of them was not blank.
    found: bool,
    sectors: u64,
}

impl<'a> Edits<'a> {
    /// The edits of `text` for a device of `sectors` sectors.
    pub fn new(text: &'a [u8], sectors: u64) -> Self {
        Self {
            rest: Some(text),
            line: 0,
            found: false,
            sectors,
        }
    }

    /// The next line, without its newline; `None` after the last.
    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        self.line = self.line.saturating_add(1);
        let mut parts = rest.splitn(2, |&byte| byte == b'\n');
        let line = parts.next();
        self.rest = parts.next();
        line
    }
}

impl<'a> Iterator for Edits<'a> {
    type Item = Result<Edit, ParseError<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(line) = self.next_line() {
            let text = trim(line);
            if !text.is_empty() {
                self.found = true;
                let line = self.line;
                let edit = parse_line(text, self.sectors);
                return Some(edit.map_err(|rule| ParseError { line, text, rule }));
            }
        }
        if self.found {
            return None;
        }
        self.found = true;
        Some(Err(ParseError {
            line: 1,
            text: &[],
            rule: Rule::Empty,
        }))
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `text` without the blanks around it.
fn trim(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [byte, rest @ ..] = text {
        if !is_blank(byte) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., byte] = text {
        if !is_blank(byte) {
            break;
        }
        text = rest;
    }
    text
}

/// The edit that `text`, trimmed and not empty, asks for.
fn parse_line(text: &[u8], sectors: u64) -> Result<Edit, Rule> {
    let (clear, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut words = text.split(is_blank);
    let start = words.next().unwrap_or(&[]);
    // Several blanks in a row have empty words between them.
    let mut words = words.filter(|word| !word.is_empty());
    let start = number(start, Rule::Start)?;
    let len = number(words.next().ok_or(Rule::NoLen)?, Rule::Len)?;
    if words.next().is_some() {
        return Err(Rule::Trailing);
    }
    if len == 0 {
        return Err(Rule::ZeroLen);
    }
    let extent = Extent::new(start, len).ok_or(Rule::TooLarge)?;
    if extent.end() > sectors {
        return Err(Rule::BeyondDevice { sectors });
    }
    Ok(if clear {
        Edit::Clear(extent)
    } else {
        Edit::Inject(extent)
    })
}

/// The decimal number that `word` is, or `not_decimal`.
fn number(word: &[u8], not_decimal: Rule) -> Result<u64, Rule> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return Err(not_decimal);
    }
    let mut value = 0u64;
    for digit in word {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit.wrapping_sub(b'0'))))
            .ok_or(Rule::TooLarge)?;
    }
    Ok(value)
}
