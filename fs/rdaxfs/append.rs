// SPDX-License-Identifier: GPL-2.0

//! Writes that make a file longer.
//!
//! What lies behind the end of the file goes to blocks that are claimed for the write, and become the file's with
//! its size and its times, in one transaction, when the data is there. What lies in the page of the old end goes
//! to that page.
//!
//! The iomap core drops an error of [`Operations::end`] once bytes have been copied, so that what became of
//! the commits is kept beside the inode.

use kernel::{iov::IovIterSource, prelude::*};
use kernel_ext::fs::{
    dax::{self, DaxDevice},
    inode::Locked,
    iomap::{Iomap, Operations, Request},
    Inode, Kiocb, SuperBlock, Timespec,
};
use rdaxfs_core::{
    file::{Changed, Claim},
    format::{BLOCK_SIZE, CHUNK_BLOCKS},
    inode::Change,
};

use crate::{
    error::met,
    inode::set_blocks,
    iomap::{answer, Read, Write},
    super_block::Rdaxfs,
    time::to_medium,
    truncate::commit_size,
};

/// A write that is going on. There is at most one, because it holds `i_rwsem`.
pub(crate) struct Append {
    /// Where it began.
    start: u64,
    /// When.
    now: Timespec,
    /// The blocks that are being filled.
    claim: Option<Claim>,
    /// What the last commit left.
    committed: Option<Changed>,
    /// Why a commit failed.
    error: Option<Error>,
}

/// Where the bytes of such a write go.
struct Appended;

#[vtable]
impl Operations for Appended {
    type FileSystem = Rdaxfs;

    fn dax_device(sb: &SuperBlock<Rdaxfs>) -> Option<&DaxDevice> {
        Read::dax_device(sb)
    }

    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Iomap> {
        let first = request.offset - request.offset % BLOCK_SIZE;
        if first < inode.size() as u64 {
            return Write::begin(inode, request);
        }
        let claim = {
            let mut append = inode.data().append.lock();
            let append = (*append).as_mut().ok_or(EIO)?;
            if let Some(error) = append.error {
                return Err(error);
            }
            let mut operation = inode.super_block().data().mounted.begin()?;
            let mut map = inode.data().map.write();
            operation
                .volume
                .files()
                .claim(
                    &mut operation.workspace,
                    &mut map,
                    request.offset,
                    request.len,
                )
                .map_err(|error| met(inode, error))?
                .map(|claim| {
                    // Nobody can have mapped pages behind the end of the file.
                    let found = answer(claim.mapping(), false);
                    append.claim = Some(claim);
                    found
                })
        };
        match claim {
            Some(found) => Ok(found),
            None => Write::begin(inode, request),
        }
    }

    fn end(inode: &Inode<Rdaxfs>, _request: &Request, done: u64) -> Result {
        let mut append = inode.data().append.lock();
        let append = (*append).as_mut().ok_or(EIO)?;
        let Some(claim) = append.claim.take() else {
            return Ok(());
        };
        let change = Change::modified(to_medium(append.now));
        let mut operation = inode.super_block().data().mounted.begin()?;
        let mut map = inode.data().map.write();
        let committed = operation.volume.files().commit_claim(
            &mut operation.workspace,
            &mut map,
            claim,
            (append.start, done),
            &change,
        );
        match committed {
            Ok(Some(changed)) => {
                set_blocks(inode, changed.blocks);
                append.committed = Some(changed);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                let error = met(inode, error);
                append.error = Some(error);
                Err(error)
            }
        }
    }
}

/// Writes behind the end of a file whose pages are those of the medium, or from before it to there. It is
/// durable when this returns.
///
/// # Errors
///
/// Those of a write, if nothing was written.
pub(crate) fn write(
    kiocb: &mut Kiocb<'_, Rdaxfs>,
    from: &mut IovIterSource<'_>,
    inode: Locked<'_, Rdaxfs>,
) -> Result<usize> {
    let start = kiocb.position();
    let old = inode.size() as u64;
    realign(inode, start, from.len() as u64)?;
    let before = inode.ctime();
    let now = inode.set_ctime_current();
    *inode.data().append.lock() = Some(Append {
        start,
        now,
        claim: None,
        committed: None,
        error: None,
    });
    let written = dax::io::write::<Appended>(kiocb, from, inode);
    let append = inode.data().append.lock().take().ok_or(EIO)?;
    if let Some(claim) = append.claim {
        if let Ok(volume) = inode.super_block().data().mounted.volume_to_end() {
            volume.files().forget_claim(claim);
        }
    }
    let size = append.committed.map_or(old, |changed| changed.size);
    if size > old {
        inode.set_size(size as i64);
        inode.set_mtime(now);
    }
    let failed = |error| {
        if size == old {
            inode.set_ctime(before);
        }
        error
    };
    let mut end = start + written.map_err(failed)? as u64;
    if let Some(error) = append.error {
        // What was committed before is written.
        end = size.max(start);
        if end == start {
            return Err(failed(error));
        }
        kiocb.set_position(end);
    } else if end > size {
        commit_size(inode, start, end).map_err(failed)?;
    }
    if inode.size() as u64 == old {
        // It has not come to the end of the file.
        kernel_ext::pmem::pmem_wmb();
        kiocb.modified(inode)?;
    }
    Ok((end - start) as usize)
}

/// Moves the first pages of a file that is going to fill a huge page to where it can: for speed only, and only
/// if no task has pages of the file.
#[inline(never)]
fn realign(inode: Locked<'_, Rdaxfs>, start: u64, len: u64) -> Result {
    let page = start / BLOCK_SIZE;
    let count = (start + len).div_ceil(BLOCK_SIZE) - page;
    let before = page % CHUNK_BLOCKS;
    if before == 0 || before.saturating_add(count) < CHUNK_BLOCKS / 2 {
        return Ok(());
    }
    let pages = inode.inode().lock_pages();
    if !pages.is_empty() {
        return Ok(());
    }
    let mut operation = inode.super_block().data().mounted.begin()?;
    let mut map = inode.data().map.write();
    operation
        .volume
        .files()
        .realign(&mut operation.workspace, &mut map, page, count)
        .map_err(|error| met(&inode, error))
}
