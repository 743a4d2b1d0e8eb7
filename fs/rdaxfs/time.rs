// SPDX-License-Identifier: GPL-2.0

//! The medium's times and the kernel's.

use kernel_ext::fs::Timespec;
use rdaxfs_core::format::Time;

/// A time as the medium has it.
pub(crate) fn to_medium(time: Timespec) -> Time {
    Time::new(time.seconds, time.nanoseconds)
}

/// A time as the kernel has it.
pub(crate) fn from_medium(time: Time) -> Timespec {
    Timespec {
        seconds: time.seconds(),
        // A damaged volume may say more.
        nanoseconds: time.nanoseconds().min(999_999_999),
    }
}
