// SPDX-License-Identifier: GPL-2.0

//! Files whose pages are in the page cache (without `S_DAX`), and direct I/O on them.
//!
//! Blocks are taken when the cache is written to, so that a lack of space is an error of the write. They are
//! zeroed before they are the file's, as those of other files: whatever a crash leaves reads as zeros or as
//! what was written. The size on the medium moves when the device has the data.

use kernel::{
    iov::{IovIterDest, IovIterSource},
    prelude::*,
};
use kernel_ext::fs::{
    inode::{AddressSpaceOps, Locked},
    iomap::{
        buffered, direct,
        writeback::{self, Operations as Writeback},
        Iomap, Operations, Request,
    },
    Inode, Kiocb,
};
use rdaxfs_core::{format::BLOCK_SIZE, inode::Change};

use crate::{
    error::met,
    iomap::{Read, Write},
    super_block::Rdaxfs,
    truncate::commit_size,
};

/// What becomes of the pages of files.
pub(crate) struct Pages;

/// Reads.
pub(crate) fn read(kiocb: &mut Kiocb<'_, Rdaxfs>, to: &mut IovIterDest<'_>) -> Result<usize> {
    if !kiocb.is_direct() {
        return buffered::read(kiocb, to);
    }
    if to.is_empty() {
        return Ok(0);
    }
    kiocb.file().accessed();
    let locked = kiocb.inode().lock_shared_unless(kiocb.is_nowait())?;
    direct::read::<Read>(kiocb, to, &locked)
}

/// Writes.
pub(crate) fn write(
    kiocb: &mut Kiocb<'_, Rdaxfs>,
    from: &mut IovIterSource<'_>,
    inode: Locked<'_, Rdaxfs>,
) -> Result<usize> {
    let start = kiocb.position();
    let size = inode.size() as u64;
    let grows = start.saturating_add(from.len() as u64) > size;
    if kiocb.is_nowait() && (grows || kiocb.is_direct()) {
        return Err(EAGAIN);
    }
    kiocb.modified(inode)?;
    // A mapping may have stored behind the end of the file.
    let behind = size..start.min(size.next_multiple_of(BLOCK_SIZE)).max(size);
    buffered::zero_range::<Write>(inode, &behind)?;
    if !kiocb.is_direct() {
        return buffered::write::<Write>(kiocb, from, inode);
    }
    if grows {
        // What is in the cache has to be on the medium before the size.
        inode.write_and_wait(&(0..start))?;
    }
    match direct::write::<Write>(kiocb, from, inode) {
        Ok(written) => {
            let end = start + written as u64;
            if end > size {
                commit_size(inode, start, end)?;
            }
            Ok(written)
        }
        // Pages that are mapped cannot be dropped: they are written.
        Err(error) if error == Error::from_errno(-ENOTBLK) => {
            kiocb.set_buffered();
            let written = buffered::write::<Write>(kiocb, from, inode)?;
            inode.write_and_wait(&(start..start + written as u64))?;
            Ok(written)
        }
        Err(error) => Err(error),
    }
}

/// `ENOTBLK`, which the kernel crate has no name for.
const ENOTBLK: i32 = 15;

impl Writeback for Pages {
    type Read = Read;

    fn map(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Iomap> {
        // There are blocks, unless the page became dirty in a hole that was punched since.
        Write::begin(inode, request)
    }

    fn written(inode: &Inode<Rdaxfs>, end: u64) -> Result {
        // It may have become shorter.
        let end = end.min(inode.size() as u64);
        let mut operation = inode.super_block().data().mounted.begin()?;
        let mut map = inode.data().map.write();
        let volume = &*operation.volume;
        let attributes = volume
            .inodes()
            .attributes(&map)
            .map_err(|error| met(inode, error))?;
        if end <= attributes.size {
            return Ok(());
        }
        // The page cache has zeroed what is behind the old end.
        volume
            .files()
            .set_size(
                &mut operation.workspace,
                &mut map,
                (attributes.size, end),
                // The write has set the times.
                &Change::none(),
            )
            .map_err(|error| met(inode, error))?;
        Ok(())
    }
}

/// The table of files in the page cache.
pub(crate) const PAGE_CACHE: AddressSpaceOps<Rdaxfs> = writeback::page_cache_ops::<Pages>();

/// The table of files whose pages are those of the medium.
pub(crate) const DAX: AddressSpaceOps<Rdaxfs> = writeback::dax_ops::<Pages>();
