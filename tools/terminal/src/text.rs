// SPDX-License-Identifier: GPL-2.0

//! Text that was found on a medium, in a path or in a file of the kernel.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Text that cannot steer a terminal, and looks like nothing else.
///
/// Control characters, characters that change the direction of text or cannot be seen, and backslashes are
/// escaped as Rust writes them (`\n`, `\u{1b}`, `\\`), bytes that are not UTF-8 as `\x` and two hex digits.
/// [`original`] is the way back.
#[must_use]
pub fn safe(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_hidden(character) {
                shown.extend(character.escape_unicode());
            } else if character.is_control() || character == '\\' {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// As [`safe`].
#[must_use]
pub fn safe_str(text: &str) -> String {
    safe(text.as_bytes())
}

/// As [`safe`], for a path.
#[must_use]
pub fn safe_path(path: &Path) -> String {
    safe(path.as_os_str().as_bytes())
}

/// Whether a character is not shown itself, and may change how its neighbours are.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// An escape that [`safe`] does not write.
#[derive(Debug, PartialEq, Eq)]
pub struct BadEscape(String);

impl fmt::Display for BadEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not an escape; write \\\\, \\n, \\r, \\t, \\xHH or \\u{{HEX}}",
            self.0
        )
    }
}

impl std::error::Error for BadEscape {}

/// The bytes that [`safe`] made this text of. Bytes that are not UTF-8 stand for themselves.
///
/// # Errors
///
/// If a backslash has something behind it that is not an escape.
pub fn original(text: &[u8]) -> Result<Vec<u8>, BadEscape> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let (before, behind) = (&rest[..at], &rest[at + 1..]);
        bytes.extend_from_slice(before);
        let (used, escaped) = escape(behind).ok_or_else(|| {
            // Whole if it looks like one, else its beginning.
            let brace = behind.iter().take(16).position(|&byte| byte == b'}');
            let end = match brace {
                Some(at) if behind.starts_with(b"u{") => at + 1,
                _ => behind.len().min(8),
            };
            BadEscape(format!("\\{}", safe(&behind[..end])))
        })?;
        bytes.extend_from_slice(&escaped);
        rest = &behind[used..];
    }
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

/// What is escaped at the start of a text, and how long the escape is.
fn escape(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let single = |byte| Some((1, vec![byte]));
    let hex = |digits: &[u8]| {
        let are_digits = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| are_digits)?;
        u32::from_str_radix(digits, 16).ok()
    };
    match text.first()? {
        b'\\' => single(b'\\'),
        b'n' => single(b'\n'),
        b'r' => single(b'\r'),
        b't' => single(b'\t'),
        b'x' => single(u8::try_from(hex(text.get(1..3)?)?).ok()?).map(|(_, byte)| (3, byte)),
        b'u' => {
            let digits = text.get(1..)?.strip_prefix(b"{")?;
            let len = digits.iter().position(|&byte| byte == b'}')?;
            let character = char::from_u32(hex(&digits[..len])?)?;
            Some((3 + len, character.to_string().into_bytes()))
        }
        _ => None,
    }
}

/// The bytes in hex, if they are not UTF-8: what JSON has beside the text that [`safe`] makes of them.
#[must_use]
pub fn hex_unless_utf8(bytes: &[u8]) -> Option<String> {
    if std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The text without what steers a terminal; line ends, tabs and backslashes stay. What is written goes through
/// this, so that a name that was forgotten does no harm.
pub(crate) fn harmless(text: &str, escape: impl Fn(char) -> String) -> String {
    let is_kept = |character| matches!(character, '\n' | '\t');
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if (character.is_control() || is_hidden(character)) && !is_kept(character) {
            shown.push_str(&escape(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        for (bytes, shown) in [
            (
                "h\u{e9}llo w\u{f6}rld \u{65e5}\u{672c}".as_bytes(),
                "h\u{e9}llo w\u{f6}rld \u{65e5}\u{672c}",
            ),
            (b"a\nb\\c\xff", r"a\nb\\c\xff"),
            (b"\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
            // C1 controls, which some terminals obey.
            ("\u{9b}2J".as_bytes(), r"\u{9b}2J"),
            (b"\x9b2J", r"\x9b2J"),
            // "gpj.exe" with the direction reversed, and what ends that.
            (
                "\u{202e}exe.jpg\u{202c}".as_bytes(),
                r"\u{202e}exe.jpg\u{202c}",
            ),
            (
                "a\u{2066}b\u{2069}\u{200f}".as_bytes(),
                r"a\u{2066}b\u{2069}\u{200f}",
            ),
            ("a\u{2028}b\u{feff}".as_bytes(), r"a\u{2028}b\u{feff}"),
        ] {
            assert_eq!(safe(bytes), shown);
        }
    }

    #[test]
    fn the_way_back_is_exact() {
        let every: Vec<u8> = (0..=255).chain("\u{202e}\u{e9}\\n\\".bytes()).collect();
        assert_eq!(original(safe(&every).as_bytes()), Ok(every));
        for bad in [
            r"a\",
            r"\q",
            r"\x1",
            r"\xzz",
            r"\u{110000}",
            r"\u41",
            r"\u{41",
        ] {
            assert!(original(bad.as_bytes()).is_err(), "{bad}");
        }
        let message = original(b"\\\x1b").unwrap_err().to_string();
        assert!(message.starts_with(r#""\\u{1b}" is not"#), "{message}");
        let message = original(br"/a\u{110000}/b").unwrap_err().to_string();
        assert!(message.starts_with(r#""\u{110000}" is not"#), "{message}");
    }
}
