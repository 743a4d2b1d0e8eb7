// SPDX-License-Identifier: GPL-2.0

//! A timestamp in one word, so that a single store changes it.

/// A point in time: seconds since 1970 in the upper 34 bits, nanoseconds in the lower 30.
///
/// Seconds are 0 to 2³⁴ - 1 with an offset of 2³³, so that 1697-10-17 to 2242-03-16 can be said;
/// the kernel clamps others (`sb->s_time_min`, `s_time_max`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// The earliest second.
    pub const MIN_SECONDS: i64 = -(1 << 33);
    /// The latest second.
    pub const MAX_SECONDS: i64 = (1 << 33) - 1;

    /// The time of `seconds` since 1970 (clamped) and `nanoseconds` (0 to 999,999,999; clamped).
    #[must_use]
    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        let seconds = if seconds < Self::MIN_SECONDS {
            Self::MIN_SECONDS
        } else if seconds > Self::MAX_SECONDS {
            Self::MAX_SECONDS
        } else {
            seconds
        };
        let nanoseconds = if nanoseconds > 999_999_999 {
            999_999_999
        } else {
            nanoseconds
        };
        Self((seconds.wrapping_add(1 << 33) as u64) << 30 | nanoseconds as u64)
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        (self.0 >> 30) as i64 - (1 << 33)
    }

    /// Nanoseconds of the second; at most 999,999,999 in a good volume.
    #[must_use]
    pub const fn nanoseconds(self) -> u32 {
        (self.0 & ((1 << 30) - 1)) as u32
    }
}
