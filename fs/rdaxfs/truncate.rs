// SPDX-License-Identifier: GPL-2.0

//! The size of a file.
//!
//! The size in memory is that on the medium, except for a file in the page cache: there it is what has been
//! written to the cache, and the medium's follows when the data is there.

use kernel::prelude::*;
use kernel_ext::fs::{
    inode::Locked,
    iomap::{buffered::zero_range, Operations},
    Inode,
};
use rdaxfs_core::{format::BLOCK_SIZE, inode::Change};

use crate::{
    error::met,
    inode::set_blocks,
    iomap::{Read, Write},
    super_block::Rdaxfs,
    time::to_medium,
};

/// Makes durable that a file has been written to from `start` to `end`, behind its old end.
///
/// # Errors
///
/// `EIO`, `EROFS`, `EUCLEAN`; the size is as it was.
pub(crate) fn commit_size(inode: Locked<'_, Rdaxfs>, start: u64, end: u64) -> Result {
    let ctime = inode.ctime();
    let now = inode.set_ctime_current();
    let committed = {
        let mut operation = inode.super_block().data().mounted.begin()?;
        let mut map = inode.data().map.write();
        operation
            .volume
            .files()
            .set_size(
                &mut operation.workspace,
                &mut map,
                (start, end),
                &Change::modified(to_medium(now)),
            )
            .map_err(|error| met(&inode, error))
    };
    match committed {
        Ok(changed) => {
            set_blocks(&inode, changed.blocks);
            inode.set_mtime(now);
            inode.set_size(changed.size as i64);
            Ok(())
        }
        Err(error) => {
            inode.set_ctime(ctime);
            Err(error)
        }
    }
}

/// The size that the file has on the medium.
///
/// # Errors
///
/// `EIO`, `EUCLEAN`.
pub(crate) fn size_on_medium(inode: &Inode<Rdaxfs>) -> Result<u64> {
    let map = inode.data().map.read();
    let volume = inode.super_block().data().mounted.volume()?;
    volume
        .inodes()
        .attributes(&map)
        .map(|attributes| attributes.size)
        .map_err(|error| met(inode, error))
}

/// Makes a file longer or shorter: what is added reads as zeros.
///
/// # Errors
///
/// `EIO`, `EROFS`, `EUCLEAN`, `ERESTARTSYS`. The size in memory is that on the medium then.
pub(crate) fn truncate(inode: Locked<'_, Rdaxfs>, size: u64) -> Result {
    if inode.is_dax() {
        truncate_dax(inode, size)
    } else {
        truncate_cached(inode, size)
    }
}

fn truncate_dax(inode: Locked<'_, Rdaxfs>, size: u64) -> Result {
    let device = Read::dax_device(inode.super_block()).ok_or(EIO)?;
    let mut pages = inode.inode().lock_pages();
    if size <= inode.size() as u64 {
        pages.break_layout(device, &(size..u64::MAX))?;
    }
    let done = change_size(inode, size);
    // If blocks could not be freed the file is shorter all the same.
    let size = match done {
        Ok(()) => size,
        Err(_) => size_on_medium(&inode)?,
    };
    if size != inode.size() as u64 {
        pages.truncate_set_size(inode, size);
    }
    done
}

fn truncate_cached(inode: Locked<'_, Rdaxfs>, size: u64) -> Result {
    inode.wait_for_direct_io(inode);
    prepare_cached_size(inode, size)?;
    let pages = inode.inode().lock_pages();
    // First, so that nothing is written any more to blocks that are freed.
    pages.truncate_set_size(inode, size);
    let done = change_size(inode, size);
    if done.is_err() {
        pages.truncate_set_size(inode, size_on_medium(&inode)?);
    }
    done
}

/// Before a file in the page cache gets a size: what lies behind its end in the last page is zeroed, and
/// what has been written before the new size goes to the medium.
///
/// # Errors
///
/// `EIO`, `ENOSPC`, `ENOMEM`.
pub(crate) fn prepare_cached_size(inode: Locked<'_, Rdaxfs>, size: u64) -> Result {
    let old = inode.size() as u64;
    zero_range::<Write>(inode, &(old..size.min(old.next_multiple_of(BLOCK_SIZE))))?;
    let on_medium = size_on_medium(&inode)?;
    inode.write_and_wait(&(on_medium..size))
}

/// Changes the size on the medium.
fn change_size(inode: Locked<'_, Rdaxfs>, size: u64) -> Result {
    let before = inode.ctime();
    let now = inode.set_ctime_current();
    let mut operation = inode.super_block().data().mounted.begin()?;
    let mut map = inode.data().map.write();
    let change = Change::modified(to_medium(now));
    let done = operation
        .volume
        .files()
        .truncate(&mut operation.workspace, &mut map, size, &change);
    match done {
        Ok(changed) => {
            set_blocks(&inode, changed.blocks);
            inode.set_mtime(now);
            Ok(())
        }
        Err(error) => {
            inode.set_ctime(before);
            Err(met(&inode, error))
        }
    }
}
