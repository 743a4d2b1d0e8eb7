// SPDX-License-Identifier: GPL-2.0

//! ioctl(2) on open files and directories.
//!
//! The VFS itself answers what concerns flags, extents, cloning, freezing, UUIDs and paths in sysfs.
//!
//! C header: [`include/uapi/linux/fs.h`](srctree/include/uapi/linux/fs.h)

use super::{file::File, file_system::FileSystem};
use core::marker::PhantomData;
use kernel::{
    ffi::{c_long, c_uint, c_ulong},
    prelude::*,
    uaccess::UserPtr,
};
use kernel_bindings as bindings;

/// The numbers of commands. A process of 32 bits on a kernel of 64 has another one for some of them.
pub mod command {
    use kernel::{
        ffi::{c_int, c_long},
        ioctl::{_IOR, _IOW},
    };
    use kernel_bindings as bindings;

    /// The longest label with its NUL.
    pub const FSLABEL_MAX: usize = bindings::FSLABEL_MAX as usize;

    /// Which of the inodes of its number a file has had, as a `c_int`.
    pub const FS_IOC_GETVERSION: u32 = _IOR::<c_long>(b'v' as u32, 1);
    /// The same.
    pub const FS_IOC32_GETVERSION: u32 = _IOR::<c_int>(b'v' as u32, 1);
    /// The label of the volume, [`FSLABEL_MAX`] bytes.
    pub const FS_IOC_GETFSLABEL: u32 = _IOR::<[u8; FSLABEL_MAX]>(0x94, 49);
    /// Sets it.
    pub const FS_IOC_SETFSLABEL: u32 = _IOW::<[u8; FSLABEL_MAX]>(0x94, 50);
    /// Shuts the file system down, as a `u32` of [`super::shutdown`] says.
    pub const FS_IOC_SHUTDOWN: u32 = _IOR::<u32>(b'X' as u32, 125);
}

/// How a file system is shut down.
pub mod shutdown {
    use kernel_bindings as bindings;

    /// When all that is dirty has been written.
    pub const DEFAULT: u32 = bindings::FS_SHUTDOWN_FLAGS_DEFAULT;
    /// When its log has been written, but no data.
    pub const LOGFLUSH: u32 = bindings::FS_SHUTDOWN_FLAGS_LOGFLUSH;
    /// At once.
    pub const NOLOGFLUSH: u32 = bindings::FS_SHUTDOWN_FLAGS_NOLOGFLUSH;
}

/// What a file system does for ioctl(2).
pub trait Operations: 'static {
    /// The file system.
    type FileSystem: FileSystem;

    /// Does a command. What it is given is a number, or points to memory of the calling process.
    ///
    /// May sleep. No lock is held.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for a command that is not known; any.
    fn ioctl(file: &File<Self::FileSystem>, command: u32, argument: UserPtr) -> Result;
}

/// The C side of `O`.
pub(super) struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    /// # Safety
    ///
    /// For the VFS, with an open file of the file system.
    pub(super) unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: As the caller promises.
        let file = unsafe { File::from_raw(file) };
        match O::ioctl(file, command, UserPtr::from_addr(argument)) {
            Ok(()) => 0,
            Err(error) => error.to_errno() as c_long,
        }
    }
}
