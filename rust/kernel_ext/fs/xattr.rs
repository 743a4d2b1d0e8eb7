// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.
//!
//! A super block has a list of [`Handler`]s, each for the names with a prefix. Names are listed by
//! [`Operations::list_xattr`](super::attr::Operations::list_xattr), into a [`List`].
//!
//! C header: [`include/linux/xattr.h`](srctree/include/linux/xattr.h)

use super::{
    file_system::FileSystem,
    inode::{Inode, Locked},
    to_errno,
};
use core::{marker::PhantomData, slice};
use kernel::{
    error::from_result,
    ffi::{c_char, c_int, c_void},
    prelude::*,
    str::CStr,
};
use kernel_bindings as bindings;

/// The attributes whose names begin with a prefix.
pub trait Handler: 'static {
    /// The file system.
    type FileSystem: FileSystem;

    /// The prefix, with its dot.
    const PREFIX: &'static CStr;

    /// Copies the value of an attribute to the start of `into` and returns its length in bytes. With
    /// an empty `into` only the length is asked for. `name` is what follows the prefix.
    ///
    /// May sleep. The VFS holds no lock.
    ///
    /// # Errors
    ///
    /// `ENODATA` if there is no such attribute, `ERANGE` if `into` is too short, `EOPNOTSUPP`.
    fn get(inode: &Inode<Self::FileSystem>, name: &CStr, into: &mut [u8]) -> Result<usize>;

    /// Sets an attribute, or removes it if there is no value.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENODATA` and `EEXIST` as `mode` says, `ENOSPC`, `E2BIG`, `ERANGE`, `EOPNOTSUPP`.
    fn set(
        inode: Locked<'_, Self::FileSystem>,
        name: &CStr,
        value: Option<&[u8]>,
        mode: SetMode,
    ) -> Result;
}

/// Whether an attribute may or must exist before it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetMode {
    /// It does not matter.
    Any,
    /// It must not (`XATTR_CREATE`).
    Create,
    /// It must (`XATTR_REPLACE`).
    Replace,
}

/// The handlers of a super block, as C has them: each is asked in turn for its prefix.
///
/// # Invariants
///
/// The pointers are to static handlers whose functions take inodes of `T`; `end` is null.
#[repr(C)]
pub struct Handlers<T, const N: usize> {
    handlers: [*const bindings::xattr_handler; N],
    end: *const bindings::xattr_handler,
    _type: PhantomData<T>,
}

// SAFETY: Nobody changes what is behind the pointers.
unsafe impl<T, const N: usize> Sync for Handlers<T, N> {}

impl<T: FileSystem, const N: usize> Handlers<T, N> {
    /// A list of handlers.
    pub const fn new(handlers: [HandlerOf<T>; N]) -> Self {
        let mut list = [core::ptr::null(); N];
        let mut at = 0;
        while at < N {
            list[at] = core::ptr::from_ref(handlers[at].0);
            at += 1;
        }
        // INVARIANT: By that of `HandlerOf`.
        Self {
            handlers: list,
            end: core::ptr::null(),
            _type: PhantomData,
        }
    }

    pub(super) fn as_ptr(&'static self) -> *const *const bindings::xattr_handler {
        self.handlers.as_ptr()
    }
}

/// A handler as C has it.
///
/// # Invariants
///
/// Its functions take inodes of `T`.
pub struct HandlerOf<T>(&'static bindings::xattr_handler, PhantomData<T>);

impl<T> Clone for HandlerOf<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for HandlerOf<T> {}

impl<T: FileSystem> HandlerOf<T> {
    /// The handler `H`.
    pub const fn new<H: Handler<FileSystem = T>>() -> Self {
        // INVARIANT: As the type of `H` says.
        Self(&Table::<H>::HANDLER, PhantomData)
    }
}

struct Table<H>(PhantomData<H>);

impl<H: Handler> Table<H> {
    const HANDLER: bindings::xattr_handler = bindings::xattr_handler {
        name: core::ptr::null(),
        prefix: kernel::str::as_char_ptr_in_const_context(H::PREFIX).cast(),
        flags: 0,
        list: None,
        get: Some(Self::get),
        set: Some(Self::set),
    };

    /// # Safety
    ///
    /// For the VFS, with an inode of the file system, a string that follows the prefix, and a buffer
    /// of `size` bytes that is null if `size` is 0.
    unsafe extern "C" fn get(
        _handler: *const bindings::xattr_handler,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        buffer: *mut c_void,
        size: usize,
    ) -> c_int {
        from_result(|| {
            let into: &mut [u8] = if buffer.is_null() || size == 0 {
                &mut []
            } else {
                // SAFETY: As the caller promises; the buffer is the call's alone, and initialised
                // enough for bytes that are only written.
                unsafe { slice::from_raw_parts_mut(buffer.cast(), size) }
            };
            // SAFETY: As the caller promises.
            let (inode, name) = unsafe { (Inode::from_raw(inode), CStr::from_char_ptr(name)) };
            // A value has at most 64 KiB.
            Ok(H::get(inode, name, into)? as c_int)
        })
    }

    /// # Safety
    ///
    /// For the VFS, with an inode of the file system that is locked exclusively, a string that follows
    /// the prefix, and a value of `size` bytes, null if the attribute is to be removed.
    unsafe extern "C" fn set(
        _handler: *const bindings::xattr_handler,
        _idmap: *mut bindings::mnt_idmap,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        value: *const c_void,
        size: usize,
        flags: c_int,
    ) -> c_int {
        let mode = match flags as u32 {
            bindings::XATTR_CREATE => SetMode::Create,
            bindings::XATTR_REPLACE => SetMode::Replace,
            _ => SetMode::Any,
        };
        let value = if value.is_null() {
            None
        } else {
            // SAFETY: As the caller promises. The value of a new attribute may be empty, but is not null.
            Some(unsafe { slice::from_raw_parts(value.cast::<u8>(), size) })
        };
        // SAFETY: As the caller promises.
        to_errno(unsafe {
            H::set(
                Locked::new(Inode::from_raw(inode)),
                CStr::from_char_ptr(name),
                value,
                mode,
            )
        })
    }
}

/// Where listxattr(2) wants the names, each with its prefix and a NUL; or only their length.
pub struct List<'a> {
    into: Option<&'a mut [u8]>,
    len: usize,
}

impl<'a> List<'a> {
    /// # Safety
    ///
    /// `buffer` must be null or valid for `size` bytes that nobody else uses for `'a`.
    pub(super) unsafe fn from_raw(buffer: *mut c_char, size: usize) -> Self {
        let into = if buffer.is_null() || size == 0 {
            None
        } else {
            // SAFETY: As the caller promises.
            Some(unsafe { slice::from_raw_parts_mut(buffer.cast(), size) })
        };
        Self { into, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a name.
    ///
    /// # Errors
    ///
    /// `ERANGE` if there is no room.
    pub fn add(&mut self, prefix: &[u8], name: &[u8]) -> Result {
        let mut at = self.len;
        for part in [prefix, name, b"\0"] {
            let end = at.checked_add(part.len()).ok_or(ERANGE)?;
            if let Some(into) = &mut self.into {
                into.get_mut(at..end).ok_or(ERANGE)?.copy_from_slice(part);
            }
            at = end;
        }
        self.len = at;
        Ok(())
    }
}
