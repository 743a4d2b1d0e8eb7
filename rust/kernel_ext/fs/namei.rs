// SPDX-License-Identifier: GPL-2.0

//! Operations on inodes.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct inode_operations`)

use super::{
    attr,
    dentry::{Child, Dentry, Unhashed},
    file_system::FileSystem,
    inode::{AddressSpaceOps, FileOps, InitialisedInode, Inode, Locked},
    iomap::report::FiemapInfo,
    mnt_idmapping::MntIdmap,
    to_errno,
};
use core::{marker::PhantomData, ptr};
use kernel::{
    error::from_result,
    ffi::{c_char, c_int, c_uint, c_void},
    prelude::*,
    str::{CStr, CString},
    sync::aref::ARef,
};
use kernel_bindings as bindings;

/// The operations on an inode. What a file system does not implement is refused by the VFS, or done
/// as it does by default.
///
/// All may sleep. A [`Locked`] directory or inode is locked by the VFS for the operation.
#[vtable]
pub trait Operations: Sized {
    /// The file system.
    type FileSystem: FileSystem;

    /// The operations on the inode's attributes.
    type Attributes: attr::Operations<FileSystem = Self::FileSystem>;

    /// Looks a name up in a directory, whose `i_rwsem` is held, maybe shared, and ends with
    /// [`Unhashed::splice`].
    ///
    /// # Errors
    ///
    /// Any. That there is no such name is no error.
    fn lookup(
        _directory: &Inode<Self::FileSystem>,
        _dentry: Unhashed<'_, Self::FileSystem>,
    ) -> Result<Option<ARef<Dentry<Self::FileSystem>>>> {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes a regular file with a name that no file has, and gives it to the dentry.
    ///
    /// # Errors
    ///
    /// Any; nothing has changed then. So it is for those below.
    fn create(
        _idmap: &MntIdmap,
        _directory: Locked<'_, Self::FileSystem>,
        _dentry: Child<'_, Self::FileSystem>,
        _mode: u16,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Gives an inode another name.
    fn link(
        _inode: Locked<'_, Self::FileSystem>,
        _directory: Locked<'_, Self::FileSystem>,
        _dentry: Child<'_, Self::FileSystem>,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Takes a name from an inode that is not a directory.
    fn unlink(
        _directory: Locked<'_, Self::FileSystem>,
        _dentry: Child<'_, Self::FileSystem>,
        _inode: Locked<'_, Self::FileSystem>,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes a symbolic link.
    fn symlink(
        _idmap: &MntIdmap,
        _directory: Locked<'_, Self::FileSystem>,
        _dentry: Child<'_, Self::FileSystem>,
        _target: &CStr,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes a directory.
    fn mkdir(
        _idmap: &MntIdmap,
        _directory: Locked<'_, Self::FileSystem>,
        _dentry: Child<'_, Self::FileSystem>,
        _mode: u16,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Removes an empty directory.
    fn rmdir(
        _directory: Locked<'_, Self::FileSystem>,
        _dentry: Child<'_, Self::FileSystem>,
        _inode: Locked<'_, Self::FileSystem>,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes a device, a fifo or a socket. `device` is a major and a minor number.
    fn mknod(
        _idmap: &MntIdmap,
        _directory: Locked<'_, Self::FileSystem>,
        _dentry: Child<'_, Self::FileSystem>,
        _mode: u16,
        _device: (u32, u32),
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Gives an inode a new name in place of the old one.
    fn rename(_idmap: &MntIdmap, _rename: Rename<'_, Self::FileSystem>) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes a regular file without a name, which can get one if `is_linkable`.
    ///
    /// The VFS holds no lock.
    fn tmpfile(
        _idmap: &MntIdmap,
        _directory: &Inode<Self::FileSystem>,
        _mode: u16,
    ) -> Result<InitialisedInode<Self::FileSystem>> {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// The target of a symbolic link, when it has to be read: [`Symlink::Kept`] is what the inode's
    /// data has. Without a dentry (`None`) nothing may sleep: an `ECHILD` has it tried again.
    ///
    /// # Errors
    ///
    /// Any.
    fn get_link<'a>(
        _dentry: Option<&Dentry<Self::FileSystem>>,
        _inode: &'a Inode<Self::FileSystem>,
    ) -> Result<Symlink<'a>> {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// The extents of the `len` bytes from `start` on (`FS_IOC_FIEMAP`).
    ///
    /// # Errors
    ///
    /// Any.
    fn fiemap(
        _inode: &Inode<Self::FileSystem>,
        _info: &mut FiemapInfo,
        _start: u64,
        _len: u64,
    ) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// The target of a symbolic link.
pub enum Symlink<'a> {
    /// In memory that is freed when the inode is, an RCU grace period later.
    Kept(&'a CStr),
    /// In memory of its own.
    Owned(CString),
}

/// A rename.
pub struct Rename<'a, T: FileSystem> {
    /// The old name's directory.
    pub old_directory: Locked<'a, T>,
    /// The old name.
    pub old: Child<'a, T>,
    /// The inode that has it. If it is a directory, it is locked only if the two directories differ.
    pub inode: &'a Inode<T>,
    /// The new name's directory, which may be the same.
    pub new_directory: Locked<'a, T>,
    /// The new name.
    pub new: Child<'a, T>,
    /// What becomes of who has the new name.
    pub target: RenameTarget<'a, T>,
    /// Whether a whiteout is left under the old name (`RENAME_WHITEOUT`).
    pub whiteout: bool,
}

/// What has the new name of a rename, and what becomes of it.
pub enum RenameTarget<'a, T: FileSystem> {
    /// Nothing. With `RENAME_NOREPLACE`, too.
    Nothing,
    /// It loses the name.
    Replace(Locked<'a, T>),
    /// It gets the old name (`RENAME_EXCHANGE`).
    Exchange(&'a Inode<T>),
}

/// What the VFS calls for an inode: a constant for each kind of inode.
pub struct Ops<T: FileSystem> {
    inode: &'static bindings::inode_operations,
    file: Option<FileOps<T>>,
    address_space: Option<AddressSpaceOps<T>>,
}

impl<T: FileSystem> Clone for Ops<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for Ops<T> {}

impl<T: FileSystem> Ops<T> {
    /// The operations `O` on the inode.
    pub const fn new<O: Operations<FileSystem = T>>() -> Self {
        Self {
            inode: &Table::<O>::OPS,
            file: None,
            address_space: None,
        }
    }

    /// Those, and these on open files.
    pub const fn with_file(self, file: FileOps<T>) -> Self {
        Self {
            file: Some(file),
            ..self
        }
    }

    /// Those, and these on pages.
    pub const fn with_address_space(self, address_space: AddressSpaceOps<T>) -> Self {
        Self {
            address_space: Some(address_space),
            ..self
        }
    }

    pub(super) fn inode_operations(&self) -> &'static bindings::inode_operations {
        self.inode
    }

    pub(super) fn file_operations(&self) -> Option<FileOps<T>> {
        self.file
    }

    pub(super) fn address_space_operations(&self) -> Option<AddressSpaceOps<T>> {
        self.address_space
    }
}

/// The table of a file system's operations on inodes.
struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    const OPS: bindings::inode_operations = bindings::inode_operations {
        lookup: optional!(O::HAS_LOOKUP, lookup),
        get_link: optional!(O::HAS_GET_LINK, get_link),
        create: optional!(O::HAS_CREATE, create),
        link: optional!(O::HAS_LINK, link),
        unlink: optional!(O::HAS_UNLINK, unlink),
        symlink: optional!(O::HAS_SYMLINK, symlink),
        mkdir: optional!(O::HAS_MKDIR, mkdir),
        rmdir: optional!(O::HAS_RMDIR, rmdir),
        mknod: optional!(O::HAS_MKNOD, mknod),
        rename: optional!(O::HAS_RENAME, rename),
        tmpfile: optional!(O::HAS_TMPFILE, tmpfile),
        fiemap: optional!(O::HAS_FIEMAP, fiemap),
        ..attr::Table::<O::Attributes>::OPS
    };

    /// # Safety
    ///
    /// For the VFS, with a directory whose `i_rwsem` is held, and a dentry in it that is being looked up.
    unsafe extern "C" fn lookup(
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        _flags: c_uint,
    ) -> *mut bindings::dentry {
        // SAFETY: As the caller promises.
        let (directory, dentry) =
            unsafe { (Inode::from_raw(directory), Unhashed::from_raw(dentry)) };
        match O::lookup(directory, dentry) {
            Ok(None) => ptr::null_mut(),
            Ok(Some(dentry)) => ARef::into_raw(dentry).as_ptr().cast(),
            Err(error) => error.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// For the VFS, with a symbolic link; `dentry` is null in an RCU walk.
    unsafe extern "C" fn get_link(
        dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        done: *mut bindings::delayed_call,
    ) -> *const c_char {
        /// # Safety
        ///
        /// `target` must be from `CString::into_foreign`, or what this crate's like of it gives.
        unsafe extern "C" fn free(target: *mut c_void) {
            // SAFETY: As the caller promises.
            unsafe { bindings::kfree(target.cast_const()) };
        }

        // SAFETY: As the caller promises.
        let (dentry, inode) = unsafe {
            (
                (!dentry.is_null()).then(|| Dentry::from_raw(dentry)),
                Inode::from_raw(inode),
            )
        };
        match O::get_link(dentry, inode) {
            Ok(Symlink::Kept(target)) => target.as_char_ptr(),
            Ok(Symlink::Owned(target)) => {
                // SAFETY: The bytes are valid, with a NUL at their end.
                let copy = unsafe { bindings::kstrdup(target.as_char_ptr(), bindings::GFP_KERNEL) };
                if copy.is_null() {
                    return ENOMEM.to_ptr::<c_char>();
                }
                // SAFETY: As the caller promises.
                unsafe { bindings::set_delayed_call(done, Some(free), copy.cast()) };
                copy
            }
            Err(error) => error.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// For the VFS, with a directory that is locked exclusively, and a negative dentry in it.
    unsafe extern "C" fn create(
        idmap: *mut bindings::mnt_idmap,
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        // Whether the name must be new. It always is here.
        #[cfg(kernel_7_2)] _exclusive: bool,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::create(
                MntIdmap::from_raw(idmap),
                locked(directory),
                Child::from_raw(dentry),
                mode,
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with a directory and an inode that are locked exclusively, and a negative dentry
    /// in the directory.
    unsafe extern "C" fn link(
        old: *mut bindings::dentry,
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: As the caller promises. The old dentry has that inode while there is a reference to it.
        to_errno(unsafe {
            O::link(
                locked((*old).d_inode),
                locked(directory),
                Child::from_raw(dentry),
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with a directory that is locked exclusively, and a positive dentry in it whose inode
    /// is locked exclusively.
    unsafe extern "C" fn unlink(
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::unlink(
                locked(directory),
                Child::from_raw(dentry),
                locked((*dentry).d_inode),
            )
        })
    }

    /// # Safety
    ///
    /// As for [`create`](Self::create), with a string.
    unsafe extern "C" fn symlink(
        idmap: *mut bindings::mnt_idmap,
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        target: *const c_char,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::symlink(
                MntIdmap::from_raw(idmap),
                locked(directory),
                Child::from_raw(dentry),
                CStr::from_char_ptr(target),
            )
        })
    }

    /// # Safety
    ///
    /// As for [`create`](Self::create).
    unsafe extern "C" fn mkdir(
        idmap: *mut bindings::mnt_idmap,
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> *mut bindings::dentry {
        // SAFETY: As the caller promises.
        let made = unsafe {
            O::mkdir(
                MntIdmap::from_raw(idmap),
                locked(directory),
                Child::from_raw(dentry),
                mode,
            )
        };
        match made {
            // The dentry that was passed has it.
            Ok(()) => ptr::null_mut(),
            Err(error) => error.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// As for [`unlink`](Self::unlink).
    unsafe extern "C" fn rmdir(
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            O::rmdir(
                locked(directory),
                Child::from_raw(dentry),
                locked((*dentry).d_inode),
            )
        })
    }

    /// # Safety
    ///
    /// As for [`create`](Self::create).
    unsafe extern "C" fn mknod(
        idmap: *mut bindings::mnt_idmap,
        directory: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        device: bindings::dev_t,
    ) -> c_int {
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            let device = (bindings::MAJOR(device), bindings::MINOR(device));
            O::mknod(
                MntIdmap::from_raw(idmap),
                locked(directory),
                Child::from_raw(dentry),
                mode,
                device,
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with directories that are locked exclusively, a positive dentry in the old one, and
    /// one in the new one. The inode of the latter is locked exclusively unless they are exchanged.
    unsafe extern "C" fn rename(
        idmap: *mut bindings::mnt_idmap,
        old_directory: *mut bindings::inode,
        old: *mut bindings::dentry,
        new_directory: *mut bindings::inode,
        new: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        const KNOWN: c_uint =
            bindings::RENAME_NOREPLACE | bindings::RENAME_EXCHANGE | bindings::RENAME_WHITEOUT;

        if flags & !KNOWN != 0 {
            return EINVAL.to_errno();
        }
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            let inode = (*new).d_inode;
            let target = if inode.is_null() {
                RenameTarget::Nothing
            } else if flags & bindings::RENAME_EXCHANGE != 0 {
                RenameTarget::Exchange(Inode::from_raw(inode))
            } else {
                RenameTarget::Replace(locked(inode))
            };
            O::rename(
                MntIdmap::from_raw(idmap),
                Rename {
                    old_directory: locked(old_directory),
                    old: Child::from_raw(old),
                    inode: Inode::from_raw((*old).d_inode),
                    new_directory: locked(new_directory),
                    new: Child::from_raw(new),
                    target,
                    whiteout: flags & bindings::RENAME_WHITEOUT != 0,
                },
            )
        })
    }

    /// # Safety
    ///
    /// For the VFS, with a directory, and a file that is being opened with a dentry of its own.
    unsafe extern "C" fn tmpfile(
        idmap: *mut bindings::mnt_idmap,
        directory: *mut bindings::inode,
        file: *mut bindings::file,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As the caller promises.
            let inode =
                unsafe { O::tmpfile(MntIdmap::from_raw(idmap), Inode::from_raw(directory), mode)? };
            let inode = inode.into_raw().as_ptr();
            // SAFETY: As the caller promises. The inode is new, with its data, and its reference goes to the
            // dentry. The VFS wants one link to take away.
            unsafe {
                bindings::set_nlink(inode, 1);
                bindings::d_tmpfile(file, inode);
                bindings::unlock_new_inode(inode);
                match bindings::finish_open_simple(file, 0) {
                    0 => Ok(0),
                    error => Err(Error::from_errno(error)),
                }
            }
        })
    }

    /// # Safety
    ///
    /// For the VFS, with an inode of the file system, and a list for this task only.
    unsafe extern "C" fn fiemap(
        inode: *mut bindings::inode,
        info: *mut bindings::fiemap_extent_info,
        start: u64,
        len: u64,
    ) -> c_int {
        // SAFETY: As the caller promises.
        let (inode, info) = unsafe { (Inode::from_raw(inode), FiemapInfo::from_raw(info)) };
        to_errno(O::fiemap(inode, info, start, len))
    }
}

/// # Safety
///
/// `inode` must be an inode of the file system, with its data, that this task has locked exclusively
/// for `'a`.
pub(super) unsafe fn locked<'a, T: FileSystem>(inode: *mut bindings::inode) -> Locked<'a, T> {
    // SAFETY: As the caller promises.
    unsafe { Locked::new(Inode::from_raw(inode)) }
}
