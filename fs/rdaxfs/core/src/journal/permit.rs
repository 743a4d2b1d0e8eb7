// SPDX-License-Identifier: GPL-2.0

//! Who may store.

use crate::platform::{Platform, Stores};
use crate::volume::Volume;

/// What [`Platform::stores`] wants to see. Only this module's neighbours can make one, so that a store
/// past the journal does not compile anywhere else.
pub struct Permit(());

impl<P: Platform> Volume<P> {
    /// The medium, for the journal to store to.
    pub(super) fn stores(&self) -> &(impl Stores + '_) {
        self.platform().stores(Permit(()))
    }
}
