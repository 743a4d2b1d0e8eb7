// SPDX-License-Identifier: GPL-2.0

//! What a medium is a part of, and what that knows of it.

use kernel::prelude::*;
use kernel_ext::{block::bio::Bio, compat::ModuleMetadata, pmem, resource::PhysRange};
use rpmem_regions::span::Sector;

/// What a medium is a part of: plain memory, or a region with a bus behind it.
///
/// What it does not say otherwise is as for plain memory: a fence makes stores durable, and a store takes
/// poison away.
pub trait Backing: Send + Sync + Sized + 'static {
    /// The module whose code this is: it cannot be unloaded while the disk is open.
    type Module: ModuleMetadata;

    /// Whether it has its own [`Backing::finish_fua`].
    const HAS_FINISH_FUA: bool = false;

    /// Whether it has its own [`Backing::clear_poison`], which may sleep.
    const HAS_CLEAR_POISON: bool = false;

    /// Whether the driver listens to machine checks itself, and tells the medium: then no listener is made for
    /// each disk.
    const HEARS_MACHINE_CHECKS: bool = false;

    /// Makes durable what has left the CPU's caches, or been written back from them. May sleep.
    ///
    /// # Errors
    ///
    /// `EIO`, also where nothing can be flushed any more.
    #[inline]
    fn flush(&self) -> Result {
        pmem::pmem_wmb();
        Ok(())
    }

    /// Ends a write that was carried out, when its data is durable.
    fn finish_fua(&self, bio: Bio) {
        bio.end(Ok(()));
    }

    /// Takes poison away from memory that is about to be overwritten. Its content is lost. May sleep.
    ///
    /// # Errors
    ///
    /// `EIO` if some is left: nothing may be stored then.
    fn clear_poison(&self, _range: PhysRange) -> Result {
        Ok(())
    }

    /// Calls `found` with every run of bad sectors that it knows of. May sleep.
    fn for_each_bad(&self, _found: &mut dyn FnMut(Sector, u64)) -> Result {
        Ok(())
    }
}
