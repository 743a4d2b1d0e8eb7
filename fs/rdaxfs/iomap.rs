// SPDX-License-Identifier: GPL-2.0

//! Where the bytes of a file are on the volume, as the kernel's iomap and DAX cores ask for it.
//!
//! No lock of the file is held between the answer and the copy: the source of a write may be a mapping of the
//! same file, whose fault asks again.

use core::sync::atomic::Ordering::Relaxed;

use kernel::prelude::*;
use kernel_ext::fs::{
    dax::DaxDevice,
    iomap::{Iomap, Kind, Operations, Request},
    Inode, SuperBlock,
};
use rdaxfs_core::{
    file::{Mapping, State, Writable},
    format::{BLOCK_SIZE, MAX_FILE_SIZE},
    inode::{Change, MapState},
    volume::Volume,
};

use crate::{
    error::met, inode::set_blocks, platform::Platform, super_block::Rdaxfs, time::to_medium,
};

/// For what only reads: what the file is.
pub(crate) struct Read;

/// For what stores: blocks that can be stored to, which are made where there are none.
pub(crate) struct Write;

/// For fiemap: where the extended attributes are, as if they were a file.
pub(crate) struct Attributes;

/// The pages that a request is for.
#[derive(Clone, Copy)]
struct Pages {
    first: u64,
    count: u64,
}

impl Pages {
    /// Those of a request, as far as files can have them.
    #[inline]
    fn of(request: &Request) -> Self {
        let first = request.offset / BLOCK_SIZE;
        let end = request.offset.saturating_add(request.len);
        let end = end.min(MAX_FILE_SIZE).div_ceil(BLOCK_SIZE);
        Self {
            first,
            count: end.saturating_sub(first).max(1),
        }
    }
}

/// What pages of a file are, for a caller without locks. Every read and every fault asks.
#[inline(always)]
fn look_up(inode: &Inode<Rdaxfs>, request: &Request, pages: Pages) -> Result<Mapping> {
    let lock = &inode.data().map;
    let map = if request.is_nowait() {
        lock.try_read().ok_or(EAGAIN)?
    } else {
        lock.read()
    };
    let volume = inode.super_block().data().mounted.volume()?;
    volume
        .files()
        .map(&map, pages.first, pages.count)
        .map_err(|error| met(inode, error))
}

/// The answer that a mapping is.
#[inline]
pub(crate) fn answer(mapping: Mapping, is_new: bool) -> Iomap {
    Iomap {
        offset: mapping.page * BLOCK_SIZE,
        len: mapping.count * BLOCK_SIZE,
        kind: match mapping.state {
            State::Hole => Kind::Hole,
            State::Unwritten(block) => Kind::Unwritten(block * BLOCK_SIZE),
            State::Mapped(block) => Kind::Mapped(block * BLOCK_SIZE),
        },
        is_new,
    }
}

#[vtable]
impl Operations for Read {
    type FileSystem = Rdaxfs;

    fn dax_device(sb: &SuperBlock<Rdaxfs>) -> Option<&DaxDevice> {
        Some(sb.data().mounted.dax_device())
    }

    #[inline]
    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Iomap> {
        look_up(inode, request, Pages::of(request)).map(|mapping| answer(mapping, false))
    }
}

#[vtable]
impl Operations for Attributes {
    type FileSystem = Rdaxfs;

    fn dax_device(_sb: &SuperBlock<Rdaxfs>) -> Option<&DaxDevice> {
        None
    }

    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Iomap> {
        let xattrs = inode.data().xattrs.read();
        let volume = inode.super_block().data().mounted.volume()?;
        let run = volume
            .xattrs()
            .run(&xattrs)
            .map_err(|error| met(inode, error))?;
        let (block, count) = run.unwrap_or((0, 0));
        let len = count * BLOCK_SIZE;
        Ok(if request.offset < len {
            Iomap {
                offset: 0,
                len,
                kind: Kind::Mapped(block * BLOCK_SIZE),
                is_new: false,
            }
        } else {
            Iomap {
                offset: request.offset,
                len: request.len,
                kind: Kind::Hole,
                is_new: false,
            }
        })
    }
}

#[vtable]
impl Operations for Write {
    type FileSystem = Rdaxfs;

    fn dax_device(sb: &SuperBlock<Rdaxfs>) -> Option<&DaxDevice> {
        Read::dax_device(sb)
    }

    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Iomap> {
        let pages = Pages::of(request);
        let mapping = look_up(inode, request, pages)?;
        let is_mapped = matches!(mapping.state, State::Mapped(_));
        let may_show_zeros = inode.is_dax() && !request.is_fault() && request.is_write();
        let has_stale = may_show_zeros && inode.data().zeros_may_be_mapped.load(Relaxed);
        if !request.is_write() || is_mapped && !has_stale {
            return Ok(answer(mapping, false));
        }
        if request.is_nowait() {
            return Err(EAGAIN);
        }
        if request.is_fault() && mapping.count < pages.count {
            // A huge page cannot be had: the fault comes again for a small one.
            return Ok(answer(mapping, false));
        }
        if may_show_zeros {
            return make_writable_unmapped(inode, request, pages);
        }
        make_writable(inode, pages, Times::Kept)
    }
}

/// As [`make_writable`], for write(2): tasks that have pages of zeros mapped there lose them.
///
/// `IOMAP_F_NEW` would have the DAX core do it, but only when the blocks can be seen: a fault in between maps one of
/// them, and the core would take its entry away from under the mapping.
fn make_writable_unmapped(inode: &Inode<Rdaxfs>, request: &Request, pages: Pages) -> Result<Iomap> {
    let device = Read::dax_device(inode.super_block()).ok_or(EIO)?;
    let mut guard = inode.lock_pages();
    let bytes = |mapping: &Mapping| {
        let start = mapping.page * BLOCK_SIZE;
        start..start + mapping.count * BLOCK_SIZE
    };
    // Faults may have made some of them writable; now none does.
    let mapping = look_up(inode, request, pages)?;
    if matches!(mapping.state, State::Mapped(_)) {
        guard.unmap_pages(device, &bytes(&mapping))?;
        return Ok(answer(mapping, false));
    }
    guard.unmap_pages(device, &bytes(&mapping))?;
    let pages = Pages {
        count: mapping.count.min(pages.count),
        ..pages
    };
    make_writable(inode, pages, Times::Modified)
}

/// What becomes of the times of a file whose pages get blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// Nothing: they have been changed, or are changed later.
    Kept,
    /// It is modified now, in the same transaction. Its `i_rwsem` is held.
    Modified,
}

/// Gives pages blocks that can be stored to, zeroed and durable.
fn make_writable(inode: &Inode<Rdaxfs>, pages: Pages, times: Times) -> Result<Iomap> {
    let ctime = inode.ctime();
    let now = (times == Times::Modified).then(|| inode.set_ctime_current());
    let change = now.map_or(Change::none(), |now| Change::modified(to_medium(now)));
    let mounted = &inode.super_block().data().mounted;
    let made = mounted.again(|| make_blocks(inode, pages, &change));
    match (&made, now) {
        (Ok((_, true)), Some(now)) => inode.set_mtime(now),
        // No transaction has stored it.
        (_, Some(_)) => inode.set_ctime(ctime),
        _ => {}
    }
    made.map(|(found, _)| found)
}

/// As [`make_writable`], with a change of the inode in the transaction; says whether there was one.
#[inline(never)]
fn make_blocks(inode: &Inode<Rdaxfs>, pages: Pages, change: &Change) -> Result<(Iomap, bool)> {
    let Pages { first, count } = pages;
    let data = inode.data();
    let met = |error| met(inode, error);
    let mut operation = inode.super_block().data().mounted.begin()?;
    let mut map = data.map.write();
    let volume = &*operation.volume;
    let before = unwritten_at(volume, &map, first).map_err(met)?;
    let pages = (first, count);
    let Writable {
        mapping,
        new: is_new,
        changed,
    } = volume
        .files()
        .map_for_write(&mut operation.workspace, &mut map, pages, change)
        .map_err(met)?;
    if let Some(changed) = changed {
        set_blocks(inode, changed.blocks);
    }
    if let Some((start, end)) = before {
        // Without a block for a longer list of extents, the core makes all of an unwritten extent writable.
        // Tasks may see zeros where others of its pages are, and nobody unmaps those before a write.
        let is_written = |page| is_mapped(volume, &map, page);
        let behind = mapping.page + mapping.count;
        let is_before = start < first && is_written(start).map_err(met)?;
        if is_before || (end > behind && is_written(end - 1).map_err(met)?) {
            data.zeros_may_be_mapped.store(true, Relaxed);
        }
    }
    let found = answer(mapping, is_new && !inode.is_dax());
    Ok((found, changed.is_some()))
}

/// The pages of the unwritten extent that has a page.
fn unwritten_at(
    volume: &Volume<Platform>,
    map: &MapState,
    page: u64,
) -> rdaxfs_core::Result<Option<(u64, u64)>> {
    let extent = volume.files().next_extent(map, page)?;
    Ok(extent
        .filter(|extent| extent.unwritten && extent.page <= page)
        .map(|extent| (extent.page, extent.end())))
}

fn is_mapped(volume: &Volume<Platform>, map: &MapState, page: u64) -> rdaxfs_core::Result<bool> {
    let mapping = volume.files().map(map, page, 1)?;
    Ok(matches!(mapping.state, State::Mapped(_)))
}
