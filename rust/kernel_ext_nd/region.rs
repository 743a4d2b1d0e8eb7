// SPDX-License-Identifier: GPL-2.0

//! Regions: what NVDIMMs beside each other, or interleaved, make up.
//!
//! C headers: [`include/linux/libnvdimm.h`](srctree/include/linux/libnvdimm.h),
//! [`drivers/nvdimm/nd.h`](srctree/drivers/nvdimm/nd.h)

#[cfg(has_cxl)]
use crate::cxl;
use crate::{bad::List, bindings};
use core::ptr::{null_mut, NonNull};
use kernel::{error::to_result, ffi::c_long, prelude::*, sync::Arc};
#[cfg(has_cxl)]
use kernel_ext::compat::code::EOPNOTSUPP;
use kernel_ext::{
    block::bio::{Bio, BlkStatus},
    resource::PhysRange,
    sync::Revocable,
    SECTOR_SIZE,
};

/// So many sectors can always be asked for at a time: their bad ones fit a list, however they lie.
pub const LEAST_WINDOW: u64 = bindings::MAX_BADBLOCKS as u64;

/// A `struct nd_region`.
///
/// # Invariants
///
/// It points to a region that is bound to its driver as long as this exists: libnvdimm unbinds what is
/// below a region before the region, and [`crate::driver`] revokes this when what is below is unbound.
struct Raw(NonNull<bindings::nd_region>);

// SAFETY: A region belongs to no thread, and what is called here locks.
unsafe impl Send for Raw {}

// SAFETY: As above.
unsafe impl Sync for Raw {}

/// A region, as a device below it sees it. Once that has been unbound, every method returns `ENXIO`.
#[pin_data]
pub struct Region {
    #[pin]
    raw: Revocable<Raw>,
}

impl Region {
    /// # Safety
    ///
    /// `dev` must be below a region, and bound to a driver until [`Region::revoke`] is called.
    pub(crate) unsafe fn of(dev: *mut bindings::device) -> Result<Arc<Self>> {
        // SAFETY: As the caller promises.
        let raw = unsafe { bindings::to_nd_region((*dev).parent) };
        // INVARIANT: As the caller promises.
        let raw = Raw(NonNull::new(raw).ok_or(ENODEV)?);
        Arc::pin_init(
            try_pin_init!(Self {
                raw <- Revocable::new(raw),
            }),
            GFP_KERNEL,
        )
    }

    /// Ends the use of the region. May sleep.
    pub(crate) fn revoke(&self) {
        self.raw.revoke();
    }

    /// Calls `with` with the region, which stays bound meanwhile.
    fn with<R>(&self, with: impl FnOnce(*mut bindings::nd_region) -> R) -> Result<R> {
        let raw = self.raw.try_access().ok_or(ENXIO)?;
        Ok(with(raw.0.as_ptr()))
    }

    /// Makes durable what has left the CPU's caches (`nvdimm_flush()`). May sleep.
    ///
    /// # Errors
    ///
    /// `EIO`, and `ENOMEM` where a request to a hypervisor needs memory.
    pub fn flush(&self) -> Result {
        // SAFETY: The region is valid and bound. Without a bio nothing goes on after the call.
        to_result(self.with(|region| unsafe { bindings::nvdimm_flush(region, null_mut()) })?)
    }

    /// Ends a write, when what has left the CPU's caches is durable: before this returns, or, where a
    /// hypervisor does it, later.
    pub fn flush_and_end(&self, mut bio: Bio) {
        bio.end_io_acct();
        let raw = bio.into_raw();
        // SAFETY: The region is valid and bound. The bio is ours; with `NVDIMM_FLUSH_ASYNC` it is the C
        // side's from here on.
        let flushed = self.with(|region| unsafe { bindings::nvdimm_flush(region, raw.cast()) });
        if matches!(flushed, Ok(rc) if rc == bindings::NVDIMM_FLUSH_ASYNC as i32) {
            return;
        }
        // SAFETY: Given up above, and the C side has not taken it over.
        let bio = unsafe { Bio::from_raw(raw) };
        bio.end(match flushed {
            Ok(0) => Ok(()),
            _ => Err(BlkStatus::IoError),
        });
    }

    /// Whether writes are durable after [`Region::flush`]: `nvdimm_has_flush()` does not deny it.
    ///
    /// # Errors
    ///
    /// `ENXIO` if nobody knows how, as where no NVDIMM is named.
    pub fn has_flush(&self) -> Result {
        // SAFETY: The region is valid and bound.
        let has = self.with(|region| unsafe { bindings::nvdimm_has_flush(region) })?;
        if has < 0 {
            return Err(ENXIO);
        }
        Ok(())
    }

    /// Whether the CPU's caches have to be written back before a flush (`nvdimm_has_cache()`).
    pub fn has_cache(&self) -> Result<bool> {
        // SAFETY: The region is valid and bound.
        self.with(|region| unsafe { bindings::nvdimm_has_cache(region) != 0 })
    }

    /// Whether a store that has left the CPU's caches is durable without a call (`is_nvdimm_sync()`).
    pub fn is_sync(&self) -> Result<bool> {
        // SAFETY: The region is valid and bound.
        self.with(|region| unsafe { bindings::is_nvdimm_sync(region) })
    }

    /// Whether nothing may be written now: its `read_only` file changes that.
    pub fn is_read_only(&self) -> Result<bool> {
        // SAFETY: The region is valid and bound; the field may change at any time.
        self.with(|region| unsafe { (&raw const (*region).ro).read_volatile() != 0 })
    }

    /// Has the bus take poison away from a range of physical memory (`nvdimm_clear_poison()`); returns how
    /// many bytes, from the start, are without now. Their content is lost. A CXL device is told by itself, for
    /// its bus has no such command. May sleep.
    ///
    /// # Errors
    ///
    /// What the bus says: `ENOTTY` if it has no such command. `ENXIO` if the range does not consist of
    /// units that it can clear. `EINVAL` for 4 GiB and more.
    pub fn clear_poison(&self, range: PhysRange) -> Result<u64> {
        let len = u32::try_from(range.size()).map_err(|_| EINVAL)?;
        #[cfg(has_cxl)]
        if self
            .with_cxl(|device| device.clear_poison(range))?
            .is_some()
        {
            return Ok(range.size());
        }
        // SAFETY: The region is valid and bound, and its device below a bus.
        let cleared = self.with(|region| unsafe {
            bindings::nvdimm_clear_poison(bindings::nd_region_dev(region), range.start(), len)
        })?;
        if cleared < 0 {
            to_result(cleared as i32)?;
        }
        Ok(cleared.unsigned_abs() as u64)
    }

    /// Calls `found` with every run of bad sectors of `range` that the bus knows of: the first one, counted
    /// from the start of the range, and how many. May sleep.
    ///
    /// The C side fills a list of at most 512 entries. If that is full, so that some may be missing, and the
    /// range is longer than [`LEAST_WINDOW`], this returns `false` without a call: a shorter range is to be
    /// asked for.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn for_each_bus_error(
        &self,
        range: PhysRange,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result<bool> {
        let sectors = range.size() / SECTOR_SIZE as u64;
        let list = self.bad_in(range.start(), sectors)?;
        if list.is_full() && sectors > LEAST_WINDOW {
            return Ok(false);
        }
        let mut next = 0;
        while let Some((first, len)) = list.first_in(next, sectors - next) {
            // A run may have been said to reach further.
            let len = len.min(sectors - first);
            found(first, len);
            next = first + len;
            if next >= sectors {
                break;
            }
        }
        Ok(true)
    }

    /// The same of what the device knows and its bus does not: the poison of CXL memory.
    ///
    /// # Errors
    ///
    /// What the device says; `ENOMEM`.
    pub fn for_each_device_error(
        &self,
        range: PhysRange,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        #[cfg(has_cxl)]
        for run in self
            .with_cxl(|device| device.poison(range))?
            .unwrap_or_default()
        {
            let sector = |address: u64| (address - range.start()) / SECTOR_SIZE as u64;
            let first = sector(run.start());
            found(first, sector(run.start() + run.size() - 1) + 1 - first);
        }
        #[cfg(not(has_cxl))]
        let _ = (range, found);
        Ok(())
    }

    /// Whether poison is not looked for, since CXL devices are interleaved.
    pub fn is_of_interleaved_cxl(&self) -> Result<bool> {
        #[cfg(has_cxl)]
        return self.with(|region| {
            // SAFETY: The region is valid and bound.
            let backing = unsafe { cxl::Backing::of(region) };
            matches!(backing, Some(cxl::Backing::Interleaved))
        });
        #[cfg(not(has_cxl))]
        Ok(false)
    }

    /// Calls `with` with the CXL device that the region is, if it is one that can list its poison.
    #[cfg(has_cxl)]
    fn with_cxl<R>(&self, with: impl FnOnce(cxl::Device) -> Result<R>) -> Result<Option<R>> {
        // SAFETY: The region is valid and bound.
        let outcome = self.with(|region| match unsafe { cxl::Backing::of(region) } {
            Some(cxl::Backing::Single(device)) => Some(with(device)),
            _ => None,
        })?;
        match outcome {
            Some(Err(error)) if error == EOPNOTSUPP => Ok(None),
            outcome => outcome.transpose(),
        }
    }

    /// Returns what the bus says of `sectors` sectors from an address on.
    fn bad_in(&self, start: u64, sectors: u64) -> Result<List> {
        let mut list = List::new()?;
        let range = bindings::range {
            start,
            end: start + sectors * SECTOR_SIZE as u64 - 1,
        };
        self.with(|region| {
            let raw = list.as_raw();
            // SAFETY: The region is valid and bound; the list is ours. It names the device in messages,
            // but is not the device's to free.
            unsafe {
                (*raw).dev = bindings::nd_region_dev(region);
                bindings::nvdimm_badblocks_populate(region, raw, &range);
                (*raw).dev = null_mut();
            }
        })?;
        Ok(list)
    }
}

// `c_long` is what `nvdimm_clear_poison()` returns, and as wide as the sizes here.
const _: () = assert!(size_of::<c_long>() == size_of::<u64>());
