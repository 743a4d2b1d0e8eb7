// SPDX-License-Identifier: GPL-2.0

//! Points in time.
//!
//! C header: [`include/linux/time64.h`](srctree/include/linux/time64.h)

use kernel::ffi::c_long;
use kernel_bindings as bindings;

/// A point in time: seconds since 1970, and nanoseconds of the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timespec {
    /// Seconds.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Timespec {
    pub(crate) fn from_raw(raw: bindings::timespec64) -> Self {
        Self {
            seconds: raw.tv_sec,
            nanoseconds: raw.tv_nsec as u32,
        }
    }

    pub(crate) fn to_raw(self) -> bindings::timespec64 {
        bindings::timespec64 {
            tv_sec: self.seconds,
            tv_nsec: self.nanoseconds as c_long,
        }
    }

    /// The wall clock's time.
    pub fn now() -> Self {
        let mut now = bindings::timespec64::default();
        // SAFETY: The pointer is valid for writes.
        unsafe { bindings::ktime_get_real_ts64(&mut now) };
        Self::from_raw(now)
    }
}
