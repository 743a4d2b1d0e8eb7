// SPDX-License-Identifier: GPL-2.0

//! Open files.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct file_operations`)

use super::{
    file_system::FileSystem,
    inode::{FileOps, Inode},
    ioctl,
    kiocb::{to_count, Kiocb},
    no_operations, to_errno,
    vm::VmAreaDesc,
};
use core::{marker::PhantomData, ops::RangeInclusive};
use kernel::{
    error::to_result,
    ffi::{c_int, c_long},
    iov::{IovIterDest, IovIterSource},
    prelude::*,
    types::Opaque,
};
use kernel_bindings as bindings;

/// An open file of the file system `T`.
///
/// # Invariants
///
/// It is open while there is a reference to this, and its inode is one of the file system's.
#[repr(transparent)]
pub struct File<T: FileSystem>(Opaque<bindings::file>, PhantomData<T>);

impl<T: FileSystem> File<T> {
    /// # Safety
    ///
    /// `file` must be what the invariants say, for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*file.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// The inode.
    #[inline]
    pub fn inode(&self) -> &Inode<T> {
        // SAFETY: By the type invariant it is open, and has an inode of the file system.
        unsafe { Inode::from_raw(bindings::file_inode(self.as_ptr())) }
    }

    /// Whether it was opened for writing.
    pub fn is_writable(&self) -> bool {
        // SAFETY: By the type invariant it is open; the mode does not change any more.
        unsafe { (*self.as_ptr()).f_mode & bindings::FMODE_WRITE != 0 }
    }

    /// Whether it was opened for writing, as no other file of the inode is.
    pub fn is_last_writer(&self) -> bool {
        // SAFETY: By the type invariant it is open, and its inode valid.
        self.is_writable() && unsafe { bindings::inode_writecount(self.inode().as_ptr()) } == 1
    }

    /// Says that the contents have been read, for the time of last access.
    #[inline]
    pub fn accessed(&self) {
        // SAFETY: By the type invariant it is open.
        unsafe { bindings::file_accessed(self.as_ptr()) };
    }

    /// Before the contents change: takes suid bits and file capabilities away, and says that the file
    /// changes now. The inode is locked exclusively.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn modified(&self) -> Result {
        // SAFETY: By the type invariant it is open.
        to_result(unsafe { bindings::file_modified(self.as_ptr()) })
    }

    /// As [`modified`](Self::modified), without the times. The inode is locked exclusively.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn remove_privileges(&self) -> Result {
        // SAFETY: By the type invariant it is open.
        to_result(unsafe { bindings::file_remove_privs(self.as_ptr()) })
    }

    /// Says that the contents change now, through a mapping.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn update_time(&self) -> Result {
        // SAFETY: By the type invariant it is open.
        to_result(unsafe { bindings::file_update_time(self.as_ptr()) })
    }

    /// Has the mount that the file was opened by written to, until the guard is dropped: it does not become
    /// read-only, nor is the file system frozen. May sleep.
    ///
    /// # Errors
    ///
    /// `EROFS`.
    pub fn want_write(&self) -> Result<WriteAccess<'_, T>> {
        // SAFETY: By the type invariant it is open.
        to_result(unsafe { bindings::mnt_want_write_file(self.as_ptr()) })?;
        // INVARIANT: Taken just now.
        Ok(WriteAccess(self))
    }

    /// Starts to write the pages of a range that are dirty, and waits for them. Reports errors of earlier
    /// writes to the file once. May sleep.
    ///
    /// # Errors
    ///
    /// `EIO`, `ENOSPC`.
    pub fn write_and_wait(&self, range: &RangeInclusive<i64>) -> Result {
        // SAFETY: By the type invariant it is open.
        to_result(unsafe {
            bindings::file_write_and_wait_range(self.as_ptr(), *range.start(), *range.end())
        })
    }

    /// Sets the position, which has to be within the file system's limit. Returns it.
    ///
    /// # Errors
    ///
    /// `EINVAL`.
    pub fn set_position(&self, offset: i64) -> Result<i64> {
        // SAFETY: By the type invariant it is open, and its super block valid.
        let found = unsafe {
            let limit = (*self.inode().super_block().as_ptr()).s_maxbytes;
            bindings::vfs_setpos(self.as_ptr(), offset, limit)
        };
        offset_or_error(found)
    }

    /// lseek(2) to where no knowledge of the contents is needed.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `EOVERFLOW`, `ENXIO`.
    pub fn generic_llseek(&self, offset: i64, whence: Whence) -> Result<i64> {
        // SAFETY: By the type invariant it is open.
        offset_or_error(unsafe {
            bindings::generic_file_llseek(self.as_ptr(), offset, whence.0 as c_int)
        })
    }
}

/// Write access to the mount that a file was opened by.
///
/// # Invariants
///
/// It has been taken for this file, and is given back by this.
#[must_use = "write access ends when this is dropped"]
pub struct WriteAccess<'a, T: FileSystem>(&'a File<T>);

impl<T: FileSystem> Drop for WriteAccess<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it was taken for the file, which is open.
        unsafe { bindings::mnt_drop_write_file(self.0.as_ptr()) };
    }
}

/// A file that is being opened.
pub struct OpeningFile<'a, T: FileSystem> {
    file: &'a File<T>,
}

impl<T: FileSystem> OpeningFile<'_, T> {
    /// The inode.
    pub fn inode(&self) -> &Inode<T> {
        self.file.inode()
    }

    /// `RWF_NOWAIT` is taken: reads and writes keep to [`Kiocb::is_nowait`].
    pub fn allow_nowait(&mut self) {
        self.allow(bindings::FMODE_NOWAIT);
    }

    /// `O_DIRECT` is taken.
    pub fn allow_direct(&mut self) {
        self.allow(bindings::FMODE_CAN_ODIRECT);
    }

    fn allow(&mut self, mode: u32) {
        // SAFETY: The file is being opened by this task; nobody else sees it.
        unsafe { (*self.file.as_ptr()).f_mode |= mode };
    }
}

/// From where lseek(2) counts, or what it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whence(u32);

impl Whence {
    /// The next byte that is in no hole.
    pub const DATA: Self = Self(bindings::SEEK_DATA);
    /// The next hole; the end of the file is one.
    pub const HOLE: Self = Self(bindings::SEEK_HOLE);
}

/// What open files can do beyond what their operations say.
pub mod flags {
    use kernel_bindings as bindings;

    /// They can be mapped with `MAP_SYNC`.
    pub const MMAP_SYNC: u32 = bindings::FOP_MMAP_SYNC;
    /// Reads through the page cache can go on without the task.
    pub const BUFFER_RASYNC: u32 = bindings::FOP_BUFFER_RASYNC;
    /// Writes without `O_DIRECT` take `RWF_NOWAIT`.
    pub const BUFFER_WASYNC: u32 = bindings::FOP_BUFFER_WASYNC;
}

/// The modes of fallocate(2).
pub mod falloc {
    use kernel_bindings as bindings;

    /// The size stays.
    pub const KEEP_SIZE: u32 = bindings::FALLOC_FL_KEEP_SIZE;
    /// The blocks are taken away.
    pub const PUNCH_HOLE: u32 = bindings::FALLOC_FL_PUNCH_HOLE;
    /// The range goes, and what is behind it moves to its place.
    pub const COLLAPSE_RANGE: u32 = bindings::FALLOC_FL_COLLAPSE_RANGE;
    /// The range reads as zeros.
    pub const ZERO_RANGE: u32 = bindings::FALLOC_FL_ZERO_RANGE;
    /// What is in the range moves behind it.
    pub const INSERT_RANGE: u32 = bindings::FALLOC_FL_INSERT_RANGE;
}

/// The operations on open regular files. All may sleep.
#[vtable]
pub trait Operations: Sized {
    /// The file system.
    type FileSystem: FileSystem;

    /// What ioctl(2) does.
    type Ioctl: ioctl::Operations<FileSystem = Self::FileSystem>;

    /// Of [`flags`].
    const FLAGS: u32;

    /// A file is opened.
    ///
    /// # Errors
    ///
    /// Any; it is not opened then.
    fn open(file: &mut OpeningFile<'_, Self::FileSystem>) -> Result;

    /// The last reference to an open file goes. See also [`File::is_last_writer`].
    fn release(_file: &File<Self::FileSystem>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Reads. Returns how many bytes, 0 at the end of the file.
    ///
    /// # Errors
    ///
    /// Any; if nothing was read.
    fn read_iter(
        kiocb: &mut Kiocb<'_, Self::FileSystem>,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize>;

    /// Writes. Returns how many bytes.
    ///
    /// # Errors
    ///
    /// Any.
    fn write_iter(
        kiocb: &mut Kiocb<'_, Self::FileSystem>,
        from: &mut IovIterSource<'_>,
    ) -> Result<usize>;

    /// lseek(2). Returns the new position.
    ///
    /// # Errors
    ///
    /// Any; the position is as it was.
    fn llseek(file: &File<Self::FileSystem>, offset: i64, whence: Whence) -> Result<i64>;

    /// Makes durable what was written to the bytes of `range`; if `datasync`, without what is not needed to
    /// read them.
    ///
    /// # Errors
    ///
    /// Any.
    fn fsync(file: &File<Self::FileSystem>, range: RangeInclusive<i64>, datasync: bool) -> Result;

    /// fallocate(2), with a mode of [`falloc`]. Neither offset nor end is negative.
    ///
    /// # Errors
    ///
    /// Any; `EOPNOTSUPP` for a mode that is not known.
    fn fallocate(_file: &File<Self::FileSystem>, _mode: u32, _offset: u64, _len: u64) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// A process maps the file: sets the operations on the area.
    ///
    /// `mmap_lock` is held exclusively.
    ///
    /// # Errors
    ///
    /// Any; it is not mapped then.
    fn mmap_prepare(area: &mut VmAreaDesc<'_, Self::FileSystem>) -> Result;
}

/// The table of a file system's operations on open regular files.
pub const fn ops<O: Operations>() -> FileOps<O::FileSystem> {
    FileOps(&Table::<O>::OPS, PhantomData)
}

struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    const OPS: bindings::file_operations = bindings::file_operations {
        fop_flags: O::FLAGS,
        llseek: Some(Self::llseek),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        mmap_prepare: Some(Self::mmap_prepare),
        open: Some(Self::open),
        release: optional!(O::HAS_RELEASE, release),
        unlocked_ioctl: Some(ioctl::Table::<O::Ioctl>::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: Some(bindings::compat_ptr_ioctl),
        fsync: Some(Self::fsync),
        fallocate: optional!(O::HAS_FALLOCATE, fallocate),
        // So that a mapping can have huge pages wherever the process lets the kernel choose. Kernels with PREEMPT_RT
        // have none.
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        get_unmapped_area: Some(bindings::thp_get_unmapped_area),
        // For DAX and O_DIRECT the VFS itself copies instead.
        splice_read: Some(bindings::filemap_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        setlease: Some(bindings::generic_setlease),
        ..no_operations()
    };

    /// # Safety
    ///
    /// For the VFS, with an open file of the file system.
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        // SAFETY: As the caller promises.
        let file = unsafe { File::from_raw(file) };
        match O::llseek(file, offset, Whence(whence as u32)) {
            Ok(position) => position,
            Err(error) => error.to_errno().into(),
        }
    }

    /// # Safety
    ///
    /// For the VFS, with a read of an open file of the file system, and an iterator over where it goes.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        to: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: As the caller promises. Both declarations of `struct iov_iter` are bindgen's of the
        // same C type.
        let (mut kiocb, to) = unsafe { (Kiocb::from_raw(kiocb), IovIterDest::from_raw(to.cast())) };
        to_count(O::read_iter(&mut kiocb, to))
    }

    /// # Safety
    ///
    /// For the VFS, with a write to an open file of the file system, and an iterator over where it comes
    /// from.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        from: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: As the caller promises. Both declarations of `struct iov_iter` are bindgen's of the
        // same C type.
        let (mut kiocb, from) =
            unsafe { (Kiocb::from_raw(kiocb), IovIterSource::from_raw(from.cast())) };
        to_count(O::write_iter(&mut kiocb, from))
    }

    /// # Safety
    ///
    /// For mmap(2), with an area of an open file of the file system.
    unsafe extern "C" fn mmap_prepare(area: *mut bindings::vm_area_desc) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(O::mmap_prepare(&mut unsafe { VmAreaDesc::from_raw(area) }))
    }

    /// # Safety
    ///
    /// For the VFS, with a file that is being opened and its inode, one of the file system's.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: As the caller promises.
        let result = unsafe { to_result(bindings::generic_file_open(inode, file)) };
        to_errno(result.and_then(|()| {
            O::open(&mut OpeningFile {
                // SAFETY: As the caller promises.
                file: unsafe { File::from_raw(file) },
            })
        }))
    }

    /// # Safety
    ///
    /// For the VFS, with an open file of the file system that nobody else has.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: As the caller promises.
        O::release(unsafe { File::from_raw(file) });
        0
    }

    /// # Safety
    ///
    /// For the VFS, with an open file of the file system.
    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        start: bindings::loff_t,
        end: bindings::loff_t,
        datasync: c_int,
    ) -> c_int {
        // SAFETY: As the caller promises.
        let file = unsafe { File::from_raw(file) };
        to_errno(O::fsync(file, start..=end, datasync != 0))
    }

    /// # Safety
    ///
    /// For the VFS, with an open file of the file system that is open for writing.
    unsafe extern "C" fn fallocate(
        file: *mut bindings::file,
        mode: c_int,
        offset: bindings::loff_t,
        len: bindings::loff_t,
    ) -> c_long {
        // SAFETY: As the caller promises.
        let file = unsafe { File::from_raw(file) };
        to_errno(O::fallocate(file, mode as u32, offset as u64, len as u64)) as c_long
    }
}

/// What C returns for an offset or an errno.
pub(super) fn offset_or_error(offset: i64) -> Result<i64> {
    if offset < 0 {
        Err(Error::from_errno(offset as c_int))
    } else {
        Ok(offset)
    }
}
