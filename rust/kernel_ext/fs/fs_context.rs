// SPDX-License-Identifier: GPL-2.0

//! What a mount is made from.
//!
//! C header: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h)

use super::{
    file_system::FileSystem,
    fs_parser::Value,
    no_operations,
    super_block::{self, SuperBlock},
    to_errno,
};
use core::{
    ffi::{c_int, c_void},
    marker::PhantomData,
};
use kernel::{
    error::from_result,
    fmt,
    prelude::*,
    types::{ForeignOwnable, NotThreadSafe, Opaque},
};
use kernel_bindings as bindings;

/// A mount, or a change of one, that is under way.
///
/// # Invariants
///
/// For a file system of the type `T`; this task has it for itself (`uapi_mutex`).
#[repr(transparent)]
pub struct FsContext<T: FileSystem> {
    context: Opaque<bindings::fs_context>,
    _type: PhantomData<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> FsContext<T> {
    pub(super) const OPS: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free),
        parse_param: Some(Self::parse_param),
        get_tree: Some(Self::get_tree),
        reconfigure: Some(Self::reconfigure),
        ..no_operations()
    };

    /// # Safety
    ///
    /// `context` must be valid, that of a file system of this type, and used by nobody else for `'a`.
    pub(super) unsafe fn from_raw<'a>(context: *mut bindings::fs_context) -> &'a Self {
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*context.cast() }
    }

    fn sb_flags(&self) -> u32 {
        // SAFETY: By the type invariant the context is valid, and nobody changes it.
        unsafe { (*self.context.get()).sb_flags }
    }

    /// Whether the mount is to be read-only.
    pub fn is_read_only(&self) -> bool {
        self.sb_flags() & bindings::SB_RDONLY != 0
    }

    /// Whether a change of a mount makes it read-only (`true`) or writable; [`None`] if it stays as it is.
    pub fn changes_read_only(&self) -> Option<bool> {
        // SAFETY: By the type invariant the context is valid, and nobody changes it.
        let mask = unsafe { (*self.context.get()).sb_flags_mask };
        (mask & bindings::SB_RDONLY != 0).then(|| self.is_read_only())
    }

    /// Whether it is the change of a mount.
    pub fn is_reconfiguration(&self) -> bool {
        // SAFETY: By the type invariant the context is valid.
        let purpose = unsafe { (*self.context.get()).purpose() };
        purpose == bindings::fs_context_purpose_FS_CONTEXT_FOR_RECONFIGURE
    }

    /// Says why the mount fails, in the mount API's log, and in the kernel's.
    pub fn error(&self, message: fmt::Arguments<'_>) {
        self.log(b'e', message);
    }

    /// Warns the caller of mount(2).
    pub fn warn(&self, message: fmt::Arguments<'_>) {
        self.log(b'w', message);
    }

    /// Says that an option is invalid, and returns `EINVAL`.
    pub fn invalid(&self, message: fmt::Arguments<'_>) -> Error {
        self.error(message);
        EINVAL
    }

    fn log(&self, level: u8, message: fmt::Arguments<'_>) {
        let log = |log| {
            // SAFETY: The log is null or that of the context; "%pA" takes formatted arguments.
            unsafe {
                bindings::logfc(
                    log,
                    T::NAME.as_char_ptr(),
                    level,
                    c"%pA".as_char_ptr(),
                    core::ptr::from_ref(&message).cast::<c_void>(),
                );
            }
        };
        // SAFETY: By the type invariant the context is valid.
        let own = unsafe { (*self.context.get()).log.log };
        log(own);
        // A null log is the kernel's.
        if !own.is_null() {
            log(core::ptr::null_mut());
        }
    }

    /// # Safety
    ///
    /// For the VFS, on a context that `init_fs_context` has initialised.
    unsafe extern "C" fn free(context: *mut bindings::fs_context) {
        // SAFETY: As the caller promises.
        let options = unsafe { (*context).fs_private };
        if !options.is_null() {
            // SAFETY: `init_fs_context` put a box there, and nobody else takes it.
            drop(unsafe { KBox::<T::Options>::from_foreign(options) });
        }
    }

    /// # Safety
    ///
    /// For the VFS, as above; `parameter` is valid.
    unsafe extern "C" fn parse_param(
        context: *mut bindings::fs_context,
        parameter: *mut bindings::fs_parameter,
    ) -> c_int {
        let mut value = Value(bindings::fs_parse_result::default());
        // SAFETY: As the caller promises; the table ends with a null name.
        let id = unsafe {
            bindings::__fs_parse(
                &raw mut (*context).log,
                T::PARAMETERS.as_ptr(),
                parameter,
                &mut value.0,
            )
        };
        if id < 0 {
            return id;
        }
        // SAFETY: As the caller promises.
        let (this, options) = unsafe {
            (
                Self::from_raw(context),
                &mut *(*context).fs_private.cast::<T::Options>(),
            )
        };
        to_errno(T::parse_param(this, options, id as u8, &value))
    }

    /// # Safety
    ///
    /// For the VFS, as above.
    unsafe extern "C" fn get_tree(context: *mut bindings::fs_context) -> c_int {
        // SAFETY: As the caller promises.
        unsafe { bindings::get_tree_bdev(context, Some(super_block::fill_super::<T>)) }
    }

    /// # Safety
    ///
    /// For the VFS, as above, with `s_umount` held exclusively and a root.
    unsafe extern "C" fn reconfigure(context: *mut bindings::fs_context) -> c_int {
        // SAFETY: As the caller promises. A super block with a root has its data.
        let (this, sb, options) = unsafe {
            (
                Self::from_raw(context),
                SuperBlock::<T>::from_raw((*(*context).root).d_sb),
                &mut *(*context).fs_private.cast::<T::Options>(),
            )
        };
        from_result(|| {
            T::reconfigure(sb, this, options)?;
            Ok(0)
        })
    }
}
