// SPDX-License-Identifier: GPL-2.0

//! Memory that is, or was, a disk's. A probe of the same memory waits a little for the last user.
//!
//! ndctl has a disk open while it unbinds the driver, and binds it again right afterwards.

use crate::namespace::Namespace;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::resource::PhysRange;
use rpmem_core::keeper::Kept;

type Entry = (PhysRange, Arc<Kept<Namespace>>);

/// The memory of all disks there are, and of those that somebody still uses.
#[pin_data]
pub(crate) struct Users {
    #[pin]
    entries: Mutex<KVec<Entry>>,
}

impl Users {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            entries <- new_mutex!(KVec::new(), "nd_rpmem::users"),
        })
    }

    /// Adds the memory of a disk. May sleep.
    pub(crate) fn add(&self, range: PhysRange, kept: Arc<Kept<Namespace>>) -> Result {
        let mut entries = self.entries.lock();
        entries.retain(|(_, kept)| !kept.is_released());
        entries.push((range, kept), GFP_KERNEL)?;
        Ok(())
    }

    /// Takes it out again, of a disk that nobody has seen.
    pub(crate) fn remove(&self, kept: &Arc<Kept<Namespace>>) {
        let mut entries = self.entries.lock();
        entries.retain(|(_, other)| !Arc::ptr_eq(other, kept));
    }

    /// Whether a range is free of users, or is within a second. May sleep.
    pub(crate) fn is_free_soon(&self, range: PhysRange) -> bool {
        // Nobody can add to it meanwhile: only who has the namespace does.
        while let Some(kept) = self.user_of(range) {
            if !kept.is_released_soon() {
                return false;
            }
        }
        true
    }

    fn user_of(&self, range: PhysRange) -> Option<Arc<Kept<Namespace>>> {
        let entries = self.entries.lock();
        let user = entries.iter().find(|(other, kept)| {
            other.start() <= range.last() && range.start() <= other.last() && !kept.is_released()
        });
        user.map(|(_, kept)| kept.clone())
    }
}
