// SPDX-License-Identifier: GPL-2.0

//! Bios that a test makes.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use crate::block::{
    bio::Bio,
    gen_disk::{Disk, Operations},
};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{bindings, error::to_result, ffi::c_void, prelude::*};

/// What a bio asks for, and its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opf(u32);

impl Opf {
    /// `REQ_OP_READ`.
    pub const READ: Self = Self(bindings::req_op_REQ_OP_READ);
    /// `REQ_OP_WRITE`.
    pub const WRITE: Self = Self(bindings::req_op_REQ_OP_WRITE);
    /// `REQ_OP_WRITE_ZEROES`.
    pub const WRITE_ZEROES: Self = Self(bindings::req_op_REQ_OP_WRITE_ZEROES);
    /// `REQ_OP_DISCARD`: what a disk that does not announce it never gets.
    pub const DISCARD: Self = Self(bindings::req_op_REQ_OP_DISCARD);
    /// `REQ_OP_WRITE` with `REQ_PREFLUSH`.
    pub const FLUSH: Self =
        Self(bindings::req_op_REQ_OP_WRITE | 1 << bindings::req_flag_bits___REQ_PREFLUSH);
    /// `REQ_OP_WRITE` with `REQ_FUA`.
    pub const WRITE_FUA: Self =
        Self(bindings::req_op_REQ_OP_WRITE | 1 << bindings::req_flag_bits___REQ_FUA);
}

/// A bio that nobody has submitted yet.
///
/// # Invariants
///
/// `bio` points to a valid `struct bio` for a disk that is there for `'a`, with a reference that is
/// ours; its segments are memory in the kernel's direct map that is exclusively the bio's for `'a`.
pub struct TestBio<'a> {
    bio: NonNull<bindings::bio>,
    _memory: PhantomData<&'a mut [u8]>,
}

impl<'a> TestBio<'a> {
    /// Makes a bio at `sector` with a segment for each of `memory`.
    ///
    /// Two parts of one allocation stay two segments. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are more than 256 segments, or one is empty or not in the direct map: on a
    /// stack, or from `vmalloc()`. `ENOMEM`.
    pub fn new<T: Operations>(
        disk: &'a Disk<T>,
        opf: Opf,
        sector: u64,
        memory: impl IntoIterator<Item = &'a mut [u8]>,
    ) -> Result<Self> {
        /// `BIO_MAX_VECS`.
        const MAX: usize = 256;

        // SAFETY: Takes any address.
        let is_direct = |part: &[u8]| unsafe {
            bindings::__virt_addr_valid(part.as_ptr().addr())
                && !bindings::is_vmalloc_addr(part.as_ptr().cast())
        };
        let mut parts: KVec<&'a mut [u8]> = KVec::new();
        for part in memory {
            parts.push(part, GFP_KERNEL)?;
        }
        if parts.len() > MAX || parts.iter().any(|part| part.is_empty() || !is_direct(part)) {
            return Err(EINVAL);
        }
        // SAFETY: The disk's whole device is valid as long as the disk; the set is the kernel's own.
        let bio = unsafe {
            bindings::bio_alloc_bioset(
                disk.whole(),
                parts.len() as u16,
                opf.0,
                bindings::GFP_KERNEL,
                &raw mut bindings::fs_bio_set,
            )
        };
        let bio = NonNull::new(bio).ok_or(ENOMEM)?;
        // SAFETY: The bio was just allocated, with room for as many segments, and all of them are in
        // the direct map.
        unsafe {
            (*bio.as_ptr()).bi_iter.bi_sector = sector;
            for part in parts {
                bindings::bio_add_virt_nofail(
                    bio.as_ptr(),
                    part.as_mut_ptr().cast(),
                    part.len() as u32,
                );
            }
        }
        // INVARIANT: From `bio_alloc_bioset()`; the memory is borrowed for `'a`, and so is the disk.
        Ok(Self {
            bio,
            _memory: PhantomData,
        })
    }

    /// Makes a bio without data that covers `bytes` bytes from `sector` on.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn without_data<T: Operations>(
        disk: &'a Disk<T>,
        opf: Opf,
        sector: u64,
        bytes: u32,
    ) -> Result<Self> {
        let bio = Self::new(disk, opf, sector, [])?;
        // SAFETY: By the type invariant the bio is ours.
        unsafe { (*bio.bio.as_ptr()).bi_iter.bi_size = bytes };
        Ok(bio)
    }

    /// Submits the bio and waits until it has ended. May sleep.
    ///
    /// # Errors
    ///
    /// What the bio ended with, or what the block core refuses it with.
    pub fn submit(self) -> Result {
        // SAFETY: By the type invariant the bio is valid and complete; it is waited for.
        to_result(unsafe { bindings::submit_bio_wait(self.bio.as_ptr()) })
    }

    /// Hands the bio to `driver` without asking the block core, and returns what it ended with.
    ///
    /// # Errors
    ///
    /// What the bio ended with; `EINPROGRESS` if `driver` keeps it.
    pub fn hand_to(self, driver: impl FnOnce(Bio)) -> Result {
        hand(self.bio, driver)
    }

    /// Cuts the bio in two after `sectors` sectors, as `bio_split()` does, and hands both to `driver`,
    /// the front one first; returns what they ended with.
    ///
    /// # Errors
    ///
    /// `EINVAL` if one of the two would be empty; `ENOMEM`.
    pub fn hand_split_to(self, sectors: u32, driver: impl Fn(Bio)) -> Result<[Result; 2]> {
        // SAFETY: By the type invariant the bio is valid.
        let all = unsafe { (*self.bio.as_ptr()).bi_iter.bi_size } >> bindings::SECTOR_SHIFT;
        if sectors == 0 || sectors >= all {
            return Err(EINVAL);
        }
        // SAFETY: The bio is ours and longer than that.
        let front = kernel::error::from_err_ptr(unsafe {
            bindings::bio_split(
                self.bio.as_ptr(),
                sectors as i32,
                bindings::GFP_KERNEL,
                &raw mut bindings::fs_bio_set,
            )
        })?;
        let front = NonNull::new(front).ok_or(ENOMEM)?;
        // INVARIANT: The front shares the segments of the rest, which outlives it here.
        let front = Self {
            bio: front,
            _memory: PhantomData,
        };
        let first = hand(front.bio, &driver);
        drop(front);
        Ok([first, hand(self.bio, &driver)])
    }
}

impl Drop for TestBio<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to give back.
        unsafe { bindings::bio_put(self.bio.as_ptr()) };
    }
}

/// Hands a bio, which the caller owns and has not submitted, to `driver`.
fn hand(bio: NonNull<bindings::bio>, driver: impl FnOnce(Bio)) -> Result {
    /// # Safety
    ///
    /// For `bio_endio()`, which passes a bio whose `bi_private` points to an `Option<Result>` that
    /// nobody else uses meanwhile.
    unsafe extern "C" fn ended(bio: *mut bindings::bio) {
        // SAFETY: As the caller promises.
        unsafe {
            let errno = bindings::blk_status_to_errno((*bio).bi_status);
            (*bio)
                .bi_private
                .cast::<Option<Result>>()
                .write(Some(to_result(errno)));
        }
    }

    let mut outcome: Option<Result> = None;
    // SAFETY: The bio is the caller's. What `bi_private` points to outlives the call: a driver of this
    // kind ends its bios before it returns, and one that does not is a failed test that is reported.
    unsafe {
        (*bio.as_ptr()).bi_private = (&raw mut outcome).cast::<c_void>();
        (*bio.as_ptr()).bi_end_io = Some(ended);
        driver(Bio::from_raw(bio.as_ptr().cast()));
    }
    outcome.unwrap_or(Err(kernel::error::code::EINPROGRESS))
}
