// SPDX-License-Identifier: GPL-2.0

//! Files mapped into processes.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h) (`struct vm_operations_struct`),
//! [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h) (`struct vm_area_desc`)

use super::{
    dax::DaxDevice, file::File, file_system::FileSystem, inode::Inode, no_operations,
    super_block::SuperBlock,
};
use crate::PAGE_SIZE;
use core::marker::PhantomData;
use kernel::{ffi::c_uint, prelude::*, types::NotThreadSafe};
use kernel_bindings as bindings;

/// An area that a process is going to have.
///
/// # Invariants
///
/// It is valid, of an open file of the file system `T`, and this task has it for itself.
pub struct VmAreaDesc<'a, T: FileSystem> {
    raw: &'a mut bindings::vm_area_desc,
    _type: PhantomData<T>,
}

impl<T: FileSystem> VmAreaDesc<'_, T> {
    /// # Safety
    ///
    /// `raw` must be what the invariants say, while the result is used.
    pub(crate) unsafe fn from_raw(raw: *mut bindings::vm_area_desc) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            // SAFETY: As the caller promises.
            raw: unsafe { &mut *raw },
            _type: PhantomData,
        }
    }

    /// The file.
    pub fn file(&self) -> &File<T> {
        // SAFETY: By the type invariant it is open.
        unsafe { File::from_raw(self.raw.file) }
    }

    /// Whether the area can be had on that device as far as `MAP_SYNC` is concerned: without it always, with it
    /// if the inode's pages are those of the device and the device is synchronous.
    pub fn is_supported(&self, device: &DaxDevice) -> bool {
        // SAFETY: By the type invariant the area is valid and its file open; the device is valid.
        unsafe {
            bindings::daxdev_mapping_supported(
                self.raw,
                self.file().inode().as_ptr(),
                device.as_ptr(),
            )
        }
    }

    /// Sets who handles the area's faults.
    pub fn set_operations(&mut self, operations: VmOps<T>) {
        self.raw.vm_ops = operations.0;
    }

    /// Says that the area profits from huge pages.
    pub fn set_huge_pages(&mut self) {
        // SAFETY: By the type invariant the area is valid.
        unsafe { bindings::vma_desc_set_huge_page(self.raw) };
    }
}

/// A fault in an area of a file of the file system `T`.
///
/// # Invariants
///
/// It is valid, its area has an open file of the file system, and this task has it for itself.
pub struct VmFault<'a, T: FileSystem> {
    raw: &'a mut bindings::vm_fault,
    _type: PhantomData<T>,
    _task: NotThreadSafe,
}

impl<'a, T: FileSystem> VmFault<'a, T> {
    /// # Safety
    ///
    /// `raw` must be what the invariants say, for `'a`.
    unsafe fn from_raw(raw: *mut bindings::vm_fault) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            // SAFETY: As the caller promises.
            raw: unsafe { &mut *raw },
            _type: PhantomData,
            _task: NotThreadSafe,
        }
    }

    #[inline]
    pub(crate) fn as_ptr(&mut self) -> *mut bindings::vm_fault {
        self.raw
    }

    #[inline]
    fn area(&self) -> *mut bindings::vm_area_struct {
        self.raw.__bindgen_anon_1.vma
    }

    /// The file.
    #[inline]
    pub fn file(&self) -> &'a File<T> {
        // SAFETY: By the type invariant the area has it, and keeps it open.
        unsafe { File::from_raw((*self.area()).vm_file) }
    }

    /// The file's inode.
    #[inline]
    pub fn inode(&self) -> &'a Inode<T> {
        self.file().inode()
    }

    /// Where the page is in the file, in bytes.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.raw.__bindgen_anon_1.pgoff as u64 * PAGE_SIZE as u64
    }

    /// Whether the process stores to a page that it shares with the file.
    #[inline]
    pub fn is_shared_write(&self) -> bool {
        // SAFETY: By the type invariant the area is valid; its flags do not change in a fault.
        let flags = unsafe { (*self.area()).__bindgen_anon_2.vm_flags };
        self.raw.flags & bindings::fault_flag_FAULT_FLAG_WRITE != 0
            && flags & bindings::VM_SHARED as c_ulong != 0
    }

    /// Whether the page that is made is a copy for the process alone.
    #[inline]
    pub fn is_copy(&self) -> bool {
        !self.raw.cow_page.is_null()
    }

    /// Maps the page from the page cache. May sleep.
    pub fn map_cached(&mut self) -> FaultResult {
        // SAFETY: By the type invariant it is a fault in a file.
        FaultResult(unsafe { bindings::filemap_fault(self.raw) })
    }
}

/// What became of a fault (`VM_FAULT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct FaultResult(pub(crate) bindings::vm_fault_t);

impl FaultResult {
    /// The process gets a SIGBUS.
    pub const SIGBUS: Self = Self(bindings::vm_fault_reason_VM_FAULT_SIGBUS);
    /// There is no huge page: a small one is tried.
    pub const FALLBACK: Self = Self(bindings::vm_fault_reason_VM_FAULT_FALLBACK);

    /// What a fault comes to that fails with an errno: it is tried again with `EAGAIN`.
    pub fn from_error(error: Error) -> Self {
        // SAFETY: May be called with any number.
        Self(unsafe { bindings::vmf_fs_error(error.to_errno()) })
    }

    /// Whether the page is poisoned: the process gets a SIGBUS that says so.
    pub fn is_poison(self) -> bool {
        self.has(bindings::vm_fault_reason_VM_FAULT_HWPOISON)
    }

    pub(crate) fn has(self, reason: bindings::vm_fault_reason) -> bool {
        self.0 & reason != 0
    }
}

/// The operations on areas of files. All may sleep.
#[vtable]
pub trait Operations: Sized {
    /// The file system.
    type FileSystem: FileSystem;

    /// A process needs a page.
    fn fault(fault: &mut VmFault<'_, Self::FileSystem>) -> FaultResult;

    /// A process needs a page of `1 << order` small ones, if it can have one.
    fn huge_fault(fault: &mut VmFault<'_, Self::FileSystem>, order: u32) -> FaultResult;

    /// A process stores to a page of the file for the first time.
    fn page_mkwrite(fault: &mut VmFault<'_, Self::FileSystem>) -> FaultResult;
}

/// The operations on areas. A file system has a constant of this.
pub struct VmOps<T>(&'static bindings::vm_operations_struct, PhantomData<T>);

impl<T> Clone for VmOps<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for VmOps<T> {}

/// The table of a file system's operations on areas.
pub const fn ops<O: Operations>() -> VmOps<O::FileSystem> {
    VmOps(&Table::<O>::OPS, PhantomData)
}

struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    const OPS: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(Self::fault),
        huge_fault: Some(Self::huge_fault),
        map_pages: Some(bindings::filemap_map_pages),
        page_mkwrite: Some(Self::page_mkwrite),
        pfn_mkwrite: Some(Self::page_mkwrite),
        ..no_operations()
    };

    /// # Safety
    ///
    /// For a fault in an area of a file of the file system.
    unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: As the caller promises.
        O::fault(&mut unsafe { VmFault::from_raw(fault) }).0
    }

    /// # Safety
    ///
    /// As for [`fault`](Self::fault).
    unsafe extern "C" fn huge_fault(
        fault: *mut bindings::vm_fault,
        order: c_uint,
    ) -> bindings::vm_fault_t {
        // SAFETY: As the caller promises.
        O::huge_fault(&mut unsafe { VmFault::from_raw(fault) }, order).0
    }

    /// # Safety
    ///
    /// As for [`fault`](Self::fault).
    unsafe extern "C" fn page_mkwrite(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: As the caller promises.
        O::page_mkwrite(&mut unsafe { VmFault::from_raw(fault) }).0
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// Begins a change of the volume by a fault: freezing waits for it, and it for a thaw. It comes behind
    /// `mmap_lock` and before all locks of the file system.
    pub fn start_page_fault(&self) -> PageFaultGuard<'_, T> {
        // SAFETY: The super block is mounted, since a file of it is mapped.
        unsafe { bindings::sb_start_pagefault(self.as_ptr()) };
        // INVARIANT: Begun just now.
        PageFaultGuard {
            sb: self,
            _task: NotThreadSafe,
        }
    }
}

/// A change of a volume by a fault, until this is dropped.
///
/// # Invariants
///
/// `sb_start_pagefault()` was called by this task, and it is the guard that ends it.
#[must_use = "the volume can be frozen when this is dropped"]
pub struct PageFaultGuard<'a, T: FileSystem> {
    sb: &'a SuperBlock<T>,
    _task: NotThreadSafe,
}

impl<T: FileSystem> Drop for PageFaultGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::sb_end_pagefault(self.sb.as_ptr()) };
    }
}
