// SPDX-License-Identifier: GPL-2.0

//! Which devices hold swap: /proc/swaps.

use crate::system::System;

/// The paths of the devices and files in use as swap, with the kernel's octal escapes.
pub fn swaps(system: &System) -> Vec<String> {
    let text = system.read_if_there("/proc/swaps").unwrap_or_default();
    let lines = text.lines().skip(1);
    lines
        .filter_map(|line| line.split_ascii_whitespace().next())
        .map(str::to_owned)
        .collect()
}
