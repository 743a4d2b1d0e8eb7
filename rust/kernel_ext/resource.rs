// SPDX-License-Identifier: GPL-2.0

//! Physical address ranges and what the kernel knows of them.
//!
//! The kernel crate's [`kernel::io::resource`] claims ranges within a device's resource; this module
//! claims those that no device has, and asks what a range is before it is claimed.
//!
//! # Examples
//!
//! ```
//! use kernel::str::CString;
//! use kernel_ext::resource::{self, Claim, Kind, PhysRange};
//!
//! // 2 MiB where this machine has nothing.
//! let range = PhysRange::new(0x2f_0000_0000, 2 << 20).ok_or(EINVAL)?;
//! assert!(resource::is_addressable(range) && !resource::overlaps_system_ram(range));
//! assert!(!resource::is_wholly(Kind::PersistentMemory, range));
//!
//! let name = CString::try_from_fmt(fmt!("example"))?;
//! let claim = Claim::new(range, name)?;
//! assert!(resource::is_busy(range));
//! drop(claim);
//! assert!(!resource::is_busy(range));
//! # Ok::<(), Error>(())
//! ```
//!
//! C header: [`include/linux/ioport.h`](srctree/include/linux/ioport.h)

use kernel::{
    error::{from_result, to_result},
    ffi::c_void,
    fmt,
    io::resource::{Flags, Region, Resource},
    prelude::*,
    str::CString,
};
use kernel_bindings as bindings;

/// A range of physical addresses, at least a byte long.
///
/// # Examples
///
/// ```
/// use kernel_ext::resource::PhysRange;
///
/// let range = PhysRange::new(1 << 32, 2 << 20).ok_or(EINVAL)?;
/// assert_eq!(range.last(), 0x1_001f_ffff);
/// assert_eq!(PhysRange::new(1 << 32, 0), None);
/// assert_eq!(PhysRange::new(1, u64::MAX), None);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `size` is not 0 and `start + size` does not wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysRange {
    start: u64,
    size: u64,
}

impl PhysRange {
    /// Returns the range of `size` bytes from `start`; `None` if it is empty or wraps.
    pub const fn new(start: u64, size: u64) -> Option<Self> {
        if size == 0 || start.checked_add(size).is_none() {
            return None;
        }
        // INVARIANT: Checked above.
        Some(Self { start, size })
    }

    /// Returns the first address.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Returns the size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the last address.
    pub const fn last(&self) -> u64 {
        // By the type invariant this does not wrap.
        self.start.wrapping_add(self.size.wrapping_sub(1))
    }
}

impl fmt::Display for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[mem {:#x}-{:#x}]", self.start, self.last())
    }
}

/// What firmware, or the kernel's command line, says that a range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// "Reserved": among others what `memmap=nn$ss` makes.
    Reserved,
    /// "Persistent Memory": what ACPI describes.
    PersistentMemory,
    /// "Persistent Memory (legacy)": what `memmap=nn!ss` makes.
    PersistentMemoryLegacy,
}

impl Kind {
    fn desc(self) -> usize {
        (match self {
            Kind::Reserved => bindings::IORES_DESC_RESERVED,
            Kind::PersistentMemory => bindings::IORES_DESC_PERSISTENT_MEMORY,
            Kind::PersistentMemoryLegacy => bindings::IORES_DESC_PERSISTENT_MEMORY_LEGACY,
        }) as usize
    }
}

/// An exclusive claim on memory that no driver had: the range is busy in `/proc/iomem` until it is dropped.
///
/// # Invariants
///
/// [`is_memory`] was true of the range when it was claimed.
pub struct Claim {
    range: PhysRange,
    _region: Region,
}

impl Claim {
    /// Claims a range, under `name` in `/proc/iomem`. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range is not memory ([`is_memory`]), `EBUSY` if any part of it is busy, `ENOMEM`.
    pub fn new(range: PhysRange, name: CString) -> Result<Self> {
        if !is_memory(range) {
            return Err(EINVAL);
        }
        let root = (&raw mut bindings::iomem_resource).cast::<Resource>();
        // SAFETY: `Resource` is transparent over a `struct resource`, and the root of the tree is one,
        // always valid; the C side locks the tree.
        let root = unsafe { &*root };
        let region = root.request_region(range.start, range.size, name, Flags::IORESOURCE_MEM);
        // INVARIANT: Asked above. What is described as something else does not become so later.
        match region {
            Some(region) => Ok(Self {
                range,
                _region: region,
            }),
            None if is_busy(range) => Err(EBUSY),
            None => Err(ENOMEM),
        }
    }

    /// Returns the range.
    pub fn range(&self) -> PhysRange {
        self.range
    }
}

/// Whether a range may be memory that the kernel does not use: no part of it is System RAM, or described
/// as something else than memory, such as the registers of a device or the addresses below a PCI bridge.
///
/// What nobody describes counts as memory: whether there is any has to be tried.
pub fn is_memory(range: PhysRange) -> bool {
    const MEMORY: [u32; 4] = [
        bindings::IORES_DESC_PERSISTENT_MEMORY,
        bindings::IORES_DESC_PERSISTENT_MEMORY_LEGACY,
        bindings::IORES_DESC_RESERVED,
        bindings::IORES_DESC_SOFT_RESERVED,
    ];

    // Asks for all that there is, each piece with its own description.
    let walked = walk(bindings::IORES_DESC_NONE as usize, range, |_, desc| {
        if MEMORY.contains(&desc) {
            Ok(())
        } else {
            Err(EBUSY)
        }
    });
    walked.is_ok() && !overlaps_system_ram(range)
}

/// Whether the whole range is within the physical addresses that the CPU, as firmware and a
/// hypervisor set it up, can use.
pub fn is_addressable(range: PhysRange) -> bool {
    // SAFETY: The root of the tree is always valid, and its end is set before modules are loaded.
    range.last() <= unsafe { bindings::iomem_resource.end }
}

/// Whether any part of the range is System RAM.
pub fn overlaps_system_ram(range: PhysRange) -> bool {
    intersects(
        range,
        bindings::IORESOURCE_SYSTEM_RAM,
        bindings::IORES_DESC_NONE,
    )
}

/// Whether a driver has claimed any part of the range.
pub fn is_busy(range: PhysRange) -> bool {
    intersects(range, bindings::IORESOURCE_BUSY, bindings::IORES_DESC_NONE)
}

fn intersects(range: PhysRange, flags: u32, desc: u32) -> bool {
    // SAFETY: The function only searches the resource tree, under its lock.
    let answer = unsafe {
        bindings::region_intersects(
            range.start,
            range.size as usize,
            flags as usize,
            desc as usize,
        )
    };
    answer as u32 != bindings::REGION_DISJOINT
}

/// Calls `f` with every part of `range` that is of the given kind, in the order of addresses, until
/// it returns an error.
///
/// May call `f` with the same resource again in pieces if the resource tree changes meanwhile.
///
/// # Examples
///
/// ```
/// use kernel_ext::resource::{for_each, Kind, PhysRange};
///
/// let mut bytes = 0;
/// let everything = PhysRange::new(0, u64::MAX).ok_or(EINVAL)?;
/// for_each(Kind::PersistentMemory, everything, |range| {
///     bytes += range.size();
///     Ok(())
/// })?;
/// pr_info!("{bytes} bytes of persistent memory\n");
/// # Ok::<(), Error>(())
/// ```
pub fn for_each<F>(kind: Kind, range: PhysRange, mut f: F) -> Result
where
    F: FnMut(PhysRange) -> Result,
{
    walk(kind.desc(), range, |part, _| f(part))
}

/// As [`for_each`], with the `IORES_DESC_*` of each part; `IORES_DESC_NONE` asks for all.
fn walk<F>(desc: usize, range: PhysRange, mut f: F) -> Result
where
    F: FnMut(PhysRange, u32) -> Result,
{
    /// # Safety
    ///
    /// For `walk_iomem_res_desc()`, which passes a valid resource, a copy of its own, and `arg`,
    /// which must point to an `F` that nobody else uses meanwhile.
    unsafe extern "C" fn callback<F>(res: *mut bindings::resource, arg: *mut c_void) -> c_int
    where
        F: FnMut(PhysRange, u32) -> Result,
    {
        // SAFETY: As the caller promises.
        let f = unsafe { &mut *arg.cast::<F>() };
        // SAFETY: As the caller promises.
        let (start, end, desc) = unsafe { ((*res).start, (*res).end, (*res).desc) };
        let size = end.wrapping_sub(start).wrapping_add(1);
        from_result(|| {
            if let Some(part) = PhysRange::new(start, size) {
                f(part, desc as u32)?;
            }
            Ok(0)
        })
    }

    // SAFETY: The callback has the prototype that is asked for, and `f` outlives the call. The tree
    // is not locked while the callback runs, so it may do what its context allows.
    let status = unsafe {
        bindings::walk_iomem_res_desc(
            desc,
            bindings::IORESOURCE_MEM as usize,
            range.start,
            range.last(),
            (&raw mut f).cast(),
            Some(callback::<F>),
        )
    };
    // Without a match the C side answers EINVAL, which no callback of ours means.
    if status == EINVAL.to_errno() {
        return Ok(());
    }
    to_result(status)
}

/// Whether the whole range is of the given kind.
pub fn is_wholly(kind: Kind, range: PhysRange) -> bool {
    let mut next = range.start;
    let walked = for_each(kind, range, |part| {
        if part.start() == next {
            next = part.last().saturating_add(1);
        }
        Ok(())
    });
    walked.is_ok() && next > range.last()
}
