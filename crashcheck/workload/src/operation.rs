// SPDX-License-Identifier: GPL-2.0

//! Operations, as they are written.

use std::fmt;

/// What is done. Paths have names separated by `/`, below the file system's root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The fields are what the calls of the same names take.
pub enum Operation {
    /// `create PATH`
    Create { path: String },
    /// `mkdir PATH`
    Mkdir { path: String },
    /// `write PATH OFFSET LENGTH SEED`: bytes that follow from the seed.
    Write {
        path: String,
        offset: u64,
        len: u64,
        seed: u8,
    },
    /// `append PATH LENGTH SEED`
    Append { path: String, len: u64, seed: u8 },
    /// `dsync PATH OFFSET LENGTH SEED`: a write with `RWF_DSYNC`, past the page cache: FUA on a disk.
    Dsync {
        path: String,
        offset: u64,
        len: u64,
        seed: u8,
    },
    /// `map PATH OFFSET LENGTH SEED`: stores through a mapping with `MAP_SYNC`, flushed by the program.
    Map {
        path: String,
        offset: u64,
        len: u64,
        seed: u8,
    },
    /// `msync PATH OFFSET LENGTH SEED`: stores through a mapping, which the program does not flush, and msync(2).
    Msync {
        path: String,
        offset: u64,
        len: u64,
        seed: u8,
    },
    /// `truncate PATH SIZE`
    Truncate { path: String, size: u64 },
    /// `fallocate PATH OFFSET LENGTH`
    Fallocate { path: String, offset: u64, len: u64 },
    /// `punch PATH OFFSET LENGTH`
    Punch { path: String, offset: u64, len: u64 },
    /// `zero PATH OFFSET LENGTH`: `FALLOC_FL_ZERO_RANGE`, on a disk `BLKZEROOUT`.
    Zero { path: String, offset: u64, len: u64 },
    /// `link PATH NEW`
    Link { path: String, new: String },
    /// `symlink TARGET PATH`
    Symlink { target: String, path: String },
    /// `rename PATH NEW`
    Rename { path: String, new: String },
    /// `exchange PATH NEW`
    Exchange { path: String, new: String },
    /// `unlink PATH`
    Unlink { path: String },
    /// `rmdir PATH`
    Rmdir { path: String },
    /// `chmod PATH MODE`: the mode in octal digits.
    Chmod { path: String, mode: u32 },
    /// `setxattr PATH NAME LENGTH SEED`
    Setxattr {
        path: String,
        name: String,
        len: u64,
        seed: u8,
    },
    /// `removexattr PATH NAME`
    Removexattr { path: String, name: String },
    /// `commit PATH NUMBER`: one more record in a database, in a transaction: see [`database_of`].
    Commit { path: String, number: u64 },
    /// `fsync PATH`
    Fsync { path: String },
    /// `sync`
    Sync,
}

/// What an operation makes durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing, unless the file system says that every call is durable.
    Nothing,
    /// A file, or a directory's own entries.
    Path(String),
    /// A range of a file's data.
    Data(String, std::ops::Range<u64>),
    /// Everything.
    All,
}

/// The database that a file belongs to, itself or beside it, by its name: `a.sqlite` has a rollback journal,
/// `a.wal.sqlite` a write-ahead log, `a.lmdb` is LMDB's with `MDB_NOSYNC`.
#[must_use]
pub fn database_of(path: &str) -> Option<&str> {
    let (folder, name) = match path.rfind('/') {
        Some(at) => path.split_at(at + 1),
        None => ("", path),
    };
    [".sqlite", ".lmdb"].iter().find_map(|ending| {
        let end = name.find(ending)? + ending.len();
        let rest = &name[end..];
        (rest.is_empty() || rest.starts_with('-')).then(|| &path[..folder.len() + end])
    })
}

impl Operation {
    /// What is durable when it has returned, on any file system.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self {
            Self::Sync => Reach::All,
            Self::Fsync { path } => Reach::Path(path.clone()),
            // Without a sync, LMDB promises what the file system does.
            Self::Commit { path, .. } if path.ends_with(".sqlite") => Reach::Path(path.clone()),
            Self::Dsync {
                path, offset, len, ..
            }
            | Self::Map {
                path, offset, len, ..
            }
            | Self::Msync {
                path, offset, len, ..
            } => Reach::Data(path.clone(), *offset..offset + len),
            _ => Reach::Nothing,
        }
    }

    /// The range of a file's data that a crash may leave partly done.
    #[must_use]
    pub fn data(&self) -> Option<(&str, std::ops::Range<u64>)> {
        match self {
            Self::Write {
                path, offset, len, ..
            }
            | Self::Dsync {
                path, offset, len, ..
            }
            | Self::Map {
                path, offset, len, ..
            }
            | Self::Msync {
                path, offset, len, ..
            }
            | Self::Fallocate { path, offset, len }
            | Self::Punch { path, offset, len }
            | Self::Zero { path, offset, len } => Some((path, *offset..offset + len)),
            Self::Append { path, .. } => Some((path, 0..u64::MAX)),
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { path } => write!(f, "create {path}"),
            Self::Mkdir { path } => write!(f, "mkdir {path}"),
            Self::Write {
                path,
                offset,
                len,
                seed,
            } => write!(f, "write {path} {offset} {len} {seed}"),
            Self::Append { path, len, seed } => write!(f, "append {path} {len} {seed}"),
            Self::Dsync {
                path,
                offset,
                len,
                seed,
            } => write!(f, "dsync {path} {offset} {len} {seed}"),
            Self::Map {
                path,
                offset,
                len,
                seed,
            } => write!(f, "map {path} {offset} {len} {seed}"),
            Self::Msync {
                path,
                offset,
                len,
                seed,
            } => write!(f, "msync {path} {offset} {len} {seed}"),
            Self::Truncate { path, size } => write!(f, "truncate {path} {size}"),
            Self::Fallocate { path, offset, len } => write!(f, "fallocate {path} {offset} {len}"),
            Self::Punch { path, offset, len } => write!(f, "punch {path} {offset} {len}"),
            Self::Zero { path, offset, len } => write!(f, "zero {path} {offset} {len}"),
            Self::Link { path, new } => write!(f, "link {path} {new}"),
            Self::Symlink { target, path } => write!(f, "symlink {target} {path}"),
            Self::Rename { path, new } => write!(f, "rename {path} {new}"),
            Self::Exchange { path, new } => write!(f, "exchange {path} {new}"),
            Self::Unlink { path } => write!(f, "unlink {path}"),
            Self::Rmdir { path } => write!(f, "rmdir {path}"),
            Self::Chmod { path, mode } => write!(f, "chmod {path} {mode:o}"),
            Self::Setxattr {
                path,
                name,
                len,
                seed,
            } => write!(f, "setxattr {path} {name} {len} {seed}"),
            Self::Removexattr { path, name } => write!(f, "removexattr {path} {name}"),
            Self::Commit { path, number } => write!(f, "commit {path} {number}"),
            Self::Fsync { path } => write!(f, "fsync {path}"),
            Self::Sync => f.write_str("sync"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_a_database_are_its() {
        for (path, database) in [
            ("d/a.wal.sqlite-shm", Some("d/a.wal.sqlite")),
            ("a.sqlite", Some("a.sqlite")),
            ("a.lmdb-lock", Some("a.lmdb")),
            ("a.sqlites", None),
            ("a.sqlite/x", None),
            ("f", None),
        ] {
            assert_eq!(database_of(path), database, "{path}");
        }
    }
}
