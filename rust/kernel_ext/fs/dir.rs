// SPDX-License-Identifier: GPL-2.0

//! Reading directories.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct dir_context`)

use super::{
    file_system::FileSystem,
    inode::{FileOps, Inode},
    ioctl, no_operations, to_errno,
};
use core::{ffi::c_int, marker::PhantomData};
use kernel::{prelude::*, types::NotThreadSafe};
use kernel_bindings as bindings;

/// The operations on an open directory.
#[vtable]
pub trait Operations {
    /// The file system.
    type FileSystem: FileSystem;

    /// What ioctl(2) does.
    type Ioctl: ioctl::Operations<FileSystem = Self::FileSystem>;

    /// Emits the entries from [`Emitter::position`] on, until it says `false` or there are no more.
    ///
    /// The directory's `i_rwsem` is held shared. What takes entries may fault: no lock that a fault
    /// takes may be held while emitting.
    ///
    /// # Errors
    ///
    /// Any; getdents(2) fails with it, unless something has been emitted.
    fn iterate(directory: &Inode<Self::FileSystem>, emitter: &mut Emitter<'_>) -> Result;

    /// Makes the directory durable.
    ///
    /// # Errors
    ///
    /// Any; fsync(2) fails with it.
    fn fsync(directory: &Inode<Self::FileSystem>) -> Result;
}

/// What takes a directory's entries.
pub struct Emitter<'a> {
    file: *mut bindings::file,
    context: &'a mut bindings::dir_context,
    _task: NotThreadSafe,
}

impl Emitter<'_> {
    /// Where to go on. 0 and 1 are for "." and "..".
    pub fn position(&self) -> u64 {
        self.context.pos as u64
    }

    /// Where to go on the next time; at most `i64::MAX`.
    pub fn set_position(&mut self, position: u64) {
        self.context.pos = i64::try_from(position).unwrap_or(i64::MAX);
    }

    /// Emits "." and "..", if the position is at them; they have 0 and 1. Returns whether to go on.
    pub fn emit_dots(&mut self) -> bool {
        // SAFETY: The file and the context are those of the call.
        unsafe { bindings::dir_emit_dots(self.file, self.context) }
    }

    /// Emits an entry, whose place is `position`; returns whether it was taken.
    pub fn emit(&mut self, position: u64, name: &[u8], ino: u64, kind: u8) -> bool {
        self.set_position(position);
        // SAFETY: The name is valid; the context is that of the call.
        let taken = unsafe {
            bindings::dir_emit(
                self.context,
                name.as_ptr().cast(),
                name.len() as c_int,
                ino,
                kind.into(),
            )
        };
        if taken {
            self.set_position(position.saturating_add(1));
        }
        taken
    }
}

/// The table of a file system's operations on open directories.
pub const fn ops<O: Operations>() -> FileOps<O::FileSystem> {
    FileOps(&Table::<O>::OPS, PhantomData)
}

struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    const OPS: bindings::file_operations = bindings::file_operations {
        llseek: Some(Self::llseek),
        read: Some(bindings::generic_read_dir),
        iterate_shared: Some(Self::iterate),
        unlocked_ioctl: Some(ioctl::Table::<O::Ioctl>::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: Some(bindings::compat_ptr_ioctl),
        fsync: Some(Self::fsync),
        setlease: Some(bindings::generic_setlease),
        ..no_operations()
    };

    /// # Safety
    ///
    /// For the VFS, with an open directory of the file system.
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        // Positions are not bytes: they may be anywhere.
        // SAFETY: As the caller promises.
        unsafe { bindings::generic_file_llseek_size(file, offset, whence, i64::MAX, i64::MAX) }
    }

    /// # Safety
    ///
    /// For the VFS, with an open directory of the file system whose `i_rwsem` is held shared, and a
    /// context for this task only.
    unsafe extern "C" fn iterate(
        file: *mut bindings::file,
        context: *mut bindings::dir_context,
    ) -> c_int {
        // SAFETY: As the caller promises.
        let directory = unsafe { Inode::from_raw(bindings::file_inode(file)) };
        let mut emitter = Emitter {
            file,
            // SAFETY: As the caller promises.
            context: unsafe { &mut *context },
            _task: NotThreadSafe,
        };
        to_errno(O::iterate(directory, &mut emitter))
    }

    /// # Safety
    ///
    /// For the VFS, with an open directory of the file system.
    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        _start: bindings::loff_t,
        _end: bindings::loff_t,
        _datasync: c_int,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(O::fsync(unsafe {
            Inode::from_raw(bindings::file_inode(file))
        }))
    }
}
