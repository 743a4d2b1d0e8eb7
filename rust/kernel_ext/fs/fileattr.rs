// SPDX-License-Identifier: GPL-2.0

//! Flags and project of a file: `FS_IOC_GETFLAGS`, `FS_IOC_FSGETXATTR` and their kin.
//!
//! C header: [`include/linux/fileattr.h`](srctree/include/linux/fileattr.h)

use kernel_bindings as bindings;

/// What chattr(1) and `xfs_io -c chattr` set. The VFS translates between `FS_*_FL` and
/// `FS_XFLAG_*`, and judges who may change what.
///
/// # Invariants
///
/// It is valid, and this task's alone.
#[repr(transparent)]
pub struct FileKattr(bindings::file_kattr);

impl FileKattr {
    /// # Safety
    ///
    /// `raw` must be valid and the caller's alone for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::file_kattr) -> &'a mut Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &mut *raw.cast() }
    }

    /// `FS_*_FL`.
    pub fn flags(&self) -> u32 {
        self.0.flags
    }

    /// The project.
    pub fn project(&self) -> u32 {
        self.0.fsx_projid
    }

    /// Whether something is to be set that this file system has no place for: the size of extents.
    pub fn has_extent_size(&self) -> bool {
        self.0.fsx_extsize != 0 || self.0.fsx_cowextsize != 0
    }

    /// `FS_XFLAG_*`, of those that are to be set.
    pub fn xflags(&self) -> u32 {
        self.0.fsx_xflags
    }

    /// Whether the caller knows `FS_*_FL` only (`FS_IOC_SETFLAGS`): then the project stays.
    pub fn is_flags(&self) -> bool {
        self.0.flags_valid()
    }

    /// Says which flags the file has, in both kinds.
    pub fn set_flags(&mut self, flags: u32) {
        // SAFETY: By the type invariant.
        unsafe { bindings::fileattr_fill_flags(&mut self.0, flags) };
    }

    /// Says which project the file is of, and how many extents it has.
    pub fn set_project(&mut self, project: u32, extents: u32) {
        self.0.fsx_projid = project;
        self.0.fsx_nextents = extents;
    }
}
