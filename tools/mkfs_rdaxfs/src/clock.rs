// SPDX-License-Identifier: GPL-2.0

//! What time it is: by the clock, or by `SOURCE_DATE_EPOCH`, which makes the same volume of the same files each time.
//! See <https://reproducible-builds.org/specs/source-date-epoch/>.

use anyhow::{bail, Result};
use rdaxfs_core::format::Time;
use rdaxfs_host::now;

use crate::fill::when::{When, RANGE};

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time of the volume.
    pub now: Time,
    /// Whether it was given.
    pub is_given: bool,
}

impl Clock {
    /// By the environment, or else by the clock.
    ///
    /// # Errors
    ///
    /// If `SOURCE_DATE_EPOCH` is not a number.
    pub fn read() -> Result<Self> {
        if let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") {
            let Some(seconds) = text.to_str().and_then(|text| text.parse().ok()) else {
                bail!("SOURCE_DATE_EPOCH in the environment is not a number of seconds since 1970");
            };
            let when = When::new(seconds, 0);
            if when.is_other {
                bail!(
                    "SOURCE_DATE_EPOCH in the environment is out of the range {RANGE} of a volume"
                );
            }
            return Ok(Self {
                now: when.nearest,
                is_given: true,
            });
        }
        Ok(Self {
            now: now(),
            is_given: false,
        })
    }

    /// The latest time that a file may have.
    #[must_use]
    pub fn latest(&self) -> Option<Time> {
        self.is_given.then_some(self.now)
    }
}
