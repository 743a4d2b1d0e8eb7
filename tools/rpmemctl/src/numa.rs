// SPDX-License-Identifier: GPL-2.0

//! Which NUMA node has which RAM.
//!
//! /sys/devices/system/node/nodeN has a link for each block of memory on it; all blocks are of the size
//! in /sys/devices/system/memory/block_size_bytes (hex).

use crate::system::System;
use rangemap::RangeSet;

/// The nodes that have RAM, each with its addresses; empty where the kernel does not tell.
pub fn nodes(system: &System) -> Vec<(u32, RangeSet<u64>)> {
    let size = system
        .read_if_there("/sys/devices/system/memory/block_size_bytes")
        .and_then(|text| u64::from_str_radix(&text, 16).ok());
    let Some(size) = size.filter(|size| *size > 0) else {
        return Vec::new();
    };
    let directory = "/sys/devices/system/node";
    let number = |name: &str, prefix: &str| name.strip_prefix(prefix)?.parse::<u64>().ok();
    let mut nodes = Vec::new();
    for name in system.names(directory) {
        let Some(node) = number(&name, "node").and_then(|node| u32::try_from(node).ok()) else {
            continue;
        };
        let entries = system.names(format!("{directory}/{name}"));
        let blocks = entries.iter().filter_map(|entry| number(entry, "memory"));
        let ranges: RangeSet<u64> = blocks
            .filter_map(|block| {
                let start = block.checked_mul(size)?;
                Some(start..start.checked_add(size)?)
            })
            .collect();
        if !ranges.is_empty() {
            nodes.push((node, ranges));
        }
    }
    nodes
}
