// SPDX-License-Identifier: GPL-2.0

//! Times as a source has them.

use rdaxfs_core::format::Time;
use terminal::{complain, safe};

/// The times that a volume can hold.
pub const RANGE: &str = "1697-10-17 to 2242-03-16 (UTC)";

/// A time of a source, which a volume may not be able to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// The nearest time that a volume can hold.
    pub nearest: Time,
    /// Whether the source has another.
    pub is_other: bool,
}

impl When {
    /// That many seconds since 1970, and nanoseconds of the second.
    #[must_use]
    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        let is_other = seconds < Time::MIN_SECONDS || seconds > Time::MAX_SECONDS;
        // As the kernel has it, the nearest time is a whole second.
        let nanoseconds = if is_other { 0 } else { nanoseconds };
        Self {
            nearest: Time::new(seconds, nanoseconds),
            is_other,
        }
    }

    /// The time, unless it is later than that.
    #[must_use]
    pub fn at_most(self, latest: Time) -> Self {
        if self.nearest < latest {
            self
        } else {
            Self {
                nearest: latest,
                is_other: false,
            }
        }
    }
}

/// The files whose times a volume cannot hold.
#[derive(Default)]
pub struct Moved {
    count: u64,
    first: Vec<u8>,
}

impl Moved {
    /// Notes the time of a file.
    pub fn note(&mut self, path: &[u8], when: When) {
        if when.is_other {
            if self.count == 0 {
                self.first = path.to_vec();
            }
            self.count += 1;
        }
    }

    /// Warns of them, if there are any.
    pub fn warn(&self) {
        let first = match &self.first[..] {
            [] => "the root directory".to_owned(),
            path => format!("\"{}\"", safe(path)),
        };
        if self.count > 0 {
            complain!(
                "mkfs.rdaxfs: warning: times out of the range {RANGE} of a volume were set to its nearest end; files: \
                 {}, the first: {first}",
                self.count
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_time_is_taken() {
        let ends = [Time::MIN_SECONDS, Time::MAX_SECONDS];
        for end in ends {
            let held = When::new(end, 5);
            assert_eq!((held.nearest, held.is_other), (Time::new(end, 5), false));
        }
        for (seconds, end) in [(ends[0] - 1, ends[0]), (i64::MIN, ends[0])]
            .into_iter()
            .chain([(ends[1] + 1, ends[1]), (i64::MAX, ends[1])])
        {
            let moved = When::new(seconds, 5);
            assert_eq!((moved.nearest, moved.is_other), (Time::new(end, 0), true));
        }
        // A time that is cut off anyway is not one of these.
        let latest = Time::new(1, 2);
        let cut = When::new(i64::MAX, 0).at_most(latest);
        assert_eq!((cut.nearest, cut.is_other), (latest, false));
        let early = When::new(i64::MIN, 0);
        assert_eq!(early.at_most(latest), early);
    }
}
