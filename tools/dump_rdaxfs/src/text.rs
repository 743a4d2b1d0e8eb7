// SPDX-License-Identifier: GPL-2.0

//! Names, times and modes as they are shown.

use rdaxfs_core::format::{
    Time, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
};

/// A name; bytes that are no printable ASCII are escaped.
pub(crate) fn name(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Seconds since 1970, with nanoseconds.
pub(crate) fn time(time: Time) -> String {
    format!("{}.{:09}", time.seconds(), time.nanoseconds())
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
