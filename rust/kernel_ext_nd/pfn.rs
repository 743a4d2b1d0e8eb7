// SPDX-License-Identifier: GPL-2.0

//! Where a namespace of mode fsdax has its data and its struct pages, as its info block says.
//!
//! C header: [`drivers/nvdimm/pfn.h`](srctree/drivers/nvdimm/pfn.h)

use crate::bindings;
use core::mem::offset_of;
use kernel::prelude::*;
use kernel_ext::{compat::code::EOPNOTSUPP, memremap::Memory};

/// Bytes at the start of a namespace that are libnvdimm's: info blocks.
const RESERVED: u64 = bindings::ND_INFO_BLOCK_RESERVE as u64;

/// The layout of a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Bytes at the front and at the back that are not used, for alignment.
    front: u64,
    back: u64,
    /// Where data begins, behind `front`.
    data_offset: u64,
    /// Whether the struct pages are before the data (`--map=dev`), and not in ordinary memory.
    on_device: bool,
}

impl Layout {
    /// # Safety
    ///
    /// `dev` must be a pfn device that is being probed, for which `nvdimm_setup_pfn()` has just filled
    /// `pgmap`, and `res` what its namespace covers.
    pub(crate) unsafe fn of(
        dev: *mut bindings::device,
        pgmap: &bindings::dev_pagemap,
        res: &bindings::resource,
    ) -> Result<Self> {
        // SAFETY: As the caller promises.
        let nd_pfn = unsafe { bindings::to_nd_pfn(dev) };
        if nd_pfn.addr() + offset_of!(bindings::nd_pfn, dev) != dev.addr() {
            // The header that this was built with is not that of the libnvdimm that is loaded.
            pr_err!("libnvdimm is another than this module was built for: build it anew\n");
            return Err(EOPNOTSUPP);
        }
        // SAFETY: As the caller promises there is an info block; the layout of the structure is that of
        // the header, as was just checked. `nr_range` is 1, so that `range` is the member of the union.
        let (data_offset, range) = unsafe {
            (
                u64::from_le((*(*nd_pfn).pfn_sb).dataoff),
                *pgmap.__bindgen_anon_1.range.as_ref(),
            )
        };
        let layout = Self {
            front: range.start.checked_sub(res.start).ok_or(EINVAL)?,
            back: res.end.checked_sub(range.end).ok_or(EINVAL)?,
            data_offset,
            on_device: pgmap.flags & bindings::PGMAP_ALTMAP_VALID != 0,
        };
        Ok(layout)
    }

    /// Whether the struct pages are in the namespace.
    pub fn is_on_device(&self) -> bool {
        self.on_device
    }

    /// Lays the namespace's memory out.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no room for data.
    pub fn apply(&self, memory: Memory) -> Result<Memory> {
        let memory = memory.without_ends(self.front, self.back)?;
        if self.on_device {
            memory.with_pages_inside(self.data_offset, RESERVED)
        } else {
            memory.with_header(self.data_offset)
        }
    }
}
