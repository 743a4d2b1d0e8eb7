// SPDX-License-Identifier: GPL-2.0

//! Names, times and modes as they are shown.

use jiff::Timestamp;
use rdaxfs_core::format::{
    Time, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
};

/// A name; control characters, backslashes and what is no UTF-8 are escaped.
pub(crate) fn name(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        shown.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    shown
}

/// A time as RFC 3339 writes it; if its nanoseconds are none, the word in hexadecimal.
pub(crate) fn time(time: Time) -> String {
    match Timestamp::new(time.seconds(), time.nanoseconds() as i32) {
        Ok(timestamp) if time.nanoseconds() < 1_000_000_000 => format!("{timestamp:.9}"),
        _ => format!("{:#x}", time.0),
    }
}

/// What kind of inode a mode says.
pub(crate) fn kind(mode: u16) -> &'static str {
    match mode & S_IFMT {
        S_IFREG => "file",
        S_IFDIR => "directory",
        S_IFLNK => "symlink",
        S_IFCHR => "character device",
        S_IFBLK => "block device",
        S_IFIFO => "fifo",
        S_IFSOCK => "socket",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_what_can_be_shown() {
        assert_eq!(name("h\u{e9}llo world".as_bytes()), "h\u{e9}llo world");
        assert_eq!(name(b"a\nb\\c\xff"), r"a\nb\\c\xff");
    }

    #[test]
    fn times_are_dates() {
        assert_eq!(
            time(Time::new(Time::MIN_SECONDS, 0)),
            "1697-10-17T11:03:28.000000000Z"
        );
        assert_eq!(
            time(Time::new(Time::MAX_SECONDS, 999_999_999)),
            "2242-03-16T12:56:31.999999999Z"
        );
        assert_eq!(time(Time(0x3fff_ffff)), "0x3fffffff");
    }
}
