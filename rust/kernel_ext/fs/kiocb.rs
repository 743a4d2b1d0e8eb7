// SPDX-License-Identifier: GPL-2.0

//! Reads and writes that are going on.
//!
//! The kernel crate's `Kiocb` knows the position only, and is typed by the file's private data; this
//! one is typed by the file system.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct kiocb`)

use super::{
    file::File,
    file_system::FileSystem,
    inode::{Inode, Locked},
};
use core::marker::PhantomData;
use kernel::{error::to_result, iov::IovIterSource, prelude::*};
use kernel_bindings as bindings;

/// A read or a write of a file of the file system `T`.
///
/// # Invariants
///
/// It is valid, with an open file whose inode is one of the file system's, and this task has it for
/// itself.
pub struct Kiocb<'a, T: FileSystem> {
    raw: &'a mut bindings::kiocb,
    _type: PhantomData<T>,
}

impl<'a, T: FileSystem> Kiocb<'a, T> {
    /// # Safety
    ///
    /// `raw` must be what the invariants say, for `'a`.
    pub(crate) unsafe fn from_raw(raw: *mut bindings::kiocb) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            // SAFETY: As the caller promises.
            raw: unsafe { &mut *raw },
            _type: PhantomData,
        }
    }

    pub(crate) fn as_ptr(&mut self) -> *mut bindings::kiocb {
        self.raw
    }

    /// The file.
    #[inline]
    pub fn file(&self) -> &'a File<T> {
        // SAFETY: By the type invariant it is open for `'a`.
        unsafe { File::from_raw(self.raw.ki_filp) }
    }

    /// The file's inode.
    #[inline]
    pub fn inode(&self) -> &'a Inode<T> {
        self.file().inode()
    }

    /// Where it begins, or where it has got to.
    #[inline]
    pub fn position(&self) -> u64 {
        self.raw.ki_pos as u64
    }

    /// Says where it has got to.
    pub fn set_position(&mut self, position: u64) {
        self.raw.ki_pos = position as i64;
    }

    /// Whether it may not wait (`RWF_NOWAIT`): what would have to is tried again with `EAGAIN`.
    #[inline]
    pub fn is_nowait(&self) -> bool {
        self.has(bindings::IOCB_NOWAIT)
    }

    /// Whether it passes the page cache (`O_DIRECT`).
    #[inline]
    pub fn is_direct(&self) -> bool {
        self.has(bindings::IOCB_DIRECT)
    }

    /// From now on it goes through the page cache.
    pub fn set_buffered(&mut self) {
        self.raw.ki_flags &= !(bindings::IOCB_DIRECT as c_int);
    }

    /// Whether what is written has to be durable when the call returns (`O_SYNC`, `O_DSYNC`, or the
    /// inode's flag).
    pub fn is_synchronous(&self) -> bool {
        // SAFETY: By the type invariant it is valid.
        unsafe { bindings::iocb_is_dsync(self.raw) }
    }

    #[inline]
    fn has(&self, flag: u32) -> bool {
        self.raw.ki_flags as u32 & flag != 0
    }

    /// What is checked before a write: the limits of the process and the file system, swap files,
    /// and the position of a file that is only appended to. Returns how many bytes are to be written, to
    /// which `from` is cut.
    ///
    /// # Errors
    ///
    /// `EFBIG`, `ETXTBSY`, `EINVAL`.
    pub fn write_checks(
        &mut self,
        _inode: Locked<'_, T>,
        from: &mut IovIterSource<'_>,
    ) -> Result<usize> {
        // SAFETY: By the type invariant it is valid; the iterator is a valid source. The inode, whose size is
        // looked at, is locked.
        let count = unsafe { bindings::generic_write_checks(self.raw, from.as_raw().cast()) };
        count_or_error(count)
    }

    /// Before the contents change: takes suid bits and file capabilities away, and says that the file
    /// changes now.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if it may not wait and would have to; those of the file system.
    pub fn modified(&mut self, _inode: Locked<'_, T>) -> Result {
        // SAFETY: By the type invariant it is valid; the inode is locked, as the function wants it.
        to_result(unsafe { bindings::kiocb_modified(self.raw) })
    }

    /// After a write of `written` bytes, with no lock held: makes them durable if that was asked for.
    /// Returns `written`.
    ///
    /// # Errors
    ///
    /// Those of fsync.
    pub fn write_sync(&mut self, written: usize) -> Result<usize> {
        // SAFETY: By the type invariant it is valid, and its position is behind the bytes.
        count_or_error(unsafe { bindings::generic_write_sync(self.raw, written as isize) })
    }
}

/// What C returns for a number of bytes or an errno.
pub(super) fn count_or_error(count: isize) -> Result<usize> {
    usize::try_from(count).map_err(|_| Error::from_errno(count as c_int))
}

/// What C gets for a number of bytes or an errno.
pub(super) fn to_count(result: Result<usize>) -> isize {
    match result {
        Ok(count) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}
