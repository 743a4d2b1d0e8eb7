// SPDX-License-Identifier: GPL-2.0

//! Moving data to, from and within persistent memory.
//!
//! What a store has to do to be durable: leave the CPU's caches ([`Window::write_segment`],
//! [`Window::zero`] and [`Window::copy_from_iter`] go around them) and be fenced ([`pmem_wmb`]). What a
//! load has to do: survive poison ([`Window::read_segment`] and [`Window::read`] report it as an
//! error).
//!
//! Stores through the caches ([`Window::store_u64`], [`Window::store_u8`]) need their lines written back
//! before the fence. A window has no `clwb` for that: whether lines have to be written back at all is for
//! the DAX device to say (`dax/write_cache`), so it is done by `dax_flush()`, as
//! [`Mapping::flush`](crate::fs::dax::Mapping::flush) does.
//!
//! C headers: [`include/linux/libnvdimm.h`](srctree/include/linux/libnvdimm.h),
//! [`include/linux/string.h`](srctree/include/linux/string.h) (`memcpy_flushcache`),
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h) (`copy_mc_to_kernel`)

use crate::{block::bio::Segment, SECTOR_SIZE};
use core::marker::PhantomData;
use kernel::{iov::IovIterSource, prelude::*, sizes::SZ_2M};
use kernel_bindings as bindings;

/// A word, in bytes.
const WORD: usize = size_of::<u64>();
/// What a CPU loads at a time, in bytes.
const CACHE_LINE: usize = 64;

/// Tells a test that listens of a store or a fence; nothing in a kernel without the tests.
macro_rules! tell {
    ($event:ident) => {
        #[cfg(CONFIG_RUST_KERNEL_EXT_KUNIT_TEST)]
        crate::kunit::trace::tell(crate::kunit::trace::Event::$event);
    };
}

/// Orders every store to the medium before the call, cached or not, before every one after it.
///
/// With the stores themselves going around the caches, what is before the fence is durable when it
/// returns (the platform's power-fail domain begins at the memory controller).
#[inline]
pub fn pmem_wmb() {
    // On x86 `pmem_wmb()` is `wmb()`, which is a single instruction there.
    #[cfg(CONFIG_X86_64)]
    crate::compat::wmb();
    #[cfg(not(CONFIG_X86_64))]
    // SAFETY: A barrier may be anywhere.
    unsafe {
        bindings::pmem_wmb()
    };
    tell!(Fence);
}

/// A range of bytes of a mapped region, of which the front can be consumed.
///
/// Others, user space among them, may read and write the same bytes at any time: there is no
/// reference to them, only copies in and out.
///
/// # Invariants
///
/// `addr` is the kernel's address of `len` bytes of physical memory that stay mapped for `'a`.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    addr: *mut u8,
    len: usize,
    _mapping: PhantomData<&'a ()>,
}

impl<'a> Window<'a> {
    /// Creates a window.
    ///
    /// # Safety
    ///
    /// `addr` must be the kernel's address of `len` bytes of physical memory that stay mapped for `'a`.
    #[inline]
    pub(crate) unsafe fn new(addr: *mut u8, len: usize) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            addr,
            len,
            _mapping: PhantomData,
        }
    }

    /// Returns the length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.addr
    }

    /// Cuts off the first `len` bytes and returns them; `None`, with the window unchanged, if there
    /// are fewer.
    #[inline]
    pub fn take_front(&mut self, len: usize) -> Option<Window<'a>> {
        let left = self.len.checked_sub(len)?;
        // INVARIANT: A part of the window.
        let front = Window { len, ..*self };
        // INVARIANT: The rest of the window.
        self.addr = self.addr.wrapping_add(len);
        self.len = left;
        Some(front)
    }

    /// Writes a segment to the front of the window, around the CPU's caches, and consumes it.
    ///
    /// Durable after the next [`pmem_wmb`].
    ///
    /// # Errors
    ///
    /// `ENOSPC`, with nothing written, if the segment is longer than the window.
    #[inline]
    pub fn write_segment(&mut self, segment: Segment<'_>) -> Result {
        let dst = self.take_front(segment.len()).ok_or(ENOSPC)?;
        segment.flush_dcache();
        // SAFETY: By the type invariants `dst` and `segment` are valid for as many bytes; both are
        // memory that may change meanwhile, which the C function takes.
        unsafe {
            bindings::memcpy_flushcache(
                dst.addr.cast(),
                segment.as_ptr().cast_const().cast(),
                dst.len,
            )
        };
        tell!(Store);
        Ok(())
    }

    /// Reads the front of the window into a segment and consumes it.
    ///
    /// # Errors
    ///
    /// `EIO` if the CPU met poison: a part of the segment may have been written by then. `ENOSPC`,
    /// with nothing read, if the segment is longer than the window.
    #[inline]
    pub fn read_segment(&mut self, segment: Segment<'_>) -> Result {
        let src = self.take_front(segment.len()).ok_or(ENOSPC)?;
        // SAFETY: By the type invariants `src` and `segment` are valid for as many bytes. A machine
        // check on the source is caught.
        let read = unsafe { copy_mc(segment.as_ptr(), src.addr, src.len) };
        segment.flush_dcache();
        read
    }

    /// Reads the front of the window into `buf` and consumes it.
    ///
    /// # Errors
    ///
    /// As [`Window::read_segment`].
    #[inline]
    pub fn read(&mut self, buf: &mut [u8]) -> Result {
        let src = self.take_front(buf.len()).ok_or(ENOSPC)?;
        // A few words are loaded before the copy that suits pages has begun.
        if buf.len() <= CACHE_LINE && buf.len() % WORD == 0 && src.addr.addr() % WORD == 0 {
            for (at, word) in buf.chunks_exact_mut(WORD).enumerate() {
                // SAFETY: By the type invariant `src` is valid for all the words, which are aligned.
                let loaded = unsafe { load_mc(src.addr.wrapping_add(at * WORD).cast())? };
                word.copy_from_slice(&loaded.to_ne_bytes());
            }
            return Ok(());
        }
        // SAFETY: As above; `buf` is exclusively ours.
        unsafe { copy_mc(buf.as_mut_ptr(), src.addr, src.len) }
    }

    /// Loads the first word of the window.
    ///
    /// # Errors
    ///
    /// `EIO` if the CPU met poison; `EINVAL` if the window has no whole aligned word.
    #[inline]
    pub fn load_u64(&self) -> Result<u64> {
        if self.len < WORD || self.addr.addr() % WORD != 0 {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariant the window is valid for the word, which is aligned.
        unsafe { load_mc(self.addr.cast()) }
    }

    /// Stores the first word of the window, through the CPU's caches; nothing if it has no whole aligned word.
    #[inline]
    pub fn store_u64(&self, value: u64) {
        if self.len >= WORD && self.addr.addr() % WORD == 0 {
            // SAFETY: By the type invariant the window is valid for the word, which is aligned.
            unsafe { self.addr.cast::<u64>().write_volatile(value) };
        }
    }

    /// Stores the first byte of the window, through the CPU's caches; nothing if the window is empty.
    #[inline]
    pub fn store_u8(&self, value: u8) {
        if self.len > 0 {
            // SAFETY: By the type invariant the window is valid for the byte.
            unsafe { self.addr.write_volatile(value) };
        }
    }

    /// Writes bytes to the front of the window, around the CPU's caches, and consumes it.
    ///
    /// Durable after the next [`pmem_wmb`].
    ///
    /// # Errors
    ///
    /// As [`Window::write_segment`].
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result {
        let dst = self.take_front(bytes.len()).ok_or(ENOSPC)?;
        // SAFETY: By the type invariant `dst` is valid for as many bytes.
        unsafe { bindings::memcpy_flushcache(dst.addr.cast(), bytes.as_ptr().cast(), dst.len) };
        tell!(Store);
        Ok(())
    }

    /// Drops what the CPU's caches hold of the window, so that the next load asks the memory.
    ///
    /// Everything stored to the window must be durable ([`pmem_wmb`]): whether a line that is not is
    /// written back or forgotten depends on the architecture (`arch_invalidate_pmem()`). Any context.
    pub fn invalidate(self) {
        // SAFETY: By the type invariant the window is mapped. Bytes of it may change at any time
        // anyway.
        unsafe { bindings::arch_invalidate_pmem(self.addr.cast(), self.len) };
    }

    /// Writes zeroes to the whole window, around the CPU's caches.
    ///
    /// Durable after the next [`pmem_wmb`]. Gives the CPU away now and then, so it must not be called
    /// in atomic context.
    ///
    /// # Errors
    ///
    /// `EINVAL`, with nothing written, if the window is not made of whole aligned sectors.
    pub fn zero(self) -> Result {
        /// What is zeroed before the scheduler is asked: about as much as a huge page.
        const STRIDE: usize = SZ_2M;

        if self.addr.addr() % SECTOR_SIZE != 0 || self.len % SECTOR_SIZE != 0 {
            return Err(EINVAL);
        }
        let mut rest = self;
        while !rest.is_empty() {
            let Some(piece) = rest.take_front(rest.len.min(STRIDE)) else {
                break;
            };
            // SAFETY: By the type invariant `piece` is valid for writes; it consists of whole
            // sectors.
            unsafe { zero_flushcache(piece.addr, piece.len) };
            tell!(Store);
            // SAFETY: The caller may sleep.
            unsafe { bindings::cond_resched() };
        }
        Ok(())
    }

    /// Writes what `iter` has, at most the whole window, around the CPU's caches, and takes no page
    /// fault; returns the number of whole sectors written, which is less if the source is not in
    /// memory ([`fault_in`]) or ends. The iterator stands behind the last of them.
    ///
    /// Durable after the next [`pmem_wmb`]. Any context.
    pub fn copy_sectors_from_iter_nofault(self, iter: &mut IovIterSource<'_>) -> usize {
        // SAFETY: Page faults are disabled for the copy only.
        unsafe { bindings::pagefault_disable() };
        let copied = self.copy_from_iter(iter);
        // SAFETY: Disabled above.
        unsafe { bindings::pagefault_enable() };

        let partial = copied % SECTOR_SIZE;
        // SAFETY: By the invariant of `IovIterSource` its pointer is a valid iterator, which was
        // advanced by at least `partial` bytes just now.
        unsafe { bindings::iov_iter_revert(iter.as_raw().cast(), partial) };
        copied / SECTOR_SIZE
    }

    /// Writes what `iter` has, at most the whole window, around the CPU's caches; returns the number
    /// of bytes written, which is less if the source faulted or ended.
    ///
    /// Durable after the next [`pmem_wmb`]. May sleep, and may run the fault handler of any mapping:
    /// hold no lock that one takes.
    #[allow(clippy::let_and_return, reason = "tests are told in between")]
    pub fn copy_from_iter(self, iter: &mut IovIterSource<'_>) -> usize {
        // SAFETY: By the type invariant the destination is valid for `len` bytes; by that of
        // `IovIterSource` its pointer is a valid iterator over a source. Both declarations of
        // `struct iov_iter` are bindgen's of the same C type.
        let copied = unsafe {
            bindings::_copy_from_iter_flushcache(
                self.addr.cast(),
                self.len,
                iter.as_raw().cast::<bindings::iov_iter>(),
            )
        };
        tell!(Store);
        copied
    }
}

/// Brings the next `bytes` bytes of a source into memory, as far as possible, and returns how many
/// are there now. They may be gone again when they are wanted. May sleep.
pub fn fault_in(iter: &mut IovIterSource<'_>, bytes: usize) -> usize {
    let bytes = bytes.min(iter.len());
    // SAFETY: By the invariant of `IovIterSource` its pointer is a valid iterator over a source.
    let missing = unsafe { bindings::fault_in_iov_iter_readable(iter.as_raw().cast(), bytes) };
    bytes.saturating_sub(missing)
}

/// Copies out of the medium, and reports poison instead of dying of it.
///
/// # Safety
///
/// `dst` must be valid for writes and `src` mapped for `len` bytes.
#[inline]
pub(crate) unsafe fn copy_mc(dst: *mut u8, src: *const u8, len: usize) -> Result {
    // A bio's segment and a read of the driver's own are far below 4 GiB.
    let len = u32::try_from(len).map_err(|_| EINVAL)?;
    // SAFETY: As the caller promises.
    let left = unsafe { bindings::copy_mc_to_kernel(dst.cast(), src.cast(), len) };
    if left == 0 {
        Ok(())
    } else {
        Err(EIO)
    }
}

/// Loads a word, and reports poison instead of dying of it.
///
/// # Safety
///
/// `src` must be aligned, and mapped for a word.
#[cfg(all(CONFIG_X86_64, CONFIG_ARCH_HAS_COPY_MC))]
#[inline]
unsafe fn load_mc(src: *const u64) -> Result<u64> {
    let (value, failed): (u64, u32);
    // SAFETY: The load is of a word that the caller vouches for. If it raises a machine check, or the page
    // was unmapped because of one, the kernel finds the instruction in its table of exceptions and goes
    // on behind the next one: `failed` stays 1.
    unsafe {
        core::arch::asm!(
            "mov {failed:e}, 1",
            "2: mov {value}, qword ptr [{src}]",
            "mov {failed:e}, 0",
            "3:",
            ".pushsection __ex_table, \"a\"",
            ".balign 4",
            ".long 2b - .",
            ".long 3b - .",
            ".long {kind}",
            ".popsection",
            failed = out(reg) failed,
            value = out(reg) value,
            src = in(reg) src,
            kind = const bindings::EX_TYPE_DEFAULT_MCE_SAFE,
            options(nostack, readonly, preserves_flags),
        )
    };
    if failed == 0 {
        Ok(value)
    } else {
        Err(EIO)
    }
}

/// Loads a word, and reports poison where the architecture can.
///
/// # Safety
///
/// `src` must be aligned, and mapped for a word.
#[cfg(not(all(CONFIG_X86_64, CONFIG_ARCH_HAS_COPY_MC)))]
#[inline]
unsafe fn load_mc(src: *const u64) -> Result<u64> {
    let mut bytes = [0; WORD];
    // SAFETY: As the caller promises.
    unsafe { copy_mc(bytes.as_mut_ptr(), src.cast(), WORD)? };
    Ok(u64::from_ne_bytes(bytes))
}

/// Zeroes whole sectors around the CPU's caches: 32 non-temporal stores to a turn of the loop, whose
/// own instructions are less than a tenth of them.
///
/// # Safety
///
/// `dst` must be aligned to 8 bytes and valid for writes of `len` bytes, a multiple of
/// [`SECTOR_SIZE`].
#[cfg(CONFIG_X86_64)]
#[inline]
unsafe fn zero_flushcache(dst: *mut u8, len: usize) {
    if len == 0 {
        return;
    }
    // SAFETY: The loop writes the bytes from `dst` to `dst + len`, which the caller vouches for,
    // and nothing else; it ends exactly there because 256 divides `len`. `movnti` needs SSE2, which
    // every x86-64 CPU has, and no FPU state.
    unsafe {
        core::arch::asm!(
            "2:",
            ".irp off,0,8,16,24,32,40,48,56,64,72,80,88,96,104,112,120",
            "movnti qword ptr [{p} + \\off], {zero}",
            "movnti qword ptr [{p} + \\off + 128], {zero}",
            ".endr",
            "add {p}, 256",
            "cmp {p}, {end}",
            "jne 2b",
            p = inout(reg) dst => _,
            end = in(reg) dst.wrapping_add(len),
            zero = in(reg) 0u64,
            options(nostack),
        )
    };
}

/// Zeroes whole sectors and writes them back from the CPU's caches.
///
/// # Safety
///
/// `dst` must be aligned to 8 bytes and valid for writes of `len` bytes, a multiple of
/// [`SECTOR_SIZE`].
#[cfg(not(CONFIG_X86_64))]
unsafe fn zero_flushcache(dst: *mut u8, len: usize) {
    // SAFETY: As the caller promises. Others may look at the bytes meanwhile, hence no reference.
    unsafe {
        core::ptr::write_bytes(dst, 0, len);
        bindings::arch_wb_cache_pmem(dst.cast(), len);
    }
}
