// SPDX-License-Identifier: GPL-2.0

//! fallocate(2).

use core::ops::Range;

use kernel::prelude::*;
use kernel_ext::compat::code::EOPNOTSUPP;
use kernel_ext::fs::{
    file::{falloc, File},
    inode::Locked,
    invalidate_lock::InvalidateGuard,
    iomap::Operations,
};
use rdaxfs_core::{
    file::{Fallocate, FallocateRange},
    format::{BLOCK_SIZE, MAX_FILE_SIZE},
    inode::Change,
};

use crate::{
    error::met,
    inode::set_blocks,
    iomap::Read,
    super_block::Rdaxfs,
    time::to_medium,
    truncate::{prepare_cached_size, size_on_medium},
};

/// What a mode asks for, or `EOPNOTSUPP`.
fn what(mode: u32) -> Result<(Fallocate, bool)> {
    let keep_size = mode & falloc::KEEP_SIZE != 0;
    let what = match mode & !falloc::KEEP_SIZE {
        0 => Fallocate::Allocate,
        falloc::PUNCH_HOLE if keep_size => Fallocate::PunchHole,
        falloc::ZERO_RANGE => Fallocate::ZeroRange,
        falloc::COLLAPSE_RANGE if !keep_size => Fallocate::CollapseRange,
        falloc::INSERT_RANGE if !keep_size => Fallocate::InsertRange,
        _ => return Err(EOPNOTSUPP),
    };
    Ok((what, keep_size))
}

/// fallocate(2) of `len` bytes from `offset` on.
///
/// # Errors
///
/// `EOPNOTSUPP`, `EINVAL`, `EFBIG`, `ENOSPC`, `EIO`, `EROFS`, `ERESTARTSYS`.
pub(crate) fn fallocate(file: &File<Rdaxfs>, mode: u32, offset: u64, len: u64) -> Result {
    let (mode, keep_size) = what(mode)?;
    let inode = file.inode();
    let guard = inode.lock();
    let locked = guard.locked();
    let end = offset.checked_add(len).ok_or(EFBIG)?;
    let size = inode.size() as u64;
    let new_size = match mode {
        Fallocate::PunchHole => size,
        Fallocate::CollapseRange => {
            check_aligned(offset, len)?;
            if end >= size {
                return Err(EINVAL);
            }
            size - len
        }
        Fallocate::InsertRange => {
            check_aligned(offset, len)?;
            if offset >= size {
                return Err(EINVAL);
            }
            size.checked_add(len)
                .filter(|&size| size <= MAX_FILE_SIZE)
                .ok_or(EFBIG)?
        }
        Fallocate::Allocate | Fallocate::ZeroRange if keep_size => size,
        Fallocate::Allocate | Fallocate::ZeroRange => size.max(end),
    };
    if new_size > size {
        locked.check_new_size(new_size)?;
    }
    file.modified()?;

    let range = FallocateRange {
        mode,
        keep_size,
        offset,
        len,
    };
    if !inode.is_dax() {
        inode.wait_for_direct_io(locked);
        prepare_cached_size(locked, new_size.max(size))?;
    }
    let changed = match mode {
        Fallocate::Allocate => change(locked, &range),
        Fallocate::PunchHole | Fallocate::ZeroRange => {
            without_pages(locked, &(offset..end), |_| change(locked, &range))
        }
        Fallocate::CollapseRange | Fallocate::InsertRange => {
            without_pages(locked, &(offset..u64::MAX), |_| change(locked, &range))
        }
    };
    // What has been done in part counts, too.
    let on_medium = size_on_medium(inode)?;
    if changed.is_ok() || inode.is_dax() {
        locked.set_size(on_medium as i64);
    }
    changed
}

/// Collapsing and inserting move whole pages.
fn check_aligned(offset: u64, len: u64) -> Result {
    if offset % BLOCK_SIZE == 0 && len % BLOCK_SIZE == 0 {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

/// Does something while no task has pages of a range, in a mapping or otherwise, and none gets them.
fn without_pages(
    inode: Locked<'_, Rdaxfs>,
    range: &Range<u64>,
    then: impl FnOnce(&InvalidateGuard<'_, Rdaxfs>) -> Result,
) -> Result {
    let mut pages = inode.inode().lock_pages();
    if inode.is_dax() {
        let device = Read::dax_device(inode.super_block()).ok_or(EIO)?;
        pages.break_layout(device, range)?;
    } else {
        // Pages that stay in part have to be on the medium, where the rest is zeroed.
        inode.write_and_wait(range)?;
        pages.truncate_range(range);
    }
    then(&pages)
}

/// Changes the file on the medium.
fn change(inode: Locked<'_, Rdaxfs>, range: &FallocateRange) -> Result {
    let mounted = &inode.super_block().data().mounted;
    match range.mode {
        // What has begun to move goes on with the next operation: another attempt would move it once more.
        Fallocate::CollapseRange | Fallocate::InsertRange => change_once(inode, range),
        _ => mounted.again(|| change_once(inode, range)),
    }
}

/// As [`change`], without another attempt.
fn change_once(inode: Locked<'_, Rdaxfs>, range: &FallocateRange) -> Result {
    // `modified` has said when.
    let change = Change::modified(to_medium(inode.ctime()));
    let mut operation = inode.super_block().data().mounted.begin()?;
    let mut map = inode.data().map.write();
    let volume = &*operation.volume;
    let done = volume
        .files()
        .fallocate(&mut operation.workspace, &mut map, range, &change)
        .map_err(|error| met(&inode, error));
    // What has been done in part counts, too.
    let attributes = volume
        .inodes()
        .attributes(&map)
        .map_err(|error| met(&inode, error))?;
    set_blocks(&inode, attributes.blocks);
    done.map(|_| ())
}
