// SPDX-License-Identifier: GPL-2.0

//! A disk, from when its memory is mapped until it is taken away.

use crate::{
    backing::Backing,
    keeper::{Keeper, Kept},
    medium::Medium,
    name::Name,
};
use kernel::{device, prelude::*, sync::Arc};
#[cfg(CONFIG_X86_MCE)]
use kernel_ext::mce;
use kernel_ext::{
    block::gen_disk::{GenDisk, Limits, NewDisk},
    dax::{self, Properties},
    numa::Node,
};

/// A mapped region with a disk that nobody sees yet.
pub struct Unseen<B: Backing> {
    // Dropped in this order.
    #[cfg(CONFIG_X86_MCE)]
    machine_checks: Option<mce::Registration<Medium<B>>>,
    disk: NewDisk<Medium<B>>,
    kept: Arc<Kept<B>>,
    name: Name,
}

impl<B: Backing> Unseen<B> {
    /// Makes a disk called `name` for a medium near `node`, and a DAX device if there are properties for one.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for limits that the block core refuses.
    pub fn new(
        name: Name,
        medium: Arc<Medium<B>>,
        limits: Limits,
        properties: Option<Properties>,
        node: Node,
    ) -> Result<Self> {
        let dax = match properties {
            Some(properties) => Some(dax::Device::new(medium.clone(), properties)?),
            None => None,
        };
        if let Some(dax) = &dax {
            medium.poison().set_dax(dax.handle());
        }
        #[cfg(CONFIG_X86_MCE)]
        let machine_checks = if B::HEARS_MACHINE_CHECKS {
            None
        } else {
            Some(mce::Registration::new(medium.clone())?)
        };
        Ok(Self {
            #[cfg(CONFIG_X86_MCE)]
            machine_checks,
            disk: NewDisk::new(fmt!("{name}"), limits, node, medium, dax)?,
            kept: Kept::new(name)?,
            name,
        })
    }

    /// Returns what knows when the region is not in use any more, after the disk has been taken away.
    pub fn kept(&self) -> &Arc<Kept<B>> {
        &self.kept
    }

    /// Shows the disk below `dev`. May sleep.
    ///
    /// # Errors
    ///
    /// What adding a disk says, after a message; nothing is left then.
    pub fn show(self, dev: &device::Device<device::Bound>) -> Result<Shown<B>> {
        let name = self.name;
        let disk = self
            .disk
            .register(dev)
            .inspect_err(|error| dev_err!(dev, "cannot add disk {name} ({error:?})\n"))?;
        disk.reset_read_ahead();
        disk.data()
            .poison()
            .notify_through(disk.attribute(c"badblocks"));
        Ok(Shown {
            #[cfg(CONFIG_X86_MCE)]
            machine_checks: self.machine_checks,
            disk,
            kept: self.kept,
        })
    }
}

/// A region with a disk that everyone sees.
pub struct Shown<B: Backing> {
    #[cfg(CONFIG_X86_MCE)]
    machine_checks: Option<mce::Registration<Medium<B>>>,
    disk: GenDisk<Medium<B>>,
    kept: Arc<Kept<B>>,
}

impl<B: Backing> Shown<B> {
    /// Returns the disk.
    pub fn disk(&self) -> &GenDisk<Medium<B>> {
        &self.disk
    }

    /// Takes the disk away, and hands the region to the keeper, which releases it once it is not in use.
    /// Returns what knows when that is.
    pub fn take_away(self, keeper: &Keeper) -> Arc<Kept<B>> {
        #[cfg(CONFIG_X86_MCE)]
        drop(self.machine_checks);
        let disk = self.disk.remove();
        keeper.release(self.kept.clone(), disk);
        self.kept
    }
}
