// SPDX-License-Identifier: GPL-2.0

//! Physical memory outside the page allocator, mapped with a struct page for each of its pages.
//!
//! C header: [`include/linux/memremap.h`](srctree/include/linux/memremap.h)

use crate::{numa::Node, pmem::Window, resource::PhysRange, sched::cond_resched, PAGE_SIZE};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    alloc::flags::GFP_KERNEL,
    error::{from_err_ptr, to_result},
    ffi::{c_int, c_ulong},
    io::resource::Region,
    prelude::*,
    sync::Arc,
    time::{delay::fsleep, Delta},
    types::Opaque,
};
use kernel_bindings as bindings;

/// Returns the alignment in bytes that start and size of a [`PageMap`] need: struct pages come in
/// sub-sections of the memory map (2 MiB on x86-64).
///
/// # Examples
///
/// ```
/// use kernel_ext::{memremap::compat_align, PAGE_SIZE};
///
/// assert!(compat_align().is_power_of_two());
/// assert_eq!(compat_align() % PAGE_SIZE as u64, 0);
/// ```
pub fn compat_align() -> u64 {
    // SAFETY: Returns a constant of the architecture.
    unsafe { bindings::memremap_compat_align() as u64 }
}

/// Reads `buf.len()` bytes from byte `offset` of a range that nobody has mapped yet.
///
/// The range must not be System RAM. May sleep.
///
/// # Errors
///
/// `EINVAL` if the bytes are not all in the range, `ENOMEM` if they cannot be mapped, `EIO` if the
/// CPU met poison.
pub fn peek(range: PhysRange, offset: u64, buf: &mut [u8]) -> Result {
    let end = offset.checked_add(buf.len() as u64).ok_or(EINVAL)?;
    if end > range.size() {
        return Err(EINVAL);
    }
    // SAFETY: Any range may be asked for; System RAM is refused with a warning.
    let addr = unsafe {
        bindings::memremap(
            range.start() + offset,
            buf.len(),
            bindings::MEMREMAP_WB as usize,
        )
    };
    let addr = NonNull::new(addr).ok_or(ENOMEM)?;
    // SAFETY: `memremap()` has mapped as many bytes as `buf` has, until `memunmap()` below.
    let mut window = unsafe { Window::new(addr.as_ptr().cast(), buf.len()) };
    let read = window.read(buf);
    // SAFETY: Mapped above, and not used any more.
    unsafe { bindings::memunmap(addr.as_ptr()) };
    read
}

/// Who is told that memory of a [`PageMap`] has failed: a machine check hit it, or somebody said so
/// (`madvise(MADV_HWPOISON)`, the `hwpoison` files in debugfs).
pub trait FailureHandler: Send + Sync + 'static {
    /// Records pages that have failed, marks them ([`FailedPages::mark`]), and tells those who use them:
    /// the holder of the DAX device, by [`Handle::notify_failure`](crate::dax::Handle::notify_failure).
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if nobody was there to be told: the kernel then sends the signals itself. Anything
    /// else counts as a failure that was not handled.
    fn memory_failure(&self, failed: FailedPages<'_>, flags: FailureFlags) -> Result;
}

/// What is known of a memory failure (`MF_ACTION_REQUIRED` and others), for those who are told next.
#[derive(Clone, Copy, Debug)]
pub struct FailureFlags(c_int);

impl FailureFlags {
    pub(crate) fn as_raw(self) -> c_int {
        self.0
    }
}

/// Pages of a [`PageMap`] that have failed, for somebody to record.
///
/// # Invariants
///
/// `pages` page frames from `first_pfn` on have struct pages for `'a`; they are those of the region
/// from byte `offset` on.
#[derive(Clone, Copy)]
pub struct FailedPages<'a> {
    offset: usize,
    first_pfn: usize,
    pages: usize,
    _mapping: PhantomData<&'a ()>,
}

impl FailedPages<'_> {
    /// Returns the offset of the first of them in the region, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Returns how many bytes they are.
    pub fn len(&self) -> usize {
        self.pages * PAGE_SIZE
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pages == 0
    }

    /// Sets the flag of each page, which says that the whole page is bad, as it does for ordinary
    /// memory; [`PageMap::revive`] takes it away. Whoever calls that must be kept out meanwhile, or
    /// finds pages marked that are not recorded yet.
    pub fn mark(&self) {
        for pfn in self.first_pfn..self.first_pfn.saturating_add(self.pages) {
            // SAFETY: By the type invariant the frame has a struct page.
            unsafe { bindings::SetPageHWPoison(bindings::pfn_to_page(pfn)) };
        }
    }
}

/// A physical range mapped for DAX (`MEMORY_DEVICE_FS_DAX`): direct map, struct pages, and the
/// exclusive claim on it in `/proc/iomem`.
///
/// # Invariants
///
/// - `pgmap` was passed to `memremap_pages()`, which succeeded, and not yet to `memunmap_pages()`;
///   it stays where it is.
/// - `kaddr` is the kernel's address of its first byte, `range` what it maps.
/// - `pgmap.owner` points to what `handler` points to.
pub struct PageMap<H: FailureHandler> {
    pgmap: Pin<KBox<Opaque<bindings::dev_pagemap>>>,
    kaddr: NonNull<u8>,
    range: PhysRange,
    // Goes after the mapping: fields are dropped after `PageMap::drop`.
    _claim: Region,
    _handler: Arc<H>,
}

// SAFETY: The mapping belongs to no thread; all of `PageMap`'s methods may be called from any.
unsafe impl<H: FailureHandler> Send for PageMap<H> {}

// SAFETY: `&PageMap` gives out windows, which take concurrent access, and changes flags of pages,
// which is atomic.
unsafe impl<H: FailureHandler> Sync for PageMap<H> {}

impl<H: FailureHandler> PageMap<H> {
    const OPS: bindings::dev_pagemap_ops = bindings::dev_pagemap_ops {
        folio_free: None,
        migrate_to_ram: None,
        memory_failure: Some(Self::memory_failure),
        folio_split: None,
    };

    /// # Safety
    ///
    /// For the memory-failure handler, which passes a `dev_pagemap` with these operations, pins it
    /// meanwhile, and passes pages of it.
    unsafe extern "C" fn memory_failure(
        pgmap: *mut bindings::dev_pagemap,
        pfn: c_ulong,
        nr_pages: c_ulong,
        mf_flags: c_int,
    ) -> c_int {
        // SAFETY: As the caller promises. `range` is the member of the union that `nr_range == 1`
        // selects.
        let (start, handler) = unsafe {
            let start = (*pgmap).__bindgen_anon_1.range.as_ref().start;
            (start as usize, &*(*pgmap).owner.cast::<H>())
        };
        // INVARIANT: As the caller promises the frames are the region's, pinned for the call.
        let failed = FailedPages {
            offset: (pfn * PAGE_SIZE).wrapping_sub(start),
            first_pfn: pfn,
            pages: nr_pages,
            _mapping: PhantomData,
        };
        match handler.memory_failure(failed, FailureFlags(mf_flags)) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// Maps the range that `claim` covers, with its struct pages on `node`; `handler` is told when
    /// memory of it fails.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if start or size is not a multiple of [`compat_align`], or the range is beyond what
    /// the CPU or the memory map can address; `ENOMEM`; what `memremap_pages()` says otherwise.
    pub fn new(claim: Region, node: Node, handler: Arc<H>) -> Result<Self> {
        let range = PhysRange::new(claim.start(), claim.size()).ok_or(EINVAL)?;
        let is_aligned = |n: u64| n.checked_rem(compat_align()) == Some(0);
        if !is_aligned(range.start()) || !is_aligned(range.size()) {
            // The C side would warn with a stack trace.
            return Err(EINVAL);
        }

        let pgmap = KBox::pin_init(
            Opaque::ffi_init(|slot: *mut bindings::dev_pagemap| {
                // SAFETY: `slot` is valid for writes. All zeroes is a valid `struct dev_pagemap`,
                // without an altmap.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: The structure has just been initialised. `range` is the member of the
                // union that `nr_range == 1` selects.
                unsafe {
                    (*slot).type_ = bindings::memory_type_MEMORY_DEVICE_FS_DAX;
                    (*slot).ops = &Self::OPS;
                    // INVARIANT: `handler` moves into the value below.
                    (*slot).owner = (&raw const *handler).cast_mut().cast();
                    (*slot).nr_range = 1;
                    let only = (*slot).__bindgen_anon_1.range.as_mut();
                    only.start = range.start();
                    only.end = range.last();
                }
            }),
            GFP_KERNEL,
        )?;

        // SAFETY: `pgmap` is initialised and pinned until `memunmap_pages()` in drop. The claim
        // keeps other drivers away from the range.
        let kaddr = from_err_ptr(unsafe { bindings::memremap_pages(pgmap.get(), node.as_raw()) })?;

        // INVARIANT: `memremap_pages()` succeeded and returned the address of the first byte.
        Ok(Self {
            pgmap,
            kaddr: NonNull::new(kaddr.cast()).ok_or(ENOMEM)?,
            range,
            _claim: claim,
            _handler: handler,
        })
    }

    /// Returns the physical range.
    pub fn range(&self) -> PhysRange {
        self.range
    }

    /// Returns the length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        // On a 64-bit machine a size is a `usize`.
        self.range.size() as usize
    }

    /// Whether the range is empty, which it never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `len` bytes from `offset`; `None` if they are not all in the region.
    #[inline]
    pub fn window(&self, offset: usize, len: usize) -> Option<Window<'_>> {
        let end = offset.checked_add(len)?;
        if end > self.len() {
            return None;
        }
        // SAFETY: By the type invariant the range is mapped with struct pages as long as `self`
        // lives, and the window lies within it.
        Some(unsafe { Window::new(self.kaddr.as_ptr().wrapping_add(offset), len) })
    }

    /// Returns the pages that `len` bytes from `offset` on touch, as ones that have failed; `None` if
    /// these bytes are not all in the region.
    pub fn failed(&self, offset: usize, len: usize) -> Option<FailedPages<'_>> {
        let end = offset.checked_add(len)?;
        if end > self.len() {
            return None;
        }
        let first = offset / PAGE_SIZE;
        // INVARIANT: By the type invariant every page frame of the range has a struct page.
        Some(FailedPages {
            offset: first * PAGE_SIZE,
            first_pfn: self.range.start() as usize / PAGE_SIZE + first,
            pages: end.div_ceil(PAGE_SIZE) - first,
            _mapping: PhantomData,
        })
    }

    /// Returns the frames of the pages that have failed among those that `len` bytes from `offset` on
    /// touch. `is_recorded` is as in [`PageMap::revive`].
    ///
    /// # Errors
    ///
    /// `EIO` if one of them is not covered from end to end, or the range is not all in the region.
    fn failed_pages<'a>(
        &'a self,
        offset: usize,
        len: usize,
        is_recorded: impl Fn(usize) -> bool + Copy + 'a,
    ) -> Result<impl Iterator<Item = usize> + 'a> {
        let end = offset
            .checked_add(len)
            .filter(|end| *end <= self.len())
            .ok_or(EIO)?;
        let first_pfn = self.range.start() as usize / PAGE_SIZE;
        let pages = offset / PAGE_SIZE..end.div_ceil(PAGE_SIZE);
        let failed = move |page: &usize| {
            // SAFETY: By the type invariant every page frame of the range has a struct page.
            let is_marked =
                unsafe { bindings::PageHWPoison(bindings::pfn_to_page(first_pfn + page)) != 0 };
            is_marked && is_recorded(page * PAGE_SIZE)
        };

        let covered = |page: usize| page * PAGE_SIZE >= offset && (page + 1) * PAGE_SIZE <= end;
        if pages.clone().filter(failed).any(|page| !covered(page)) {
            return Err(EIO);
        }
        Ok(pages.filter(failed).map(move |page| first_pfn + page))
    }

    /// Whether [`PageMap::revive`] would have something to do for these bytes, or refuse them.
    pub fn has_failed(
        &self,
        offset: usize,
        len: usize,
        is_recorded: impl Fn(usize) -> bool + Copy,
    ) -> bool {
        let failed = self.failed_pages(offset, len, is_recorded);
        failed.map_or(true, |mut pages| pages.next().is_some())
    }

    /// Whether [`PageMap::revive`] would refuse these bytes.
    pub fn is_part_of_failed(
        &self,
        offset: usize,
        len: usize,
        is_recorded: impl Fn(usize) -> bool + Copy,
    ) -> bool {
        self.failed_pages(offset, len, is_recorded).is_err()
    }

    /// Maps pages that have failed for the kernel again, which may have unmapped them; they still count
    /// as failed, until [`PageMap::unmark`].
    ///
    /// `offset` and `len` say which bytes are about to be written, `is_recorded` whether the whole
    /// page at an offset is recorded as bad: its flag alone does not tell, for where processes have
    /// 2 MiB mapped at once the core sets that of the first page, whichever of them has failed.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EIO` if one of the pages that they touch has failed but is not covered from end to end: what
    /// would remain of it is lost. What the architecture says if a page cannot be mapped; others may
    /// have been by then, which only takes the protection against speculative loads from them.
    pub fn map_failed(
        &self,
        offset: usize,
        len: usize,
        is_recorded: impl Fn(usize) -> bool + Copy,
    ) -> Result {
        for pfn in self.failed_pages(offset, len, is_recorded)? {
            #[cfg(CONFIG_RUST_KERNEL_EXT_KUNIT_TEST)]
            crate::kunit::fault::may_map()?;
            // SAFETY: The frame is in the kernel's direct map, by the type invariant.
            to_result(unsafe { bindings::clear_mce_nospec(pfn) })?;
        }
        Ok(())
    }

    /// Takes the flag from pages that have failed, as far as these bytes cover them from end to end;
    /// [`PageMap::map_failed`] must have mapped them.
    pub fn unmark(&self, offset: usize, len: usize, is_recorded: impl Fn(usize) -> bool + Copy) {
        let Ok(failed) = self.failed_pages(offset, len, is_recorded) else {
            return;
        };
        for pfn in failed {
            // SAFETY: By the type invariant every page frame of the range has a struct page.
            unsafe { bindings::ClearPageHWPoison(bindings::pfn_to_page(pfn)) };
        }
    }

    /// Brings pages that have failed back before they are overwritten: the kernel, which may have
    /// unmapped them, can access them again, and their flag goes. All of them, or none.
    ///
    /// The parameters and errors are those of [`PageMap::map_failed`]. May sleep.
    pub fn revive(
        &self,
        offset: usize,
        len: usize,
        is_recorded: impl Fn(usize) -> bool + Copy,
    ) -> Result {
        self.map_failed(offset, len, is_recorded)?;
        self.unmark(offset, len, is_recorded);
        Ok(())
    }

    /// Returns the offset of the first page, at or after the one at byte `offset`, that somebody still
    /// uses: it is mapped or pinned, or a file system has it in a file's mapping.
    ///
    /// The answer stands once nobody can get pages any more: when the DAX device that gives them out is
    /// dead. Takes a while for a large region. May sleep.
    pub fn first_in_use(&self, offset: usize) -> Option<usize> {
        /// Pages that are looked at before the scheduler is asked.
        const BATCH: usize = 1 << 16;

        let first_pfn = self.range.start() as usize / PAGE_SIZE;
        for page in offset / PAGE_SIZE..self.len() / PAGE_SIZE {
            if page % BATCH == BATCH - 1 {
                cond_resched();
            }
            // SAFETY: By the type invariant every page frame of the range has an initialised
            // struct page; `pfn_folio()` finds the head of the folio that it is in.
            let folio = unsafe { bindings::pfn_folio(first_pfn + page) };
            // SAFETY: `folio` is valid, as above. What is read may change at any time, which is
            // why these are volatile reads and the answer only good after the device was killed.
            // `share` lies in the same word as `index`.
            let (count, mapping, share) = unsafe {
                let page = &raw const (*folio).__bindgen_anon_1.__bindgen_anon_1;
                (
                    bindings::folio_ref_count(folio),
                    (&raw const (*page).mapping).read_volatile(),
                    (&raw const (*page).__bindgen_anon_2.share).read_volatile(),
                )
            };
            if count != 0 || !mapping.is_null() || share != 0 {
                return Some(page * PAGE_SIZE);
            }
        }
        None
    }
}

impl<H: FailureHandler> Drop for PageMap<H> {
    fn drop(&mut self) {
        // The struct pages go with the mapping: a process that still had one mapped, or a file system
        // that still had one in a file's mapping, would afterwards touch freed memory.
        let mut offset = 0;
        while let Some(in_use) = self.first_in_use(offset) {
            // Pages before this one are idle, and will not be given out again.
            offset = in_use;
            fsleep(Delta::from_millis(50));
        }
        // Pages that were unmapped from the direct map would stay so when it is taken down and, for the
        // next driver, put up again: the C side takes such an entry for one that is there.
        let _ = self.revive(0, self.len(), |_| true);
        // SAFETY: By the type invariant the range is mapped and has not been unmapped. Nobody has a
        // page of it any more, and no window outlives `self`.
        unsafe { bindings::memunmap_pages(self.pgmap.get()) };
    }
}
