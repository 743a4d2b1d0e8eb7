// SPDX-License-Identifier: GPL-2.0

//! Namespaces: pieces of a region.
//!
//! C header: [`include/linux/nd.h`](srctree/include/linux/nd.h)

use crate::{bindings, driver::Device, pfn::Layout};
use core::{
    mem::{forget, offset_of},
    ptr::NonNull,
};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};
use kernel_ext::{compat::code::EOPNOTSUPP, resource::PhysRange};

/// A namespace that may be driven now: nobody else has it (`nvdimm_namespace_common_probe()`).
///
/// # Invariants
///
/// `ndns` points to a namespace that `device` is, or that it claims, valid for `'a`; its type is one of
/// those that are a `struct nd_namespace_io`.
pub struct Namespace<'a> {
    ndns: NonNull<bindings::nd_namespace_common>,
    device: &'a Device<'a>,
}

impl<'a> Namespace<'a> {
    /// Returns the namespace of a device that is being probed.
    ///
    /// # Errors
    ///
    /// `ENODEV`, `ENXIO`, `EBUSY`, `EACCES` or `EOPNOTSUPP`, as libnvdimm says: it is claimed, locked, too
    /// small, misaligned, or not set up.
    pub(crate) fn of(device: &'a Device<'a>) -> Result<Self> {
        // SAFETY: The device is on the nd bus, of a type that drivers of namespaces are for, and locked
        // as it is being probed.
        let ndns = unsafe { bindings::nvdimm_namespace_common_probe(device.as_raw()) };
        let ndns = from_err_ptr(ndns)?;
        // INVARIANT: As the C side says. Regions of memory have no other namespaces.
        Ok(Self {
            ndns: NonNull::new(ndns).ok_or(ENODEV)?,
            device,
        })
    }

    fn io(&self) -> &bindings::nd_namespace_io {
        const { assert!(offset_of!(bindings::nd_namespace_io, common) == 0) };
        // SAFETY: By the type invariant. What is read through it does not change while the namespace is
        // claimed or bound.
        unsafe { self.ndns.cast().as_ref() }
    }

    /// Returns the numbers of the region and of the namespace in it, which its name has.
    ///
    /// # Errors
    ///
    /// `EINVAL` if libnvdimm has named it otherwise than it does.
    pub fn numbers(&self) -> Result<(u32, u32)> {
        // SAFETY: By the type invariant the namespace is valid; a registered device has a name, which does
        // not change.
        let name = unsafe {
            let dev = &raw const (*self.ndns.as_ptr()).dev;
            CStr::from_char_ptr((*dev).kobj.name)
        };
        let name = name.to_str().map_err(|_| EINVAL)?;
        let numbers = name.strip_prefix("namespace").ok_or(EINVAL)?;
        let (region, namespace) = numbers.split_once('.').ok_or(EINVAL)?;
        Ok((
            region.parse().map_err(|_| EINVAL)?,
            namespace.parse().map_err(|_| EINVAL)?,
        ))
    }

    /// Returns the physical range that it covers, info blocks included.
    pub fn range(&self) -> Result<PhysRange> {
        let res = &self.io().res;
        PhysRange::new(res.start, (res.end - res.start).wrapping_add(1)).ok_or(EINVAL)
    }

    /// Returns the bytes in a logical block, as a label says.
    pub fn sector_size(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { bindings::pmem_sector_size(self.ndns.as_ptr()) }
    }

    /// Whether it is to be taken as it is, whatever is in it (`force_raw`): somebody rewrites its info
    /// blocks.
    pub fn is_force_raw(&self) -> bool {
        // SAFETY: By the type invariant; user space may change the field at any time.
        unsafe { (&raw const (*self.ndns.as_ptr()).force_raw).read_volatile() != 0 }
    }

    /// Maps the front of it, where info blocks are, for libnvdimm to read and write
    /// (`devm_namespace_enable()`).
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody else has claimed the memory; `ENOMEM`.
    pub fn enable(self) -> Result<Enabled<'a>> {
        let size = u64::from(bindings::ND_INFO_BLOCK_RESERVE);
        // SAFETY: By the type invariant; the device is being probed, so that what is allocated for it goes
        // when that fails.
        to_result(unsafe {
            bindings::devm_namespace_enable(self.device.as_raw(), self.ndns.as_ptr(), size)
        })?;
        // INVARIANT: Just enabled.
        Ok(Enabled { namespace: self })
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::nd_namespace_common {
        self.ndns.as_ptr()
    }
}

/// A namespace whose info blocks libnvdimm can read and write.
///
/// # Invariants
///
/// It is enabled for its device.
pub struct Enabled<'a> {
    namespace: Namespace<'a>,
}

impl<'a> Enabled<'a> {
    /// Looks for info blocks, and has libnvdimm make the device of the mode that one says: a BTT, fsdax or
    /// devdax. Returns the namespace if there is none.
    ///
    /// # Errors
    ///
    /// `ENXIO` if there is such a device now, to which the namespace belongs. `EOPNOTSUPP` if the info
    /// block cannot be used.
    pub fn into_raw_mode(self) -> Result<Namespace<'a>> {
        let (dev, ndns) = (self.namespace.device.as_raw(), self.namespace.as_raw());
        // SAFETY: By the invariants the namespace is valid and enabled for the device, which is being probed.
        if unsafe { bindings::nd_btt_probe(dev, ndns) } == 0 {
            return Err(ENXIO);
        }
        // SAFETY: As above.
        if let Some(error) = taken(unsafe { bindings::nd_pfn_probe(dev, ndns) }) {
            return Err(error);
        }
        // SAFETY: As above.
        if let Some(error) = taken(unsafe { bindings::nd_dax_probe(dev, ndns) }) {
            return Err(error);
        }
        Ok(self.disable())
    }

    /// Reads the info block of a namespace of mode fsdax, or writes a new one as the pfn device says
    /// (`nvdimm_setup_pfn()`).
    ///
    /// # Errors
    ///
    /// What libnvdimm says: `ENODEV` if the device is not set up, `EOPNOTSUPP` if the info block cannot be
    /// used, `ENXIO` if it cannot be read or the region is read-only.
    pub fn set_up_pfn(self) -> Result<(Namespace<'a>, Layout)> {
        let dev = self.namespace.device.as_raw();
        let mut pgmap = KBox::<bindings::dev_pagemap>::new_uninit(GFP_KERNEL)?;
        // SAFETY: All zeroes is a valid `struct dev_pagemap`.
        let mut pgmap = unsafe {
            pgmap.as_mut_ptr().write_bytes(0, 1);
            pgmap.assume_init()
        };
        // SAFETY: A device of a kind that is asked first; the map is only filled.
        let set_up = unsafe {
            if bindings::is_nd_pfn(dev) {
                to_result(bindings::nvdimm_setup_pfn(
                    bindings::to_nd_pfn(dev),
                    &mut *pgmap,
                ))
            } else {
                Err(ENODEV)
            }
        };
        if let Err(error) = set_up {
            // It may have been disabled on the way; what is left goes with the probe, which fails.
            forget(self);
            return Err(error);
        }
        // SAFETY: Set up above.
        let layout = unsafe { Layout::of(dev, &pgmap, &self.namespace.io().res) }?;
        Ok((self.disable(), layout))
    }

    fn disable(self) -> Namespace<'a> {
        let namespace = Namespace {
            ndns: self.namespace.ndns,
            device: self.namespace.device,
        };
        drop(self);
        namespace
    }
}

/// Whether a device has been made of a namespace, or cannot be, by what a probe for an info block says.
fn taken(rc: i32) -> Option<Error> {
    match to_result(rc) {
        Ok(()) => Some(ENXIO),
        Err(error) if error == EOPNOTSUPP => Some(error),
        Err(_) => None,
    }
}

impl Drop for Enabled<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is enabled for the device.
        unsafe {
            bindings::devm_namespace_disable(
                self.namespace.device.as_raw(),
                self.namespace.as_raw(),
            )
        };
    }
}
