// SPDX-License-Identifier: GPL-2.0

//! The errors that a volume has met, which are counted on the medium.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::format::{ErrorKind, Time};
use crate::handle::handle;
use crate::journal;
use crate::platform::Platform;
use crate::volume::state;

handle! {
    /// The errors that a volume has met.
    Errors
}

impl<P: Platform> Errors<'_, P> {
    /// Counts an error that has been met, on the medium too; if metadata is corrupt the volume is damaged from
    /// now on, and is not mounted for writing again before fsck has looked at it. None of the core's locks is
    /// held.
    pub fn count(self, kind: ErrorKind, now: Time) {
        if kind == ErrorKind::Corrupt {
            self.volume.damaged.store(true, Relaxed);
        }
        if self.volume.state.load(Acquire) == state::WRITABLE {
            let _held = self.volume.platform().lock_super();
            // Where even that cannot be noted, nothing is left to be done.
            let _ = journal::note_error(self.volume, kind, now);
        }
    }

    /// Whether metadata has been met that does not say what it must, in this mount or before it.
    pub fn found_damage(self) -> bool {
        self.volume.damaged.load(Relaxed)
    }
}
