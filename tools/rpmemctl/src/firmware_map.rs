// SPDX-License-Identifier: GPL-2.0

//! /sys/firmware/memmap: the memory map as the firmware gave it, before `memmap=` changed it.
//!
//! See `Documentation/ABI/testing/sysfs-firmware-memmap`. Everyone may read it. The ends are inclusive.

use crate::iomem::SYSTEM_RAM;
use crate::system::System;
use anyhow::{Context, Result};
use rangemap::RangeSet;

const DIRECTORY: &str = "/sys/firmware/memmap";

/// What the firmware says of the machine's addresses.
#[derive(Clone, Debug, Default)]
pub struct FirmwareMap {
    /// Usable RAM.
    pub usable: RangeSet<u64>,
    /// Addresses that it says anything of: outside of these there is no memory, but for what ACPI's
    /// NFIT describes, or what is plugged in later.
    pub described: RangeSet<u64>,
}

impl FirmwareMap {
    /// That of a machine; `None` if this kernel does not show it.
    ///
    /// # Errors
    ///
    /// If an entry cannot be read.
    pub fn of(system: &System) -> Result<Option<Self>> {
        let mut map = Self::default();
        let entries = system.names(DIRECTORY);
        for entry in &entries {
            let field = |name: &str| system.read(format!("{DIRECTORY}/{entry}/{name}"));
            let number = |name: &str| -> Result<u64> {
                let text = field(name)?;
                let digits = text.trim().trim_start_matches("0x");
                u64::from_str_radix(digits, 16)
                    .with_context(|| format!("{DIRECTORY}/{entry}/{name}: {text:?}"))
            };
            let (first, last) = (number("start")?, number("end")?);
            if first >= last {
                continue;
            }
            let range = first..last.saturating_add(1);
            if field("type")?.trim() == SYSTEM_RAM {
                map.usable.insert(range.clone());
            }
            map.described.insert(range);
        }
        Ok((!entries.is_empty()).then_some(map))
    }
}
