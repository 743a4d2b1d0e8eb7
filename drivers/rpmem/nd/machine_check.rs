// SPDX-License-Identifier: GPL-2.0

//! Machine checks in any namespace that is driven.
//!
//! One listener for all, which comes and goes with the module. ACPI's listener in the same chain waits for
//! device locks. Probing and unbinding hold a device lock, and must not wait for the chain.

use crate::namespace::Namespace;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::mce::{Answer, Listener, MemoryError};
use rpmem_core::medium::Medium;

/// The media of all disks.
#[pin_data]
pub(crate) struct Media {
    #[pin]
    media: Mutex<KVec<Arc<Medium<Namespace>>>>,
}

impl Media {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            media <- new_mutex!(KVec::new(), "nd_rpmem::media"),
        })
    }

    /// Adds the medium of a disk.
    pub(crate) fn add(&self, medium: Arc<Medium<Namespace>>) -> Result {
        Ok(self.media.lock().push(medium, GFP_KERNEL)?)
    }

    /// Takes it out again, before it is not in use any more.
    pub(crate) fn remove(&self, medium: &Medium<Namespace>) {
        let is_another = |other: &mut Arc<Medium<Namespace>>| !core::ptr::eq(&**other, medium);
        self.media.lock().retain(is_another);
    }
}

impl Listener for Media {
    fn before(&self, error: MemoryError) {
        for medium in self.media.lock().iter() {
            medium.before(error);
        }
    }

    fn memory_error(&self, error: MemoryError) -> Answer {
        let mut answer = Answer::NotMine;
        for medium in self.media.lock().iter() {
            if let Answer::Handled = medium.memory_error(error) {
                answer = Answer::Handled;
            }
        }
        answer
    }
}
