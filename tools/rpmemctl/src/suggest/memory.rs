// SPDX-License-Identifier: GPL-2.0

//! What memory the machine has, and what of it may be set aside.

use super::choose::LEAST_ALIGNMENT;
use crate::command_line::{self, Meaning};
use crate::firmware_map::FirmwareMap;
use crate::iomem::{Iomem, LEGACY, PERSISTENT, RESERVED, SYSTEM_RAM};
use crate::numa;
use crate::system::System;
use anyhow::Result;
use rangemap::RangeSet;

/// What was found.
#[derive(Debug)]
pub struct Memory {
    /// RAM that may be set aside: usable for the firmware and for the kernel, and nobody's.
    pub usable: RangeSet<u64>,
    /// Bytes of RAM that the kernel uses as such.
    pub ram: u64,
    /// Memory that is set aside and free, by its name in /proc/iomem.
    pub set_aside: Vec<(String, RangeSet<u64>)>,
    /// The NUMA nodes, with their addresses; empty where they are not known.
    pub nodes: Vec<(u32, RangeSet<u64>)>,
    /// Whether the firmware's map could be looked at.
    pub has_firmware_map: bool,
}

impl Memory {
    /// That of a machine.
    ///
    /// # Errors
    ///
    /// If its maps cannot be read.
    pub fn of(system: &System) -> Result<Self> {
        let iomem = Iomem::of(system)?;
        let firmware = FirmwareMap::of(system)?;
        // Reserved memory may be the firmware's own: only what the command line reserved, of RAM, is free.
        let reserved: RangeSet<u64> = command_line::memmaps(system)
            .into_iter()
            .filter_map(|memmap| match memmap.meaning {
                Meaning::Reserved(range) if !range.is_empty() => Some(range),
                _ => None,
            })
            .collect();
        let reserved = match &firmware {
            Some(firmware) => firmware.usable.intersection(&reserved).collect(),
            None => RangeSet::new(),
        };
        // memmap= makes persistent memory where the machine has none, too.
        let legacy = free(&iomem, LEGACY);
        let legacy = match &firmware {
            Some(firmware) => firmware.described.intersection(&legacy).collect(),
            None => legacy,
        };
        let set_aside = [
            (LEGACY, legacy),
            (PERSISTENT, free(&iomem, PERSISTENT)),
            (
                RESERVED,
                free(&iomem, RESERVED).intersection(&reserved).collect(),
            ),
        ];
        let set_aside = set_aside.map(|(name, free)| (name.to_owned(), free));
        Ok(Self {
            usable: usable(&iomem, firmware.as_ref().map(|map| &map.usable)),
            ram: iomem
                .named(SYSTEM_RAM)
                .iter()
                .map(|range| range.end - range.start)
                .sum(),
            set_aside: set_aside.into(),
            nodes: numa::nodes(system),
            has_firmware_map: firmware.is_some(),
        })
    }

    /// The usable RAM, by nodes, since a region on two nodes would be on neither.
    pub fn places(
        &self,
        node: Option<u32>,
    ) -> impl Iterator<Item = (Option<u32>, RangeSet<u64>)> + '_ {
        let unknown = self.nodes.is_empty().then(|| (None, self.usable.clone()));
        let known = self
            .nodes
            .iter()
            .filter(move |(number, _)| node.is_none_or(|node| node == *number))
            .map(|(number, ranges)| (Some(*number), self.usable.intersection(ranges).collect()));
        unknown.into_iter().chain(known)
    }
}

/// What of the ranges of this name nobody has claimed.
fn free(iomem: &Iomem, name: &str) -> RangeSet<u64> {
    let mut free = iomem.named(name);
    for outer in iomem.top().filter(|top| top.name == name) {
        for inner in iomem.inside(outer) {
            free.remove(inner.range.clone());
        }
    }
    free
}

/// RAM that may be set aside.
fn usable(iomem: &Iomem, firmware: Option<&RangeSet<u64>>) -> RangeSet<u64> {
    // The kernel's image, memory for a crash kernel, and whatever else is inside: not to be touched.
    let mut usable = free(iomem, SYSTEM_RAM);
    if let Some(firmware) = firmware {
        usable = usable.intersection(firmware).collect();
    }
    // A range that touches another of its kind becomes one device with it.
    for range in iomem.named(LEGACY).iter() {
        let apart =
            range.start.saturating_sub(LEAST_ALIGNMENT)..range.end.saturating_add(LEAST_ALIGNMENT);
        usable.remove(apart);
    }
    usable
}
