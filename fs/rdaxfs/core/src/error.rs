// SPDX-License-Identifier: GPL-2.0

//! Why an operation failed.

use core::fmt;

/// What an operation of this crate returns.
pub type Result<T = ()> = core::result::Result<T, Error>;

/// Why an operation failed; each is an errno of `include/uapi/asm-generic/errno.h`.
///
/// An operation that fails has changed nothing, unless its documentation says what it may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The name, inode or intent does not exist (`ENOENT`).
    NoEntry,
    /// The medium could not be read or written: poison, or an error of the device (`EIO`).
    Io,
    /// The attribute is longer than the caller's buffer (`ERANGE`).
    Range,
    /// The attribute, or all attributes of an inode together, are too long (`E2BIG`).
    TooBig,
    /// A lock or resource is held (`EBUSY`).
    Busy,
    /// The name or attribute exists (`EEXIST`).
    Exists,
    /// Not a directory (`ENOTDIR`).
    NotDirectory,
    /// A directory (`EISDIR`).
    IsDirectory,
    /// An argument is out of its range (`EINVAL`).
    Invalid,
    /// The file would be longer than [`MAX_FILE_SIZE`](crate::format::MAX_FILE_SIZE) (`EFBIG`).
    FileTooBig,
    /// No block is free (`ENOSPC`).
    NoSpace,
    /// The volume is mounted read-only, or has read-only compatible features (`EROFS`).
    ReadOnly,
    /// The inode has as many links as its field holds (`EMLINK`).
    TooManyLinks,
    /// The name is longer than 255 bytes (`ENAMETOOLONG`).
    NameTooLong,
    /// The directory has entries (`ENOTEMPTY`).
    NotEmpty,
    /// The inode has no such attribute (`ENODATA`).
    NoData,
    /// The volume has features that this code does not know, or the call is not supported
    /// (`EOPNOTSUPP`).
    NotSupported,
    /// The medium does not hold what it must: `fsck.rdaxfs` is needed (`EUCLEAN`).
    Corrupt,
    /// The inode number or generation is not, or no longer, that of an inode (`ESTALE`).
    Stale,
}

impl Error {
    /// The errno, positive.
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            Self::NoEntry => 2,
            Self::Io => 5,
            Self::TooBig => 7,
            Self::Busy => 16,
            Self::Exists => 17,
            Self::NotDirectory => 20,
            Self::IsDirectory => 21,
            Self::Invalid => 22,
            Self::FileTooBig => 27,
            Self::NoSpace => 28,
            Self::ReadOnly => 30,
            Self::TooManyLinks => 31,
            Self::Range => 34,
            Self::NameTooLong => 36,
            Self::NotEmpty => 39,
            Self::NoData => 61,
            Self::NotSupported => 95,
            Self::Stale => 116,
            Self::Corrupt => 117,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEntry => "no such file or directory",
            Self::Io => "input/output error",
            Self::Range => "the attribute does not fit the buffer",
            Self::TooBig => "the attributes are too long",
            Self::Busy => "busy",
            Self::Exists => "exists already",
            Self::NotDirectory => "not a directory",
            Self::IsDirectory => "is a directory",
            Self::Invalid => "invalid argument",
            Self::FileTooBig => "the file would be too large",
            Self::NoSpace => "no space left",
            Self::ReadOnly => "the volume is read-only",
            Self::TooManyLinks => "too many links",
            Self::NameTooLong => "the name is too long",
            Self::NotEmpty => "the directory is not empty",
            Self::NoData => "no such attribute",
            Self::NotSupported => "not supported by this version",
            Self::Corrupt => "the volume is corrupt",
            Self::Stale => "no such inode (any more)",
        })
    }
}

impl core::error::Error for Error {}
