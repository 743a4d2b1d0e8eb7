// SPDX-License-Identifier: GPL-2.0

//! What stat(2) and statx(2) say.
//!
//! C header: [`include/linux/stat.h`](srctree/include/linux/stat.h)

use super::{file_system::FileSystem, inode::Inode, mnt_idmapping::MntIdmap, Timespec};
use kernel_bindings as bindings;

/// What a caller of statx(2) may ask for: the bits of `stx_mask`.
pub mod mask {
    use kernel_bindings as bindings;

    /// The time of creation.
    pub const BTIME: u32 = bindings::STATX_BTIME;
    /// How direct I/O has to be aligned.
    pub const DIOALIGN: u32 = bindings::STATX_DIOALIGN;
}

/// What an inode is: the bits of `stx_attributes`.
pub mod attributes {
    use kernel_bindings as bindings;

    /// Nothing changes.
    pub const IMMUTABLE: u64 = bindings::STATX_ATTR_IMMUTABLE as u64;
    /// Append only.
    pub const APPEND: u64 = bindings::STATX_ATTR_APPEND as u64;
    /// Not for backups.
    pub const NODUMP: u64 = bindings::STATX_ATTR_NODUMP as u64;
}

/// What statx(2) says of an inode.
///
/// # Invariants
///
/// It is valid, and this task's alone.
#[repr(transparent)]
pub struct Kstat(bindings::kstat);

impl Kstat {
    /// # Safety
    ///
    /// `raw` must be valid and the caller's alone for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::kstat) -> &'a mut Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &mut *raw.cast() }
    }

    /// Fills in what the VFS knows.
    pub fn fill<T: FileSystem>(&mut self, idmap: &MntIdmap, request: u32, inode: &Inode<T>) {
        // SAFETY: All are valid.
        unsafe {
            bindings::generic_fillattr(idmap.as_ptr(), request, inode.as_ptr(), &mut self.0);
        }
    }

    /// Says when the inode was made.
    pub fn set_btime(&mut self, time: Timespec) {
        self.0.btime = time.to_raw();
        self.0.result_mask |= mask::BTIME;
    }

    /// Says which of [`attributes`] the inode has, of those that are in `known`.
    pub fn set_attributes(&mut self, has: u64, known: u64) {
        self.0.attributes |= has & known;
        self.0.attributes_mask |= known;
    }

    /// Says how direct I/O has to be aligned, in bytes: in memory, and in the file.
    pub fn set_dio_alignment(&mut self, memory: u32, offset: u32) {
        self.0.dio_mem_align = memory;
        self.0.dio_offset_align = offset;
        self.0.result_mask |= mask::DIOALIGN;
    }
}
