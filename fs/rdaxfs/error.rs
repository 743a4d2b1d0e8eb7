// SPDX-License-Identifier: GPL-2.0

//! The core's errors as the kernel's.

use kernel::prelude::*;
use rdaxfs_core::Error as CoreError;

/// The errno of an error of the core.
pub(crate) fn errno(error: CoreError) -> Error {
    Error::from_errno(-error.errno())
}

/// The error of the core that a medium's access stands for.
pub(crate) fn medium(_: Error) -> CoreError {
    CoreError::Io
}

/// An error of the core, for messages.
pub(crate) struct Reason(pub(crate) CoreError);

impl kernel::fmt::Display for Reason {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}
