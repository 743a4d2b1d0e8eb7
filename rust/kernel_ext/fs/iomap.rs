// SPDX-License-Identifier: GPL-2.0

//! Where the bytes of a file are on its device.
//!
//! A file system answers one question, [`Operations::begin`], and the iomap and DAX cores do the rest:
//! reads, writes, faults, lseek(2), fiemap, the page cache.
//!
//! C header: [`include/linux/iomap.h`](srctree/include/linux/iomap.h)

pub mod buffered;
pub mod direct;
pub mod report;
pub mod writeback;

use super::{
    dax::DaxDevice, file_system::FileSystem, inode::Inode, no_operations, super_block::SuperBlock,
    to_errno,
};
use core::{marker::PhantomData, ptr};
use kernel::{ffi::c_uint, prelude::*};
use kernel_bindings as bindings;

/// Which part of a file is asked for, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The first byte.
    pub offset: u64,
    /// How many bytes from there on, at least 1. The answer may be for fewer, or for more.
    pub len: u64,
    flags: c_uint,
}

impl Request {
    /// Something is going to be stored there: there have to be blocks.
    #[inline]
    pub fn is_write(&self) -> bool {
        self.has(bindings::IOMAP_WRITE)
    }

    /// It is for a page fault.
    #[inline]
    pub fn is_fault(&self) -> bool {
        self.has(bindings::IOMAP_FAULT)
    }

    /// It is not allowed to wait: what would have to fails with `EAGAIN`.
    #[inline]
    pub fn is_nowait(&self) -> bool {
        self.has(bindings::IOMAP_NOWAIT)
    }

    /// The range is going to be zeroed, where it does not read as zeros already.
    #[inline]
    pub fn is_zero(&self) -> bool {
        self.has(bindings::IOMAP_ZERO)
    }

    #[inline]
    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// What a part of a file is. Addresses are bytes on the file system's block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has no blocks, and reads as zeros.
    Hole,
    /// It has blocks from that address on, and reads as zeros.
    Unwritten(u64),
    /// It is what is at that address.
    Mapped(u64),
}

/// Adjacent bytes of a file that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iomap {
    /// The first byte.
    pub offset: u64,
    /// How many bytes, at least 1.
    pub len: u64,
    /// What they are.
    pub kind: Kind,
    /// The blocks have been allocated just now: what was known of the range does not hold any more.
    pub is_new: bool,
}

impl Iomap {
    /// Fills in the C form.
    fn fill<T: FileSystem>(
        &self,
        into: &mut bindings::iomap,
        request: &Request,
        sb: &SuperBlock<T>,
        dax: Option<&DaxDevice>,
    ) -> Result {
        let end = self.offset.checked_add(self.len).ok_or(EIO)?;
        if self.offset > request.offset || end <= request.offset {
            return Err(EIO);
        }
        into.offset = self.offset as i64;
        into.length = self.len;
        into.flags = if self.is_new {
            bindings::IOMAP_F_NEW as u16
        } else {
            0
        };
        let (kind, address) = match self.kind {
            Kind::Hole => (bindings::IOMAP_HOLE, None),
            Kind::Unwritten(address) => (bindings::IOMAP_UNWRITTEN, Some(address)),
            Kind::Mapped(address) => (bindings::IOMAP_MAPPED, Some(address)),
        };
        into.type_ = kind as u16;
        into.addr = u64::MAX;
        let device = sb.block_device();
        if let Some(address) = address {
            match address.checked_add(self.len) {
                Some(end) if end <= device.len() => into.addr = address,
                _ => return Err(EIO),
            }
        }
        into.bdev = device.as_ptr();
        into.dax_dev = ptr::null_mut();
        if request.has(bindings::IOMAP_DAX) {
            let dax = dax.ok_or(EIO)?;
            into.dax_dev = dax.as_ptr();
            if address.is_some() {
                into.addr += dax.start();
            }
        }
        Ok(())
    }
}

/// Where the bytes of files are.
#[vtable]
pub trait Operations: Sized + 'static {
    /// The file system.
    type FileSystem: FileSystem;

    /// The DAX device of a volume, if files have their pages there.
    fn dax_device(sb: &SuperBlock<Self::FileSystem>) -> Option<&DaxDevice>;

    /// What the file is at the first byte that is asked for, and how far.
    ///
    /// The caller may hold the lock of a folio or a DAX entry, and may fault on pages of the same file
    /// between this and [`end`](Self::end): no lock is held when this returns.
    ///
    /// # Errors
    ///
    /// Any; what is being done ends there.
    fn begin(inode: &Inode<Self::FileSystem>, request: &Request) -> Result<Iomap>;

    /// The first `done` bytes of what [`begin`](Self::begin) was asked for, from `request.offset` on, have been
    /// copied.
    ///
    /// # Errors
    ///
    /// Any. The caller drops it if `done` is not 0, so that who has to know keeps it himself.
    fn end(_inode: &Inode<Self::FileSystem>, _request: &Request, _done: u64) -> Result {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// The table of a file system's answers.
pub(super) struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    pub(super) const OPS: &'static bindings::iomap_ops = &bindings::iomap_ops {
        iomap_begin: Some(Self::begin),
        iomap_end: optional!(O::HAS_END, end),
        ..no_operations()
    };

    /// # Safety
    ///
    /// For the iomap and DAX cores, with an inode of the file system.
    unsafe extern "C" fn begin(
        inode: *mut bindings::inode,
        offset: bindings::loff_t,
        len: bindings::loff_t,
        flags: c_uint,
        into: *mut bindings::iomap,
        _source: *mut bindings::iomap,
    ) -> c_int {
        let request = Request {
            offset: offset as u64,
            len: len as u64,
            flags,
        };
        // SAFETY: As the caller promises.
        let (inode, into) = unsafe { (Inode::<O::FileSystem>::from_raw(inode), &mut *into) };
        let sb = inode.super_block();
        to_errno(
            O::begin(inode, &request)
                .and_then(|found| found.fill(into, &request, sb, O::dax_device(sb))),
        )
    }

    /// # Safety
    ///
    /// As for [`begin`](Self::begin), after it.
    unsafe extern "C" fn end(
        inode: *mut bindings::inode,
        offset: bindings::loff_t,
        len: bindings::loff_t,
        done: isize,
        flags: c_uint,
        _mapping: *mut bindings::iomap,
    ) -> c_int {
        let request = Request {
            offset: offset as u64,
            len: len as u64,
            flags,
        };
        // SAFETY: As the caller promises.
        let inode = unsafe { Inode::from_raw(inode) };
        to_errno(O::end(inode, &request, done.max(0) as u64))
    }
}
