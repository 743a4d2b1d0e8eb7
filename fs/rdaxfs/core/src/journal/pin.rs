// SPDX-License-Identifier: GPL-2.0

//! Staying on one CPU from the first store to the fence: a fence waits for its own CPU's stores.

use core::ops::Deref;

use crate::platform::Stores;

/// The side that stores, on a CPU that the task does not leave while this lives.
pub(super) struct Pinned<'m, S: Stores>(&'m S);

impl<'m, S: Stores> Pinned<'m, S> {
    /// Stays on this CPU from now on.
    pub(super) fn new(medium: &'m S) -> Self {
        medium.pin();
        Self(medium)
    }
}

impl<S: Stores> Deref for Pinned<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.0
    }
}

impl<S: Stores> Drop for Pinned<'_, S> {
    fn drop(&mut self) {
        self.0.unpin();
    }
}
