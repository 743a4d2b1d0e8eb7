// SPDX-License-Identifier: GPL-2.0

//! /sys/firmware/memmap: the memory map as the firmware gave it, before `memmap=` changed it.
//!
//! See `Documentation/ABI/testing/sysfs-firmware-memmap`. Everyone may read it. The ends are inclusive.

use crate::iomem::SYSTEM_RAM;
use crate::system::System;
use anyhow::{Context, Result};
use rangemap::RangeSet;

const DIRECTORY: &str = "/sys/firmware/memmap";

/// The addresses that the firmware calls usable RAM; `None` if this kernel does not show its map.
///
/// # Errors
///
/// If an entry cannot be read.
pub fn usable(system: &System) -> Result<Option<RangeSet<u64>>> {
    let mut ranges = RangeSet::new();
    let entries = system.names(DIRECTORY);
    for entry in &entries {
        let field = |name: &str| system.read(format!("{DIRECTORY}/{entry}/{name}"));
        if field("type")?.trim() != SYSTEM_RAM {
            continue;
        }
        let number = |name: &str| -> Result<u64> {
            let text = field(name)?;
            let digits = text.trim().trim_start_matches("0x");
            u64::from_str_radix(digits, 16)
                .with_context(|| format!("{DIRECTORY}/{entry}/{name}: {text:?}"))
        };
        let (first, last) = (number("start")?, number("end")?);
        if first < last {
            ranges.insert(first..last.saturating_add(1));
        }
    }
    Ok((!entries.is_empty()).then_some(ranges))
}
