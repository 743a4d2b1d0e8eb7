// SPDX-License-Identifier: GPL-2.0

//! What the locks of an inode guard.

use crate::alloc::Reservation;
use crate::format::{S_IFDIR, S_IFMT, S_IFREG};
use crate::journal::{Guarded, Stamp};
use crate::{Error, Result};

/// What an inode's map lock guards, beside the inode on the medium: its contents (extents, entries),
/// size, attributes, times and links; all but its extended attributes and its place in the group's
/// list of orphans.
///
/// Whoever has it, has the lock: the caller keeps one for each inode in use, and no second one.
#[derive(Debug)]
pub struct MapState {
    pub(crate) ino: u64,
    pub(crate) generation: u32,
    pub(crate) stamp: Stamp,
    kind: Kind,
}

/// What an inode is, which never changes, and what belongs to inodes of that kind alone.
#[derive(Debug)]
enum Kind {
    File(FileState),
    Directory,
    /// A symbolic link or a special file.
    Other,
}

/// What is a regular file's alone.
#[derive(Debug)]
pub(crate) struct FileState {
    /// The chunk that the file has for itself.
    pub(crate) reservation: Option<Reservation>,
}

impl MapState {
    /// The state of an inode that comes into the cache: `ino`, `generation` and `mode` as
    /// [`Inodes::open`](super::Inodes::open) found them.
    pub(crate) const fn new(ino: u64, generation: u32, mode: u16) -> Self {
        Self {
            ino,
            generation,
            stamp: Stamp::unknown(Guarded::Contents(ino)),
            kind: Kind::of(mode),
        }
    }

    /// The state of an inode that a transaction has made, which has set the stamp.
    pub(crate) fn made(ino: u64, generation: u32, mode: u16, mut stamp: Stamp) -> Self {
        stamp.guard(Guarded::Contents(ino));
        Self {
            ino,
            generation,
            stamp,
            kind: Kind::of(mode),
        }
    }

    /// What is a file's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is not a regular file.
    pub(crate) const fn file(&self) -> Result<&FileState> {
        match &self.kind {
            Kind::File(file) => Ok(file),
            Kind::Directory | Kind::Other => Err(Error::Invalid),
        }
    }

    /// As [`file`](Self::file), to change it.
    pub(crate) fn file_mut(&mut self) -> Result<&mut FileState> {
        match &mut self.kind {
            Kind::File(file) => Ok(file),
            Kind::Directory | Kind::Other => Err(Error::Invalid),
        }
    }

    /// Whether it is a directory.
    pub(crate) const fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// The inode's number.
    #[must_use]
    pub const fn ino(&self) -> u64 {
        self.ino
    }

    /// Which of the inodes with that number it is.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }
}

impl Kind {
    const fn of(mode: u16) -> Self {
        match mode & S_IFMT {
            S_IFREG => Self::File(FileState { reservation: None }),
            S_IFDIR => Self::Directory,
            _ => Self::Other,
        }
    }
}

/// What an inode's lock of extended attributes guards: those attributes. Taken before the map lock
/// when both are needed, which is when attributes change.
#[derive(Debug)]
pub struct XattrState {
    pub(crate) ino: u64,
    pub(crate) stamp: Stamp,
}

impl XattrState {
    /// The state of the inode of `map`.
    #[must_use]
    pub const fn new(map: &MapState) -> Self {
        Self {
            ino: map.ino,
            stamp: Stamp::unknown(Guarded::Xattrs(map.ino)),
        }
    }

    /// The inode's number.
    #[must_use]
    pub const fn ino(&self) -> u64 {
        self.ino
    }
}
