// SPDX-License-Identifier: GPL-2.0

//! nd_rpmem: a block device with DAX for every namespace of libnvdimm, in nd_pmem's place.
//!
//! | module | holds |
//! |---|---|
//! | `device` | a namespace's life, from probe to removal |
//! | `machine_check` | machine checks in any namespace |
//! | `namespace` | what a namespace adds to memory: flushes, poison that has to be taken away |
//! | `params` | what the user says when the module is loaded |
//! | `users` | who still has memory of a disk that has gone |
//!
//! What the disk does is in [`rpmem_core`]. There is no `unsafe` here: it is in `rust/`, behind
//! `kernel_ext` and `kernel_ext_nd`.
//!
//! The module has no alias of libnvdimm's devices: it is loaded by who wants it, and takes what has no
//! driver then. See Documentation/admin-guide/rpmem.rst.

#![forbid(unsafe_code)]

use kernel::{prelude::*, sync::Arc, ModuleMetadata};
use kernel_ext_nd::driver::Registration;
use namespace::Namespace;
use rpmem_core::{keeper::Keeper, medium::Medium};

mod device;
#[cfg(CONFIG_X86_MCE)]
mod machine_check;
mod namespace;
mod params;
mod users;

module! {
    type: NdRpmem,
    name: "nd_rpmem",
    authors: ["The rpmem developers"],
    description: "Persistent memory block device for the namespaces of NVDIMMs",
    license: "GPL",
}

kernel_ext::module_metadata!(NdRpmem);

/// What all devices share.
#[pin_data]
pub(crate) struct Shared {
    /// The queue on which namespaces wait for their users.
    keeper: Arc<Keeper>,
    #[pin]
    users: users::Users,
    #[cfg(CONFIG_X86_MCE)]
    media: Arc<machine_check::Media>,
}

impl Shared {
    /// Has machine checks that concern a medium recorded, until [`Shared::forget`].
    fn know(&self, medium: Arc<Medium<Namespace>>) -> Result {
        #[cfg(CONFIG_X86_MCE)]
        self.media.add(medium)?;
        #[cfg(not(CONFIG_X86_MCE))]
        drop(medium);
        Ok(())
    }

    fn forget(&self, medium: &Medium<Namespace>) {
        #[cfg(CONFIG_X86_MCE)]
        self.media.remove(medium);
        #[cfg(not(CONFIG_X86_MCE))]
        let _ = medium;
    }
}

/// The module.
#[pin_data]
struct NdRpmem {
    // Dropped in this order: the queue is destroyed, with all items done, when nothing is bound any more.
    #[pin]
    driver: Registration<device::Bound>,
    #[cfg(CONFIG_X86_MCE)]
    _machine_checks: kernel_ext::mce::Registration<machine_check::Media>,
    _keeper: Arc<Keeper>,
}

impl kernel::InPlaceModule for NdRpmem {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            params::check()?;
            let keeper = Keeper::new()?;
            let last = keeper.clone();
            #[cfg(CONFIG_X86_MCE)]
            let media = Arc::pin_init(machine_check::Media::new(), GFP_KERNEL)?;
            #[cfg(CONFIG_X86_MCE)]
            let machine_checks = kernel_ext::mce::Registration::new(media.clone())?;
            let shared = Arc::pin_init(
                pin_init!(Shared {
                    keeper,
                    users <- users::Users::new(),
                    #[cfg(CONFIG_X86_MCE)]
                    media,
                }),
                GFP_KERNEL,
            )?;
            Ok(try_pin_init!(Self {
                driver <- Registration::new(<Self as ModuleMetadata>::NAME, module, shared),
                #[cfg(CONFIG_X86_MCE)]
                _machine_checks: machine_checks,
                _keeper: last,
            }))
        })
    }
}
