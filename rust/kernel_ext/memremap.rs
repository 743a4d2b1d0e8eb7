// SPDX-License-Identifier: GPL-2.0

//! Physical memory outside the page allocator, mapped with a struct page for each of its pages.
//!
//! C header: [`include/linux/memremap.h`](srctree/include/linux/memremap.h)

use crate::{
    compat::code::EOPNOTSUPP,
    hwpoison::{FailedPages, FailureFlags, UnderWay},
    numa::Node,
    pmem::{copy_mc, Window},
    resource::{is_memory, Claim, PhysRange},
    sched::cond_resched,
    PAGE_SIZE,
};
use core::ptr::NonNull;
use kernel::{
    alloc::flags::GFP_KERNEL,
    error::{from_err_ptr, from_result, VTABLE_DEFAULT_ERROR},
    ffi::{c_int, c_ulong, c_void},
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

/// Returns how many bytes the struct pages of `bytes` bytes of memory take.
pub fn struct_pages_size(bytes: u64) -> u64 {
    bytes / PAGE_SIZE as u64 * size_of::<bindings::page>() as u64
}

/// Returns how many bytes of ordinary memory can be had without swapping, as `/proc/meminfo` has it
/// (`MemAvailable`).
pub fn available() -> u64 {
    // SAFETY: Only reads counters.
    let pages = unsafe { bindings::si_mem_available() };
    u64::try_from(pages)
        .unwrap_or(0)
        .saturating_mul(PAGE_SIZE as u64)
}

/// Reads `buf.len()` bytes from byte `offset` of a range that nobody has mapped yet. May sleep.
///
/// # Errors
///
/// `EINVAL` if the bytes are not all in the range, or not in memory that the kernel does not use
/// ([`is_memory`]); `ENOMEM` if they cannot be mapped; `EIO` if the CPU met poison.
pub fn peek(range: PhysRange, offset: u64, buf: &mut [u8]) -> Result {
    let end = offset.checked_add(buf.len() as u64).ok_or(EINVAL)?;
    let start = range.start().checked_add(offset).ok_or(EINVAL)?;
    let bytes = PhysRange::new(start, buf.len() as u64).ok_or(EINVAL)?;
    if end > range.size() || !is_memory(bytes) {
        return Err(EINVAL);
    }
    // SAFETY: Not System RAM, of which the C side refuses only what is there in part, and not what
    // reading would have an effect on.
    let addr = unsafe { bindings::memremap(start, buf.len(), bindings::MEMREMAP_WB as usize) };
    let addr = NonNull::new(addr).ok_or(ENOMEM)?;
    // SAFETY: `memremap()` has mapped as many bytes as `buf` has, until `memunmap()` below.
    let read = unsafe { copy_mc(buf.as_mut_ptr(), addr.as_ptr().cast(), buf.len()) };
    // SAFETY: Mapped above, and not used any more.
    unsafe { bindings::memunmap(addr.as_ptr()) };
    read
}

/// What a driver does with its memory (`struct dev_pagemap_ops`). The implementing type is what it works on.
#[vtable]
pub trait Operations: Send + Sync + 'static {
    /// Hears that memory of a [`PageMap`] has failed: a machine check hit it, or somebody said so
    /// (`madvise(MADV_HWPOISON)`, the `hwpoison` files in debugfs). Records it, marks the pages
    /// ([`FailedPages::mark`]), and tells those who use them: the holder of the DAX device, by
    /// [`Handle::notify_failure`](crate::dax::Handle::notify_failure). May sleep.
    ///
    /// Without this operation the kernel itself sends the signals.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if nobody was there to be told: the kernel then sends the signals. Anything else
    /// counts as a failure that was not handled.
    fn memory_failure(&self, _failed: FailedPages<'_>, _flags: FailureFlags) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Memory for a [`PageMap`], and where its struct pages are.
///
/// # Examples
///
/// ```
/// use kernel::str::CString;
/// use kernel_ext::{
///     memremap::Memory,
///     resource::{Claim, PhysRange},
/// };
///
/// let name = CString::try_from_fmt(fmt!("example"))?;
/// let claim = Claim::new(PhysRange::new(0x2f_0000_0000, 8 << 20).ok_or(EINVAL)?, name)?;
/// // Without 2 MiB at the end, with a MiB at the front for the struct pages.
/// let memory = Memory::from(claim).without_ends(0, 2 << 20)?.with_pages_inside(1 << 20, 8192)?;
/// let data = memory.data();
/// assert_eq!((data.start(), data.size()), (0x2f_0010_0000, 5 << 20));
/// # Ok::<(), Error>(())
/// ```
pub struct Memory {
    /// What is mapped.
    range: PhysRange,
    /// Bytes at its front that are not data.
    header: u64,
    /// If struct pages are in the header, how many bytes of that are something else, before them.
    reserved: Option<u64>,
    /// Whether there are struct pages at all.
    struct_pages: bool,
    claim: Option<Claim>,
}

impl From<Claim> for Memory {
    fn from(claim: Claim) -> Self {
        Self {
            range: claim.range(),
            header: 0,
            reserved: None,
            struct_pages: true,
            claim: Some(claim),
        }
    }
}

impl Memory {
    /// Memory that is claimed already, as a bus does it for its devices.
    ///
    /// # Safety
    ///
    /// The range must be memory ([`is_memory`]) that nobody else uses as long as this, or what is made of
    /// it, exists.
    pub unsafe fn claimed_elsewhere(range: PhysRange) -> Self {
        Self {
            range,
            header: 0,
            reserved: None,
            struct_pages: true,
            claim: None,
        }
    }

    /// Leaves bytes out at the front and at the back, which stay claimed: padding.
    ///
    /// # Errors
    ///
    /// `EINVAL` if nothing is left.
    pub fn without_ends(self, front: u64, back: u64) -> Result<Self> {
        let size = self
            .range
            .size()
            .checked_sub(front)
            .and_then(|size| size.checked_sub(back));
        // In the range, whose end does not wrap.
        let range = PhysRange::new(self.range.start().wrapping_add(front), size.ok_or(EINVAL)?);
        Ok(Self {
            range: range.ok_or(EINVAL)?,
            ..self
        })
    }

    /// Has data begin behind the first `bytes` bytes, which are mapped like the rest.
    ///
    /// # Errors
    ///
    /// `EINVAL` if these are not whole pages, or nothing is left.
    pub fn with_header(self, bytes: u64) -> Result<Self> {
        if bytes % PAGE_SIZE as u64 != 0 || bytes >= self.range.size() {
            return Err(EINVAL);
        }
        Ok(Self {
            header: bytes,
            ..self
        })
    }

    /// Keeps the struct pages in the first `bytes` bytes (`struct vmem_altmap`), where they take no
    /// ordinary memory, behind `reserved` bytes that stay as they are; data begins behind all that.
    ///
    /// # Errors
    ///
    /// `EINVAL` if these are not whole pages, or nothing is left, for struct pages or for data.
    pub fn with_pages_inside(self, bytes: u64, reserved: u64) -> Result<Self> {
        if reserved % PAGE_SIZE as u64 != 0 || reserved >= bytes {
            return Err(EINVAL);
        }
        Ok(Self {
            reserved: Some(reserved),
            ..self.with_header(bytes)?
        })
    }

    /// Has the memory mapped without struct pages: no file system can give it to processes then, nor can a
    /// device access it. It takes no memory, and start and size need not be aligned.
    pub fn without_struct_pages(self) -> Self {
        Self {
            struct_pages: false,
            ..self
        }
    }

    /// Returns the range that data is in.
    pub fn data(&self) -> PhysRange {
        let (start, size) = (self.range.start(), self.range.size());
        // A part of the range, not empty.
        PhysRange::new(start + self.header, size - self.header).unwrap_or(self.range)
    }
}

/// A physical range mapped for DAX (`MEMORY_DEVICE_FS_DAX`): direct map, struct pages, and the
/// exclusive claim on it in `/proc/iomem`.
///
/// # Invariants
///
/// - `shared.pgmap` was passed to `memremap_pages()`, which succeeded, and not yet to `memunmap_pages()`. If
///   `base` is there, it is what `memremap()` returned instead, not yet passed to `memunmap()`.
/// - `range` is the part of what is mapped that holds data, and that has struct pages if there are any;
///   `kaddr` is the kernel's address of its first byte, `shared.start` its first physical address.
pub struct PageMap<T: Operations> {
    shared: Pin<KBox<Shared<T>>>,
    kaddr: NonNull<u8>,
    range: PhysRange,
    base: Option<NonNull<c_void>>,
    // Goes after the mapping: fields are dropped after `PageMap::drop`.
    _claim: Option<Claim>,
}

/// What the C side has a pointer to, and what that leads to.
#[pin_data]
struct Shared<T> {
    #[pin]
    pgmap: Opaque<bindings::dev_pagemap>,
    start: u64,
    data: Arc<T>,
    under_way: Arc<UnderWay>,
}

// SAFETY: The mapping belongs to no thread; all of `PageMap`'s methods may be called from any.
unsafe impl<T: Operations> Send for PageMap<T> {}

// SAFETY: `&PageMap` gives out windows, which take concurrent access, and changes flags of pages,
// which is atomic.
unsafe impl<T: Operations> Sync for PageMap<T> {}

impl<T: Operations> PageMap<T> {
    const OPS: bindings::dev_pagemap_ops = bindings::dev_pagemap_ops {
        folio_free: None,
        migrate_to_ram: None,
        memory_failure: optional!(T::HAS_MEMORY_FAILURE, memory_failure),
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
        // SAFETY: As the caller promises `pgmap` is the field of a `Shared`.
        let shared = unsafe { &*kernel::container_of!(Opaque::cast_from(pgmap), Shared<T>, pgmap) };
        let Some(offset) = (pfn * PAGE_SIZE).checked_sub(shared.start as usize) else {
            // Before the data, in what no user of it has: the kernel does what it does without a driver.
            return EOPNOTSUPP.to_errno();
        };
        UnderWay::until_return_to_user(&shared.under_way);
        // SAFETY: As the caller promises the frames are the region's, pinned for the call.
        let failed = unsafe { FailedPages::new(offset, pfn, nr_pages) };
        from_result(|| {
            shared
                .data
                .memory_failure(failed, FailureFlags::from_raw(mf_flags))?;
            Ok(0)
        })
    }

    /// Maps memory, with its struct pages on `node`; `data` is what the operations work on.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if start or size is not a multiple of [`compat_align`], or the range is beyond what
    /// the CPU or the memory map can address; `ENOMEM`, also if there is no room inside for the struct
    /// pages; what `memremap_pages()` says otherwise.
    pub fn new(memory: impl Into<Memory>, node: Node, data: Arc<T>) -> Result<Self> {
        let memory = memory.into();
        let (mapped, range) = (memory.range, memory.data());
        let is_aligned = |n: u64| n.checked_rem(compat_align()) == Some(0);
        if memory.struct_pages && !(is_aligned(mapped.start()) && is_aligned(mapped.size())) {
            // The C side would warn with a stack trace.
            return Err(EINVAL);
        }

        let under_way = UnderWay::new()?;
        let shared = KBox::try_pin_init(
            try_pin_init!(Shared {
                pgmap <- Opaque::ffi_init(|slot: *mut bindings::dev_pagemap| {
                    // SAFETY: `slot` is valid for writes. All zeroes is a valid `struct dev_pagemap`.
                    unsafe { slot.write_bytes(0, 1) };
                    // SAFETY: The structure has just been initialised. `range` is the member of the
                    // union that `nr_range == 1` selects.
                    unsafe {
                        (*slot).type_ = bindings::memory_type_MEMORY_DEVICE_FS_DAX;
                        (*slot).ops = const { &Self::OPS };
                        (*slot).nr_range = 1;
                        let only = (*slot).__bindgen_anon_1.range.as_mut();
                        only.start = mapped.start();
                        only.end = mapped.last();
                        if let Some(reserved) = memory.reserved {
                            let frame = |addr: u64| addr as usize / PAGE_SIZE;
                            (*slot).flags = bindings::PGMAP_ALTMAP_VALID;
                            (*slot).altmap.base_pfn = frame(mapped.start());
                            (*slot).altmap.end_pfn = frame(mapped.last());
                            (*slot).altmap.reserve = frame(reserved);
                            (*slot).altmap.free = frame(memory.header - reserved);
                        }
                    }
                }),
                start: range.start(),
                data,
                under_way,
            }? Error),
            GFP_KERNEL,
        )?;

        let kaddr = if memory.struct_pages {
            // SAFETY: The structure is initialised and pinned until `memunmap_pages()` in drop. The range
            // is memory, and other drivers are kept away from it.
            let kaddr = unsafe { bindings::memremap_pages(shared.pgmap.get(), node.as_raw()) };
            NonNull::new(from_err_ptr(kaddr)?).ok_or(ENOMEM)?
        } else {
            const WB: usize = bindings::MEMREMAP_WB as usize;

            // SAFETY: As above; it is mapped until `memunmap()` in drop.
            let kaddr = unsafe { bindings::memremap(mapped.start(), mapped.size() as usize, WB) };
            NonNull::new(kaddr).ok_or(ENOMEM)?
        };
        let data = kaddr
            .as_ptr()
            .cast::<u8>()
            .wrapping_add(memory.header as usize);
        // INVARIANT: The call succeeded and returned the address of the first byte that is mapped; the
        // first pages of an altmap have no struct pages.
        Ok(Self {
            shared,
            kaddr: NonNull::new(data).ok_or(ENOMEM)?,
            range,
            base: (!memory.struct_pages).then_some(kaddr),
            _claim: memory.claim,
        })
    }

    /// Whether there are struct pages.
    pub fn has_struct_pages(&self) -> bool {
        self.base.is_none()
    }

    pub(crate) fn under_way(&self) -> &UnderWay {
        &self.shared.under_way
    }

    /// Returns the physical range that data is in.
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
        // SAFETY: By the type invariant the range is mapped as long as `self` lives, and the window lies
        // within it.
        Some(unsafe { Window::new(self.kaddr.as_ptr().wrapping_add(offset), len) })
    }

    /// Returns the offset of the first page, at or after the one at byte `offset`, that somebody still
    /// uses: it is mapped or pinned, or a file system has it in a file's mapping.
    ///
    /// The answer stands once nobody can get pages any more: when the DAX device that gives them out is
    /// dead. Takes a while for a large region. May sleep.
    pub fn first_in_use(&self, offset: usize) -> Option<usize> {
        /// Pages that are looked at before the scheduler is asked.
        const BATCH: usize = 1 << 16;

        if !self.has_struct_pages() {
            return None;
        }
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

impl<T: Operations> Drop for PageMap<T> {
    fn drop(&mut self) {
        if let Some(base) = self.base {
            // SAFETY: By the type invariant it is from `memremap()`. No window outlives `self`.
            return unsafe { bindings::memunmap(base.as_ptr()) };
        }
        // The struct pages go with the mapping: a process that still had one mapped, or a file system
        // that still had one in a file's mapping, would afterwards touch freed memory.
        let mut offset = 0;
        while let Some(in_use) = self.first_in_use(offset) {
            // Pages before this one are idle, and will not be given out again.
            offset = in_use;
            fsleep(Delta::from_millis(50));
        }
        while self.under_way().any_task() {
            fsleep(Delta::from_millis(1));
        }
        self.set_record_under_way(false);
        // Pages that were unmapped from the direct map would stay so when it is taken down and, for the
        // next driver, put up again: the C side takes such an entry for one that is there.
        let _ = self.revive(0, self.len(), |_| true);
        // SAFETY: By the type invariant the range is mapped and has not been unmapped. Nobody has a
        // page of it any more, and no window outlives `self`.
        unsafe { bindings::memunmap_pages(self.shared.pgmap.get()) };
    }
}
