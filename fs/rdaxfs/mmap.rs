// SPDX-License-Identifier: GPL-2.0

//! Files mapped into processes.
//!
//! A fault asks for one page or for a huge one; it gets a huge one where the file has 2 MiB in one piece, or can
//! have. What a fault maps for stores is durable as far as metadata goes, so that `MAP_SYNC` costs
//! nothing.

use kernel::prelude::*;
use kernel_ext::compat::code::EOPNOTSUPP;
use kernel_ext::fs::{
    dax,
    fserror::Access,
    iomap::{buffered, Operations as _},
    vm::{self, FaultResult, Operations, VmAreaDesc, VmFault, VmOps},
};

use crate::{
    error::data_failed,
    iomap::{Read, Write},
    super_block::Rdaxfs,
};

/// The operations on areas of files.
struct Area;

const AREA: VmOps<Rdaxfs> = vm::ops::<Area>();

/// A process maps a file.
///
/// # Errors
///
/// `EOPNOTSUPP` for `MAP_SYNC` where a page cache is in between.
pub(crate) fn prepare(area: &mut VmAreaDesc<'_, Rdaxfs>) -> Result {
    let is_dax = {
        let inode = area.file().inode();
        let device = Read::dax_device(inode.super_block()).ok_or(EIO)?;
        if !area.is_supported(device) {
            return Err(EOPNOTSUPP);
        }
        inode.is_dax()
    };
    area.file().accessed();
    area.set_operations(AREA);
    if is_dax {
        area.set_huge_pages();
    }
    Ok(())
}

#[vtable]
impl Operations for Area {
    type FileSystem = Rdaxfs;

    fn fault(fault: &mut VmFault<'_, Rdaxfs>) -> FaultResult {
        if fault.inode().is_dax() {
            map_medium(fault, 0)
        } else {
            fault.map_cached()
        }
    }

    fn huge_fault(fault: &mut VmFault<'_, Rdaxfs>, order: u32) -> FaultResult {
        if fault.inode().is_dax() {
            map_medium(fault, order)
        } else {
            FaultResult::FALLBACK
        }
    }

    fn page_mkwrite(fault: &mut VmFault<'_, Rdaxfs>) -> FaultResult {
        make_writable(fault, 0)
    }
}

/// A fault in a file whose pages are those of the medium.
fn map_medium(fault: &mut VmFault<'_, Rdaxfs>, order: u32) -> FaultResult {
    if fault.is_shared_write() {
        return make_writable(fault, order);
    }
    let pages = fault.inode().lock_pages_shared();
    let result = dax::io::fault::<Read>(fault, order, &pages);
    judge(fault, result)
}

/// What becomes of a fault: poison is reported.
fn judge(fault: &VmFault<'_, Rdaxfs>, result: FaultResult) -> FaultResult {
    if result.is_poison() {
        data_failed(fault.inode(), Access::Read, fault.offset());
    }
    result
}

/// A process stores to a page that it shares with the file.
fn make_writable(fault: &mut VmFault<'_, Rdaxfs>, order: u32) -> FaultResult {
    let inode = fault.inode();
    let _change = inode.super_block().start_page_fault();
    if let Err(error) = fault.file().update_time() {
        return FaultResult::from_error(error);
    }
    let pages = inode.lock_pages_shared();
    if !inode.is_dax() {
        return buffered::page_mkwrite::<Write>(fault, &pages);
    }
    let result = dax::io::fault::<Write>(fault, order, &pages);
    judge(fault, result)
}
