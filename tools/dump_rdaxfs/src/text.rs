// SPDX-License-Identifier: GPL-2.0

//! Times, modes and numbers as they are shown.

use std::fmt;

use jiff::Timestamp;
use rdaxfs_core::format::{
    Superblock, Time, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
};
use serde::{Serialize, Serializer};

/// The label of a volume, without the zeros behind it.
pub(crate) fn label(superblock: &Superblock) -> &[u8] {
    let mut parts = superblock.label.split(|&byte| byte == 0);
    parts.next().unwrap_or(&[])
}

/// A time as RFC 3339 writes it; if its nanoseconds are none, the word in hexadecimal.
pub(crate) fn time(time: Time) -> String {
    match Timestamp::new(time.seconds(), time.nanoseconds() as i32) {
        Ok(timestamp) if time.nanoseconds() < 1_000_000_000 => format!("{timestamp:.9}"),
        _ => format!("{:#x}", time.0),
    }
}

/// A number. In JSON one that a double cannot hold, as JavaScript has them, is a string.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) u64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        terminal::number(&self.0, serializer)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
    fn large_numbers_are_strings_in_json() {
        let shown = |number: u64| serde_json::to_string(&Number(number)).unwrap();
        assert_eq!(shown(1 << 53), "9007199254740992");
        assert_eq!(shown((1 << 53) + 1), "\"9007199254740993\"");
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
