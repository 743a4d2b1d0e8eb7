// SPDX-License-Identifier: GPL-2.0

//! A bio: one I/O on its way to a bio-based driver.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h),
//! [`include/linux/blk_types.h`](srctree/include/linux/blk_types.h)

use super::io_acct;
use crate::{compat, SECTOR_SIZE};
use core::{marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};
use kernel_bindings as bindings;

/// What a bio asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `REQ_OP_READ`.
    Read,
    /// `REQ_OP_WRITE`; without data when it only carries a flush.
    Write,
    /// `REQ_OP_WRITE_ZEROES`.
    WriteZeroes,
    /// Any other operation. The block core passes on only what the queue's limits announce.
    Other,
}

/// How a bio ended when it did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlkStatus {
    /// `BLK_STS_IOERR`: user space sees `EIO`.
    IoError,
    /// `BLK_STS_AGAIN`: a bio that must not wait would have to. User space sees `EAGAIN`, or is not told:
    /// io_uring tries again where it can wait.
    Again,
    /// `BLK_STS_NOTSUPP`: user space sees `EOPNOTSUPP`.
    NotSupported,
}

impl BlkStatus {
    fn into_raw(self) -> bindings::blk_status_t {
        match self {
            BlkStatus::IoError => bindings::BLK_STS_IOERR,
            BlkStatus::Again => bindings::BLK_STS_AGAIN,
            BlkStatus::NotSupported => bindings::BLK_STS_NOTSUPP,
        }
    }
}

/// A bio that this driver owns until it ends it.
///
/// It ends when the value goes: [`Bio::end`] says how, and a bio that is dropped without it ends
/// with [`BlkStatus::IoError`], so that no I/O is ever lost.
///
/// # Invariants
///
/// - `bio` points to a valid `struct bio` that the block layer handed to this driver, and that
///   nobody has ended yet.
/// - Its `bi_io_vec` holds the segments that `bi_iter` describes, unless it is an operation
///   without data. Their pages are pinned until the bio ends.
pub struct Bio {
    bio: NonNull<bindings::bio>,
    accounted_since: Option<io_acct::Begin>,
}

// SAFETY: A bio belongs to no thread: its owner may read it, carry it out and end it from any, as
// drivers with an interrupt do. The accounting counts per CPU and is summed up by its readers.
unsafe impl Send for Bio {}

impl Bio {
    /// Takes over a bio from the block layer.
    ///
    /// # Safety
    ///
    /// `bio` must be valid, as `block_device_operations::submit_bio` gets it, and owned by the
    /// caller, who gives it up.
    #[inline]
    pub unsafe fn from_raw(bio: *mut bindings::bio) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            // SAFETY: A valid pointer is not null.
            bio: unsafe { NonNull::new_unchecked(bio) },
            accounted_since: None,
        }
    }

    /// Gives the bio up without ending it, to somebody who will: as to `bio_endio()` of another bio that
    /// it is chained to. Accounting that was started must have been ended ([`Bio::end_io_acct`]).
    #[inline]
    pub fn into_raw(self) -> *mut bindings::bio {
        ManuallyDrop::new(self).bio.as_ptr()
    }

    /// Ends the I/O accounting, with the bio still to be ended: by somebody else, after
    /// [`Bio::into_raw`].
    #[inline]
    pub fn end_io_acct(&mut self) {
        if let Some(begin) = self.accounted_since.take() {
            let op = self.opf() & bindings::REQ_OP_MASK;
            let sectors = self.iter().bi_size / SECTOR_SIZE as u32;
            // SAFETY: By the type invariant the bio has not ended, so that its block device is
            // valid, the one that accounting began with.
            unsafe { io_acct::end(self.bdev(), op, sectors, begin) };
        }
    }

    /// Returns the operation and flags.
    ///
    /// No reference is made to the whole: other CPUs may write `__bi_remaining` and `bi_status` of a bio
    /// that others are chained to.
    #[inline]
    fn opf(&self) -> bindings::blk_opf_t {
        // SAFETY: By the type invariant the bio is valid, and while this driver owns it nobody
        // writes to this field.
        unsafe { (*self.bio.as_ptr()).bi_opf }
    }

    #[inline]
    fn iter(&self) -> bindings::bvec_iter {
        // SAFETY: As in `opf`.
        unsafe { (&raw const (*self.bio.as_ptr()).bi_iter).read() }
    }

    #[inline]
    fn bdev(&self) -> *mut bindings::block_device {
        // SAFETY: As in `opf`.
        unsafe { (*self.bio.as_ptr()).bi_bdev }
    }

    /// Returns the operation.
    #[inline]
    pub fn op(&self) -> Op {
        match self.opf() & bindings::REQ_OP_MASK {
            bindings::req_op_REQ_OP_READ => Op::Read,
            bindings::req_op_REQ_OP_WRITE => Op::Write,
            bindings::req_op_REQ_OP_WRITE_ZEROES => Op::WriteZeroes,
            _ => Op::Other,
        }
    }

    /// `REQ_PREFLUSH`: what completed before must be durable before this bio is carried out.
    #[inline]
    pub fn is_preflush(&self) -> bool {
        self.opf() & bindings::REQ_PREFLUSH != 0
    }

    /// `REQ_FUA`: the data of this write must be durable when the bio ends.
    #[inline]
    pub fn is_fua(&self) -> bool {
        self.opf() & bindings::REQ_FUA != 0
    }

    /// `REQ_NOWAIT`: who would have to wait, for a lock or memory, ends the bio with
    /// [`BlkStatus::Again`] instead.
    #[inline]
    pub fn is_nowait(&self) -> bool {
        self.opf() & bindings::REQ_NOWAIT != 0
    }

    /// Returns the first sector, in units of 512 bytes from the start of the whole disk.
    #[inline]
    pub fn sector(&self) -> u64 {
        self.iter().bi_sector
    }

    /// Returns the length in bytes; 0 for a bio that only carries a flush.
    #[inline]
    pub fn len(&self) -> usize {
        self.iter().bi_size as usize
    }

    /// Whether the bio covers no sector.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the disk or the partition that the bio is for is read-only.
    ///
    /// The block core lets such a write pass with a warning; a driver refuses it.
    #[inline]
    pub fn is_to_read_only_device(&self) -> bool {
        // SAFETY: By the type invariant the bio is valid, and so is its block device until it
        // ends.
        unsafe { bindings::bdev_read_only(self.bdev()) }
    }

    /// Starts the I/O accounting of this bio, if the queue's `iostats` is on. It stops when the
    /// bio ends.
    #[inline]
    pub fn start_io_acct(&mut self) {
        // SAFETY: By the type invariant the bio is valid, and so is its block device until it ends.
        self.accounted_since = unsafe { io_acct::begin(self.bdev()) };
    }

    /// Iterates over the memory that holds, or is to get, the bio's data.
    ///
    /// A segment may be longer than a page: it is contiguous in physical memory. There is none for
    /// an operation without data.
    #[inline]
    pub fn segments(&self) -> Segments<'_> {
        let iter = self.iter();
        // SAFETY: As in `opf`.
        let vectors = unsafe { (*self.bio.as_ptr()).bi_io_vec };
        let has_data = matches!(self.op(), Op::Read | Op::Write);
        Segments {
            // With no byte left, the pointer is not used.
            next: vectors.wrapping_add(iter.bi_idx as usize),
            offset: compat::bvec_offset(&iter),
            left: if has_data { iter.bi_size } else { 0 },
            _bio: PhantomData,
        }
    }

    /// Ends the bio.
    #[inline]
    pub fn end(self, status: Result<(), BlkStatus>) {
        // SAFETY: It is not used, nor dropped, afterwards.
        unsafe { ManuallyDrop::new(self).end_once(status) };
    }

    /// Inlined into the driver's operation, of which it is the end: passing a bio on by memory, as a
    /// call of `drop` does, costs 20 instructions of each I/O.
    ///
    /// # Safety
    ///
    /// `self` must not be used afterwards.
    #[inline(always)]
    unsafe fn end_once(&self, status: Result<(), BlkStatus>) {
        let bio = self.bio.as_ptr();

        if let Some(begin) = self.accounted_since {
            let op = self.opf() & bindings::REQ_OP_MASK;
            let sectors = self.iter().bi_size / SECTOR_SIZE as u32;
            // SAFETY: By the type invariant the bio has not ended, so that its block device is
            // valid, the one that accounting began with.
            unsafe { io_acct::end(self.bdev(), op, sectors, begin) };
        }
        if let Err(status) = status {
            // SAFETY: By the type invariant the bio is valid and this driver's own.
            unsafe { (*bio).bi_status = status.into_raw() };
        }
        // SAFETY: By the type invariant the bio has not ended; this is the only place that ends
        // it, and as the caller promises `self` is gone afterwards.
        unsafe { bindings::bio_endio(bio) };
    }
}

impl Drop for Bio {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: It is gone afterwards.
        unsafe { self.end_once(Err(BlkStatus::IoError)) };
    }
}

/// A piece of memory that holds, or is to get, data of a [`Bio`].
///
/// # Invariants
///
/// `addr` is valid for reads and writes of `len` bytes for `'a`, in the kernel's direct map. Others,
/// user space among them, may access the bytes at the same time.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    addr: *mut u8,
    len: usize,
    _bio: PhantomData<&'a Bio>,
}

impl Segment<'_> {
    /// Returns the length in bytes, never 0.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes the segment's pages the same through all mappings of theirs, where the CPU's caches do not
    /// see to that: before it is read, because a process may have written to it, and after it has been
    /// written, because one may read it. Costs nothing on x86.
    #[inline]
    pub(crate) fn flush_dcache(&self) {
        #[cfg(not(CONFIG_X86_64))]
        {
            let end = self.addr.addr() + self.len;
            let mut page = self.addr.addr() / crate::PAGE_SIZE * crate::PAGE_SIZE;
            while page < end {
                // SAFETY: By the type invariant the segment is in the direct map, whose addresses
                // have pages.
                unsafe {
                    bindings::flush_dcache_page(bindings::virt_to_page(
                        self.addr.with_addr(page).cast(),
                    ))
                };
                page += crate::PAGE_SIZE;
            }
        }
    }

    /// Returns the address of the first byte.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.addr
    }
}

/// An iterator over the segments of a [`Bio`].
///
/// # Invariants
///
/// While `left` is not 0, `next` points to a valid `struct bio_vec` with more than `offset` bytes,
/// and it and those after it hold at least `left` bytes from there on.
pub struct Segments<'a> {
    next: *const bindings::bio_vec,
    offset: u32,
    left: u32,
    _bio: PhantomData<&'a Bio>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        if self.left == 0 {
            return None;
        }
        // SAFETY: By the type invariant, as `left` is not 0.
        let bvec = unsafe { &*self.next };
        let len = bvec.bv_len.wrapping_sub(self.offset).min(self.left);
        // SAFETY: By the invariants of `Bio` the page is pinned. x86-64 has no high memory, so
        // that every page has an address, and consecutive pages have consecutive ones.
        let page = unsafe { bindings::page_address(bvec.bv_page) }.cast::<u8>();
        let addr = page.wrapping_add(bvec.bv_offset as usize + self.offset as usize);

        // INVARIANT: What is left starts with the next vector's first byte; a vector of which a
        // part remains is the last one used.
        self.left = self.left.wrapping_sub(len);
        self.offset = 0;
        self.next = self.next.wrapping_add(1);

        // INVARIANT: `len` bytes of the vector lie behind `addr`.
        Some(Segment {
            addr,
            len: len as usize,
            _bio: PhantomData,
        })
    }
}
