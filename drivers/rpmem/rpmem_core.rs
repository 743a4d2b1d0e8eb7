// SPDX-License-Identifier: GPL-2.0

//! rpmem: a block device with DAX for every region of persistent memory, real or emulated.
//!
//! The way of an I/O is short: `block` takes the bio, `medium` copies. Around it:
//!
//! | module | holds |
//! |---|---|
//! | `machine_check` | what a machine check in a region does |
//! | `params` | what the user says when the module is loaded |
//! | `regions` | which regions that means, and which of them are refused |
//! | `presence` | whether there is memory behind a region |
//! | `loading` | what happens before the first disk is visible |
//! | `device` | a region's life, from probe to removal |
//! | `keeper` | regions that are still in use when their disk has gone |
//! | `limits` | what a disk says of itself |
//! | `medium` | the mapped region: reading, overwriting, zeroing |
//! | `poison` | the list of bad blocks, and the rule by which a write clears them |
//! | `block` | the disk's operations |
//! | `dax` | the DAX device's operations |
//! | `sysfs` | the disk's files |
//! | `kunit` | the KUnit suites, in kernels that have them |
//!
//! There is no `unsafe` here: it is in `rust/`, behind `kernel_ext`.

#![forbid(unsafe_code)]

use kernel::{driver, prelude::*, ModuleMetadata};
use kernel_ext::platform::OwnedDevice;

mod block;
mod dax;
mod device;
mod keeper;
#[cfg(CONFIG_BLK_DEV_RPMEM_KUNIT_TEST)]
mod kunit;
mod limits;
mod loading;
#[cfg(CONFIG_X86_MCE)]
mod machine_check;
mod medium;
mod params;
mod poison;
mod presence;
mod regions;
mod sysfs;

module! {
    type: Rpmem,
    name: "rpmem",
    authors: ["The rpmem developers"],
    description: "Persistent memory block device with DAX",
    license: "GPL",
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
