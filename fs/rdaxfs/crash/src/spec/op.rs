// SPDX-License-Identifier: GPL-2.0

//! Operations, as values that can be printed and generated.

/// Why an operation fails: an errno of `include/uapi/asm-generic/errno.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errno(pub i32);

impl Errno {
    /// Not permitted.
    pub const EPERM: Self = Self(1);
    /// No such entry.
    pub const ENOENT: Self = Self(2);
    /// The name exists.
    pub const EEXIST: Self = Self(17);
    /// Not a directory.
    pub const ENOTDIR: Self = Self(20);
    /// A directory.
    pub const EISDIR: Self = Self(21);
    /// Makes no sense.
    pub const EINVAL: Self = Self(22);
    /// The directory has entries.
    pub const ENOTEMPTY: Self = Self(39);
    /// No such attribute.
    pub const ENODATA: Self = Self(61);
    /// No space.
    pub const ENOSPC: Self = Self(28);
}

impl Op {
    /// Whether it is one that a full volume must not keep from succeeding: it gives space back.
    #[must_use]
    pub fn frees(&self) -> bool {
        use FallocateMode::PunchHole;
        match self {
            Self::Unlink { .. }
            | Self::UnlinkUnused { .. }
            | Self::Rmdir { .. }
            | Self::RmdirUnused { .. }
            | Self::Truncate { .. } => true,
            Self::RemoveXattr { .. } => true,
            Self::Fallocate { mode, .. } => *mode == PunchHole,
            _ => false,
        }
    }
}

/// What `mknod` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device with its number.
    Char(u64),
    /// A block device with its number.
    Block(u64),
}

/// How `rename` treats the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// Replaces what has the new name.
    Replace,
    /// Replaces what has the new name, which nobody uses: it may be freed at once.
    ReplaceUnused,
    /// Replaces, and leaves a device of number 0 with the old name (`RENAME_WHITEOUT`).
    Whiteout,
    /// `RENAME_NOREPLACE`: fails if something has it.
    NoReplace,
    /// `RENAME_EXCHANGE`: both change their places.
    Exchange,
}

/// What `fallocate` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallocateMode {
    /// Allocates, and extends the file.
    Allocate,
    /// Allocates (`FALLOC_FL_KEEP_SIZE`).
    KeepSize,
    /// Makes a hole (`FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`).
    PunchHole,
    /// Zeroes, and extends the file (`FALLOC_FL_ZERO_RANGE`).
    ZeroRange,
    /// Zeroes (`FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE`).
    ZeroKeepSize,
    /// Takes pages out (`FALLOC_FL_COLLAPSE_RANGE`).
    Collapse,
    /// Puts a hole in (`FALLOC_FL_INSERT_RANGE`).
    Insert,
}

/// Whether an attribute may or must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    /// Either.
    Set,
    /// `XATTR_CREATE`: it must not.
    Create,
    /// `XATTR_REPLACE`: it must.
    Replace,
}

/// What `setattr` changes, apart from the size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The permissions.
    pub mode: Option<u16>,
    /// The owner.
    pub uid: Option<u32>,
    /// The owning group.
    pub gid: Option<u32>,
    /// The time of the last access.
    pub accessed: Option<u64>,
    /// The time of the last change of the contents.
    pub modified: Option<u64>,
}

/// An operation. Paths have names separated by `/`; "" is the root; no symbolic link is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // What the fields are is what the calls of the same names take.
pub enum Op {
    Create {
        path: String,
        mode: u16,
    },
    Mkdir {
        path: String,
        mode: u16,
    },
    Symlink {
        path: String,
        target: String,
    },
    Mknod {
        path: String,
        mode: u16,
        kind: DeviceKind,
    },
    Link {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    Rmdir {
        path: String,
    },
    /// Unlinks what nobody uses: it may be freed at once.
    UnlinkUnused {
        path: String,
    },
    /// Removes a directory that nobody uses.
    RmdirUnused {
        path: String,
    },
    Rename {
        from: String,
        to: String,
        mode: RenameMode,
    },
    Truncate {
        path: String,
        size: u64,
    },
    Fallocate {
        path: String,
        mode: FallocateMode,
        offset: u64,
        len: u64,
    },
    /// Writes [`pattern`](super::pattern)`(seed, offset, len)`.
    Write {
        path: String,
        offset: u64,
        len: u64,
        seed: u8,
    },
    /// A write of `len` bytes of which only the first `copied` can be copied: it writes those.
    ShortWrite {
        path: String,
        offset: u64,
        len: u64,
        copied: u64,
        seed: u8,
    },
    SetAttributes {
        path: String,
        change: Change,
    },
    SetXattr {
        path: String,
        name: String,
        value: Vec<u8>,
        mode: XattrMode,
    },
    RemoveXattr {
        path: String,
        name: String,
    },
    SetFlags {
        path: String,
        flags: u32,
    },
    SetProject {
        path: String,
        project: u32,
    },
    /// Makes a file without a name, which [`Op::LinkOrphan`] finds by its number.
    Tmpfile {
        directory: String,
        mode: u16,
        handle: u32,
    },
    LinkOrphan {
        handle: u32,
        to: String,
    },
    /// One of the free blocks is bad, cannot be repaired, and is not used again. Nobody sees that.
    BadBlock {
        nth: u64,
    },
}
