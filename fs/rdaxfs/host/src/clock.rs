// SPDX-License-Identifier: GPL-2.0

//! What time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use rdaxfs_core::format::Time;

/// What time it is; 1970 for a clock that is before that.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time::new(
        since.as_secs().try_into().unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}
