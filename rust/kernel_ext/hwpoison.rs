// SPDX-License-Identifier: GPL-2.0

//! Pages of a [`PageMap`] that have failed: their flag, telling who uses them, and bringing them back.
//!
//! # When a failure is over
//!
//! After a machine check the kernel takes the page out of its own mapping of memory
//! (`set_mce_nospec()`), but only when `memory_failure()`, and with it the driver's handler, has returned.
//! A page that is brought back in between would be taken out afterwards, good and on no list. So a failure
//! counts as under way until that has happened, and no page is brought back meanwhile:
//!
//! * For an error that a task has met, `memory_failure()` is called by a task work, on the task's way back
//!   to user space. What is queued from within runs after it. A module must not queue a function of its
//!   own, which might still be returning when the module is unloaded; it can put a file, whose last step
//!   is to give back the reference to the module.
//! * For an error that a processor has logged, it is called by the decode chain of machine checks. Who
//!   listens there says when ([`PageMap::set_record_under_way`]).
//!
//! C headers: [`include/linux/page-flags.h`](srctree/include/linux/page-flags.h) (`PageHWPoison`),
//! [`include/linux/set_memory.h`](srctree/include/linux/set_memory.h) (`clear_mce_nospec`),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h) (`MF_ACTION_REQUIRED` and others)

use crate::{
    memremap::{Operations, PageMap},
    operations::no_operations,
    PAGE_SIZE,
};
use core::marker::PhantomData;
use kernel::{
    current,
    error::{from_err_ptr, to_result},
    ffi::c_int,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        Arc,
    },
    types::ForeignOwnable,
};
use kernel_bindings as bindings;

/// What is known of a memory failure (`MF_ACTION_REQUIRED` and others), for those who are told next.
#[derive(Clone, Copy, Debug)]
pub struct FailureFlags(c_int);

impl FailureFlags {
    pub(crate) fn from_raw(flags: c_int) -> Self {
        Self(flags)
    }

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
    /// # Safety
    ///
    /// `pages` page frames from `first_pfn` on, those of a region from byte `offset` on, must have struct
    /// pages for the lifetime.
    pub(crate) unsafe fn new(offset: usize, first_pfn: usize, pages: usize) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            offset,
            first_pfn,
            pages,
            _mapping: PhantomData,
        }
    }

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

/// Failures that have been reported, and after which the kernel may still unmap a page.
pub(crate) struct UnderWay {
    /// Tasks that are on their way back to user space.
    tasks: Atomic<i32>,
    /// Whether the decode chain is handling a record.
    record: Atomic<bool>,
}

impl UnderWay {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                tasks: Atomic::new(0),
                record: Atomic::new(false),
            },
            GFP_KERNEL,
        )?)
    }

    /// Whether there is one.
    pub(crate) fn any(&self) -> bool {
        self.any_task() || self.record.load(Acquire)
    }

    /// Whether there is one in a task.
    pub(crate) fn any_task(&self) -> bool {
        self.tasks.load(Acquire) != 0
    }

    /// What happens when the last reference to a file of [`UnderWay::until_return_to_user`] has gone.
    const RELEASED: bindings::file_operations = bindings::file_operations {
        #[cfg(MODULE)]
        owner: (&raw const kernel::bindings::__this_module)
            .cast_mut()
            .cast(),
        #[cfg(not(MODULE))]
        owner: core::ptr::null_mut(),
        release: Some(Self::released),
        ..no_operations()
    };

    /// Counts a failure as under way until the current task returns to user space. Does nothing for a
    /// thread of the kernel, which never does.
    ///
    /// Should there be no memory for it, the failure counts as over: the kernel has no other way.
    pub(crate) fn until_return_to_user(this: &Arc<Self>) {
        // SAFETY: The task is the current one, and changes its flags itself.
        let flags = unsafe { (&raw const (*current!().as_ptr()).flags).read() };
        if flags & kernel::bindings::PF_KTHREAD != 0 {
            return;
        }
        this.tasks.fetch_add(1, Relaxed);
        let private = this.clone().into_foreign();
        // SAFETY: The name and the operations are static; `private` belongs to the file from here on.
        let file = from_err_ptr(unsafe {
            bindings::anon_inode_getfile(
                c"[memory failure]".as_char_ptr(),
                const { &Self::RELEASED },
                private.cast(),
                0,
            )
        });
        match file {
            // SAFETY: The only reference, which nobody has seen. The task is not a thread of the kernel,
            // so that the file is released by a task work.
            Ok(file) => unsafe { bindings::fput(file) },
            Err(_) => {
                // SAFETY: Made above, and no file has it.
                let this = unsafe { Arc::<Self>::from_foreign(private) };
                this.tasks.fetch_sub(1, Release);
            }
        }
    }

    /// # Safety
    ///
    /// For the VFS, which passes a file of [`UnderWay::until_return_to_user`], once.
    unsafe extern "C" fn released(
        _inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: As the caller promises the pointer is from `into_foreign()`, and not used any more.
        let this = unsafe { Arc::<Self>::from_foreign((*file).private_data.cast()) };
        this.tasks.fetch_sub(1, Release);
        0
    }
}

impl<T: Operations> PageMap<T> {
    /// Says that the kernel is handling the record of a memory error in these pages, or has done so: see
    /// above. For one thread at a time, as the decode chain is.
    pub fn set_record_under_way(&self, is: bool) {
        self.under_way().record.store(is, Release);
    }

    /// Whether the kernel may still unmap a page that has failed: then [`PageMap::map_failed`] refuses.
    ///
    /// Takes milliseconds as a rule, but as long as a file system takes that is told.
    pub fn is_failure_under_way(&self) -> bool {
        self.under_way().any()
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
        let first_pfn = self.range().start() as usize / PAGE_SIZE;
        // Without struct pages the kernel has no hwpoison flags.
        let end = if self.has_struct_pages() { end } else { 0 };
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
    /// would remain of it is lost. `EBUSY` if the kernel may still unmap one
    /// ([`PageMap::is_failure_under_way`]). What the architecture says if a page cannot be mapped; others may
    /// have been by then, which only takes the protection against speculative loads from them.
    pub fn map_failed(
        &self,
        offset: usize,
        len: usize,
        is_recorded: impl Fn(usize) -> bool + Copy,
    ) -> Result {
        for pfn in self.failed_pages(offset, len, is_recorded)? {
            if self.is_failure_under_way() {
                return Err(EBUSY);
            }
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
}
