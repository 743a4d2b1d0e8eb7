// SPDX-License-Identifier: GPL-2.0

//! Open files: reads, writes, lseek(2), fsync(2).
//!
//! A write that makes a file longer commits the size when the data is on the medium, and what it has
//! written is durable when it returns.

use core::ops::RangeInclusive;

use kernel::{
    iov::{IovIterDest, IovIterSource},
    prelude::*,
};
use kernel_ext::{
    fs::{
        dax,
        file::{flags, File, OpeningFile, Operations, Whence},
        fserror::Access,
        inode::Locked,
        iomap::report,
        vm::VmAreaDesc,
        Kiocb,
    },
    pmem,
};

use crate::{
    append, buffered,
    error::access_failed,
    fallocate,
    ioctl::Ioctl,
    iomap::{Read, Write},
    mmap,
    super_block::Rdaxfs,
};

/// The operations on open regular files.
pub(crate) struct Regular;

#[vtable]
impl Operations for Regular {
    type FileSystem = Rdaxfs;
    type Ioctl = Ioctl;

    const FLAGS: u32 = flags::MMAP_SYNC | flags::BUFFER_RASYNC | flags::BUFFER_WASYNC;

    fn open(file: &mut OpeningFile<'_, Rdaxfs>) -> Result {
        file.allow_nowait();
        file.allow_direct();
        Ok(())
    }

    fn release(file: &File<Rdaxfs>) {
        if file.is_last_writer() {
            let inode = file.inode();
            if let Ok(volume) = inode.super_block().data().mounted.volume_to_end() {
                volume.files().close(&mut inode.data().map.write());
            }
        }
    }

    fn read_iter(kiocb: &mut Kiocb<'_, Rdaxfs>, to: &mut IovIterDest<'_>) -> Result<usize> {
        let inode = kiocb.inode();
        if !inode.is_dax() {
            return buffered::read(kiocb, to);
        }
        if to.is_empty() {
            return Ok(0);
        }
        let read = {
            let locked = inode.lock_shared_unless(kiocb.is_nowait())?;
            let at = kiocb.position();
            dax::io::read::<Read>(kiocb, to, &locked)
                .inspect_err(|error| access_failed(inode, Access::Read, at, *error))?
        };
        kiocb.file().accessed();
        Ok(read)
    }

    fn write_iter(kiocb: &mut Kiocb<'_, Rdaxfs>, from: &mut IovIterSource<'_>) -> Result<usize> {
        let inode = kiocb.inode();
        let written = {
            let guard = inode.lock_unless(kiocb.is_nowait())?;
            let locked = guard.locked();
            if kiocb.write_checks(locked, from)? == 0 {
                return Ok(0);
            }
            if inode.is_dax() {
                write(kiocb, from, locked)?
            } else {
                buffered::write(kiocb, from, locked)?
            }
        };
        kiocb.write_sync(written)
    }

    fn llseek(file: &File<Rdaxfs>, offset: i64, whence: Whence) -> Result<i64> {
        match report::seek::<Read>(file.inode(), offset, whence) {
            Some(found) => file.set_position(found?),
            None => file.generic_llseek(offset, whence),
        }
    }

    fn fsync(file: &File<Rdaxfs>, range: RangeInclusive<i64>, _datasync: bool) -> Result {
        file.write_and_wait(&range)?;
        // Metadata is durable already, unless the volume has been shut down.
        file.inode().super_block().data().mounted.volume()?;
        file.inode().super_block().block_device().flush()
    }

    fn fallocate(file: &File<Rdaxfs>, mode: u32, offset: u64, len: u64) -> Result {
        fallocate::fallocate(file, mode, offset, len)
    }

    fn mmap_prepare(area: &mut VmAreaDesc<'_, Rdaxfs>) -> Result {
        mmap::prepare(area)
    }
}

/// Writes to a file whose pages are those of the medium.
fn write(
    kiocb: &mut Kiocb<'_, Rdaxfs>,
    from: &mut IovIterSource<'_>,
    inode: Locked<'_, Rdaxfs>,
) -> Result<usize> {
    let end = kiocb.position().saturating_add(from.len() as u64);
    if end > inode.size() as u64 {
        if kiocb.is_nowait() {
            return Err(EAGAIN);
        }
        // The times are part of the transaction that commits the size.
        kiocb.file().remove_privileges()?;
        return append::write(kiocb, from, inode);
    }
    // Without a wait, what would need one is to be known before anything is written.
    let is_nowait = kiocb.is_nowait();
    if is_nowait {
        kiocb.modified(inode)?;
    } else {
        kiocb.file().remove_privileges()?;
    }
    let at = kiocb.position();
    let written = dax::io::write::<Write>(kiocb, from, inode)
        .inspect_err(|error| access_failed(inode.inode(), Access::Write, at, *error))?;
    pmem::pmem_wmb();
    if !is_nowait {
        // Where pages have got blocks, the times are part of those transactions, and need none here.
        kiocb.file().update_time()?;
    }
    Ok(written)
}
