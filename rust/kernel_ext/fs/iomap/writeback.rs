// SPDX-License-Identifier: GPL-2.0

//! The pages of files: the tables for those of the page cache and for those of the medium.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h) (`struct address_space_operations`),
//! [`include/linux/iomap.h`](srctree/include/linux/iomap.h) (`struct iomap_writeback_ops`)

use super::{Iomap, Operations as IomapOperations, Request, Table as IomapTable};
use crate::{
    compat,
    fs::{
        inode::{AddressSpaceOps, Inode},
        no_operations,
    },
    pmem,
};
use core::{marker::PhantomData, mem::MaybeUninit, ptr::NonNull};
use kernel::{error::to_result, ffi::c_uint, prelude::*};
use kernel_bindings as bindings;

/// What becomes of the pages of files.
pub trait Operations: Sized + 'static {
    /// Where the bytes of files are, for reads.
    type Read: IomapOperations;

    /// Where the bytes of a range go that are about to be written: there have to be blocks that are not
    /// unwritten. The lock of a folio is held.
    ///
    /// # Errors
    ///
    /// Any; the pages are lost, and fsync(2) reports it.
    fn map(
        inode: &Inode<<Self::Read as IomapOperations>::FileSystem>,
        request: &Request,
    ) -> Result<Iomap>;

    /// The device has the bytes up to `end`: the file on the medium may be so long now. Folios in which the
    /// bytes are count as being written meanwhile, and one may be locked by the caller.
    ///
    /// # Errors
    ///
    /// Any; fsync(2) reports it.
    fn written(inode: &Inode<<Self::Read as IomapOperations>::FileSystem>, end: u64) -> Result;
}

/// The file system of writeback operations.
type FileSystemOf<O> = <<O as Operations>::Read as IomapOperations>::FileSystem;

/// The table for files in the page cache.
pub const fn page_cache_ops<O: Operations>() -> AddressSpaceOps<FileSystemOf<O>> {
    AddressSpaceOps(&Table::<O>::PAGE_CACHE, PhantomData)
}

/// The table for files whose pages are those of the medium.
pub const fn dax_ops<O: Operations>() -> AddressSpaceOps<FileSystemOf<O>> {
    AddressSpaceOps(&Table::<O>::DAX, PhantomData)
}

struct Table<O>(PhantomData<O>);

impl<O: Operations> Table<O> {
    const PAGE_CACHE: bindings::address_space_operations = bindings::address_space_operations {
        read_folio: Some(Self::read_folio),
        readahead: Some(Self::readahead),
        writepages: Some(Self::write_pages),
        dirty_folio: Some(bindings::iomap_dirty_folio),
        release_folio: Some(bindings::iomap_release_folio),
        invalidate_folio: Some(bindings::iomap_invalidate_folio),
        is_partially_uptodate: Some(bindings::iomap_is_partially_uptodate),
        migrate_folio: Some(bindings::filemap_migrate_folio),
        error_remove_folio: Some(bindings::generic_error_remove_folio),
        bmap: Some(Self::bmap),
        swap_activate: Some(Self::swap_activate),
        ..no_operations()
    };

    const DAX: bindings::address_space_operations = bindings::address_space_operations {
        writepages: Some(Self::write_dax_pages),
        dirty_folio: Some(bindings::noop_dirty_folio),
        bmap: Some(Self::bmap),
        swap_activate: Some(Self::swap_activate),
        ..no_operations()
    };

    const WRITEBACK: bindings::iomap_writeback_ops = bindings::iomap_writeback_ops {
        writeback_range: Some(Self::writeback_range),
        writeback_submit: Some(Self::writeback_submit),
    };

    /// # Safety
    ///
    /// For the page cache, with a locked folio of a file of the file system.
    unsafe extern "C" fn read_folio(
        _file: *mut bindings::file,
        folio: *mut bindings::folio,
    ) -> c_int {
        // SAFETY: As the caller promises.
        unsafe { bindings::iomap_bio_read_folio(folio, IomapTable::<O::Read>::OPS) };
        0
    }

    /// # Safety
    ///
    /// For the page cache, with pages of a file of the file system.
    unsafe extern "C" fn readahead(control: *mut bindings::readahead_control) {
        // SAFETY: As the caller promises.
        unsafe { bindings::iomap_bio_readahead(control, IomapTable::<O::Read>::OPS) };
    }

    /// # Safety
    ///
    /// For writeback, with the pages of a file of the file system.
    unsafe extern "C" fn write_pages(
        mapping: *mut bindings::address_space,
        control: *mut bindings::writeback_control,
    ) -> c_int {
        let mut context = MaybeUninit::<bindings::iomap_writepage_ctx>::zeroed();
        let context = context.as_mut_ptr();
        // SAFETY: As the caller promises. Zeroes are a context of nothing yet.
        unsafe {
            (*context).inode = (*mapping).host;
            (*context).wbc = control;
            (*context).ops = const { &Self::WRITEBACK };
            bindings::iomap_writepages(context)
        }
    }

    /// # Safety
    ///
    /// For writeback, with the DAX entries of a file of the file system.
    unsafe extern "C" fn write_dax_pages(
        mapping: *mut bindings::address_space,
        control: *mut bindings::writeback_control,
    ) -> c_int {
        // SAFETY: As the caller promises.
        let inode = unsafe { Inode::<FileSystemOf<O>>::from_raw((*mapping).host) };
        let Some(device) = O::Read::dax_device(inode.super_block()) else {
            return EIO.to_errno();
        };
        // SAFETY: As the caller promises; the device is that of the file's blocks.
        let result =
            unsafe { bindings::dax_writeback_mapping_range(mapping, device.as_ptr(), control) };
        // It only starts to write back the CPU's cache lines.
        pmem::pmem_wmb();
        result
    }

    /// # Safety
    ///
    /// For `iomap_writepages()`, with a locked folio of a file of the file system.
    unsafe extern "C" fn writeback_range(
        context: *mut bindings::iomap_writepage_ctx,
        folio: *mut bindings::folio,
        offset: u64,
        len: c_uint,
        end: u64,
    ) -> isize {
        // SAFETY: As the caller promises.
        let (inode, into) = unsafe {
            (
                Inode::<FileSystemOf<O>>::from_raw((*context).inode),
                &mut (*context).iomap,
            )
        };
        let request = Request {
            offset,
            len: len.into(),
            flags: bindings::IOMAP_WRITE,
        };
        let sb = inode.super_block();
        let mapped = O::map(inode, &request)
            .and_then(|found| found.fill(into, &request, sb, O::Read::dax_device(sb)));
        match mapped {
            // SAFETY: As the caller promises; the mapping has the offset.
            Ok(()) => unsafe {
                bindings::iomap_add_to_ioend(context, folio, offset as i64, end as i64, len)
            },
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// For `iomap_writepages()`, with a context that has I/O to submit.
    unsafe extern "C" fn writeback_submit(
        context: *mut bindings::iomap_writepage_ctx,
        error: c_int,
    ) -> c_int {
        // SAFETY: As the caller promises.
        unsafe {
            let io = (*context).wb_ctx.cast::<bindings::iomap_ioend>();
            let bio = NonNull::new_unchecked(&raw mut (*io).io_bio);
            // The size is committed there, which may sleep.
            compat::end_in_task(bio, Self::end_io);
            bindings::iomap_ioend_writeback_submit(context, error)
        }
    }

    /// # Safety
    ///
    /// For the block layer, with I/O of [`writeback_submit`](Self::writeback_submit) that has ended, in a
    /// task.
    unsafe extern "C" fn end_io(bio: *mut bindings::bio) {
        // SAFETY: As the caller promises.
        let (io, result) = unsafe {
            let io = bindings::iomap_ioend_from_bio(bio);
            (
                io,
                to_result(bindings::blk_status_to_errno((*bio).bi_status)),
            )
        };
        let result = result.and_then(|()| {
            // SAFETY: As the caller promises: pages of the inode are being written, so that it stays.
            let (inode, end) = unsafe {
                let end = (*io).io_offset as u64 + (*io).io_size as u64;
                (Inode::<FileSystemOf<O>>::from_raw((*io).io_inode), end)
            };
            O::written(inode, end)
        });
        let error = result.err().map_or(0, Error::to_errno);
        // SAFETY: As the caller promises; the I/O is not used after this.
        unsafe { bindings::iomap_finish_ioends(io, error) };
    }

    /// # Safety
    ///
    /// For `FIBMAP`, with the pages of a file of the file system.
    unsafe extern "C" fn bmap(
        mapping: *mut bindings::address_space,
        block: bindings::sector_t,
    ) -> bindings::sector_t {
        // SAFETY: As the caller promises.
        unsafe { bindings::iomap_bmap(mapping, block, IomapTable::<O::Read>::OPS) }
    }

    /// # Safety
    ///
    /// For swapon(2), with a file of the file system.
    unsafe extern "C" fn swap_activate(
        info: *mut bindings::swap_info_struct,
        file: *mut bindings::file,
        span: *mut bindings::sector_t,
    ) -> c_int {
        // SAFETY: As the caller promises.
        unsafe { bindings::iomap_swapfile_activate(info, file, span, IomapTable::<O::Read>::OPS) }
    }
}
