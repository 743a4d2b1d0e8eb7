// SPDX-License-Identifier: GPL-2.0

//! rpmem: a block device with DAX for every region of persistent memory that the kernel's command line or
//! the user names. No bus describes them, and nothing has to be asked about them.
//!
//! | module | holds |
//! |---|---|
//! | `params` | what the user says when the module is loaded |
//! | `regions` | which regions that means, and which of them are refused |
//! | `presence` | whether there is memory behind a region |
//! | `loading` | what happens before the first disk is visible |
//! | `device` | a region's life, from probe to removal |
//! | `kunit` | the KUnit suites, in kernels that have them |
//!
//! What the disk does is in [`rpmem_core`]. There is no `unsafe` here: it is in `rust/`, behind
//! `kernel_ext`.

#![forbid(unsafe_code)]

use kernel::{driver, prelude::*, ModuleMetadata};
use kernel_ext::platform::OwnedDevice;
use rpmem_core::backing::Backing;

mod device;
#[cfg(CONFIG_BLK_DEV_RPMEM_KUNIT_TEST)]
mod kunit;
mod loading;
mod params;
mod presence;
mod regions;

module! {
    type: Rpmem,
    name: "rpmem",
    authors: ["The rpmem developers"],
    description: "Persistent memory block device with DAX",
    license: "GPL",
}

kernel_ext::module_metadata!(Rpmem);

/// Plain memory.
pub(crate) struct Memmap;

impl Backing for Memmap {
    type Module = Rpmem;
}

/// The module: its devices, one a region, and the driver that is bound to them.
#[pin_data]
struct Rpmem {
    // Dropped in this order: every device is unbound before the driver goes, and no device is bound when
    // the places are emptied.
    devices: KVec<OwnedDevice>,
    #[pin]
    driver: driver::Registration<device::Adapter>,
    places: loading::Places,
}

impl kernel::InPlaceModule for Rpmem {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            params::check()?;
            let regions = regions::select()?;
            let places = loading::Places::prepare(&regions)?;
            let mut room = places.room()?;
            Ok(try_pin_init!(Self {
                driver <- driver::Registration::new(<Self as ModuleMetadata>::NAME, module),
                // From here on nothing fails.
                devices: {
                    places.show(&mut room);
                    room
                },
                places,
            }))
        })
    }
}
