// SPDX-License-Identifier: GPL-2.0

//! Exit statuses, as fsck(8) has them.

use std::process::ExitCode;

/// An exit status: bits that may come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u8);

impl Status {
    /// There are no errors.
    pub const CLEAN: Self = Self(0);
    /// All errors were repaired.
    pub const REPAIRED: Self = Self(1);
    /// Errors remain.
    pub const WRONG: Self = Self(4);
    /// The check could not be done.
    pub const FAILED: Self = Self(8);
    /// The arguments are wrong.
    pub const USAGE: Self = Self(16);

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        status.0.into()
    }
}
