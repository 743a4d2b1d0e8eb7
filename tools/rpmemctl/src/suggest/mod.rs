// SPDX-License-Identifier: GPL-2.0

//! `rpmemctl suggest`: how to set memory aside.
//!
//! [`memory`] reads the machine's maps, [`choose()`] picks a place, and this prints what to write where.

pub mod choose;
pub mod memory;

use crate::cli::Wish;
use crate::command_line;
use crate::output::{Format, Outcome};
use crate::quantity::{Bytes, Human};
use crate::system::System;
use anyhow::{ensure, Context, Result};
use choose::{choose, Choice, Want, LEAST_ALIGNMENT};
use memory::Memory;
use serde::Serialize;
use std::fmt::Write;

/// RAM that must be left for the system itself: less, and it may not even boot.
const LEAST_LEFT: u64 = 512 << 20;
/// The kernel places itself at random only if it has at most so many ranges to keep clear of
/// (`MAX_MEMMAP_REGIONS` of `arch/x86/boot/compressed/kaslr.c`).
const MOST_WITH_KASLR: usize = 4;
/// A region takes a 64th of its size for its struct pages.
const STRUCT_PAGES: u64 = 64;

#[derive(Serialize)]
struct Suggestion {
    size: u64,
    /// Takes memory that is set aside already, without a reboot.
    now: Option<Now>,
    /// Sets RAM aside at the next boot.
    boot: Option<Boot>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Now {
    start: u64,
    alignment: u64,
    /// What it is called in /proc/iomem.
    memory: String,
    regions: String,
}

#[derive(Serialize)]
struct Boot {
    start: u64,
    alignment: u64,
    numa_node: Option<u32>,
    /// For the kernel's command line: as persistent memory.
    memmap: String,
    /// For the kernel's command line: as reserved memory, which takes `regions` too.
    memmap_reserved: String,
    /// The same as GRUB's configuration needs it, in single quotes.
    memmap_reserved_grub: String,
    regions: String,
    ram: u64,
    ram_left: u64,
    struct_pages: u64,
}

/// Prints how to set `wish` aside.
///
/// # Errors
///
/// If the wish cannot be fulfilled, or the maps cannot be read.
pub fn run(system: &System, wish: &Wish, format: Format) -> Result<Outcome> {
    let want = Want {
        size: wish.size.0,
        align: wish.align.map(|align| align.0),
        node: wish.node,
    };
    let memory = Memory::of(system)?;
    if let (Some(node), false) = (want.node, memory.nodes.is_empty()) {
        ensure!(
            memory.nodes.iter().any(|(number, _)| *number == node),
            "--node {node}: has no RAM; nodes with RAM are {}",
            memory
                .nodes
                .iter()
                .map(|(number, _)| number.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    let now = memory.set_aside.iter().find_map(|(name, free)| {
        let choice = choose(std::slice::from_ref(free), &want)?;
        Some(Now {
            start: choice.start,
            alignment: choice.alignment,
            memory: name.clone(),
            regions: regions(&want, &choice),
        })
    });
    let mut notes = Vec::new();
    let boot = match boot(&memory, &want) {
        Ok(boot) => Some(boot),
        Err(error) if now.is_some() => {
            notes.push(format!("More RAM cannot be set aside: {error:#}"));
            None
        }
        Err(error) => return Err(error),
    };
    if boot.is_some() && command_line::memmaps(system).len() >= MOST_WITH_KASLR {
        notes.push(format!(
            "With more than {MOST_WITH_KASLR} memmap= the kernel no longer places itself at random (KASLR)"
        ));
    }
    if !memory.has_firmware_map {
        notes.push("This kernel does not show the firmware's map (/sys/firmware/memmap): only /proc/iomem was looked at".to_owned());
    }
    let suggestion = Suggestion {
        size: want.size,
        now,
        boot,
        notes,
    };
    Outcome::new(format, &suggestion, false, text)
}

fn boot(memory: &Memory, want: &Want) -> Result<Boot> {
    let struct_pages = want.size / STRUCT_PAGES;
    let taken = want.size.saturating_add(struct_pages);
    ensure!(
        memory.ram.saturating_sub(taken) >= LEAST_LEFT,
        "SIZE {}: the machine has {} of RAM in use as such; {} of it must be left, and the region's struct pages take {}; ask for {} or less",
        Bytes(want.size),
        Human(memory.ram),
        Human(LEAST_LEFT),
        Human(struct_pages),
        Bytes(most(memory.ram))
    );
    let places: Vec<_> = memory.places(want.node).collect();
    let ranges: Vec<_> = places.iter().map(|(_, ranges)| ranges.clone()).collect();
    let choice = choose(&ranges, want).with_context(|| {
        let largest = choose::largest(&ranges);
        format!(
            "SIZE {}: there is no such range of usable RAM in one piece; the largest aligned one has {}",
            Bytes(want.size),
            Bytes(largest)
        )
    })?;
    let holder = places
        .iter()
        .find(|(_, ranges)| ranges.contains(&choice.start));
    let (size, start) = (Bytes(want.size), Bytes(choice.start));
    Ok(Boot {
        start: choice.start,
        alignment: choice.alignment,
        numa_node: holder.and_then(|(node, _)| *node),
        memmap: format!("memmap={size}!{start}"),
        memmap_reserved: format!("memmap={size}${start}"),
        memmap_reserved_grub: format!("memmap={size}\\${start}"),
        regions: regions(want, &choice),
        ram: memory.ram,
        ram_left: memory.ram - taken,
        struct_pages,
    })
}

fn regions(want: &Want, choice: &Choice) -> String {
    format!("regions={}@{}", Bytes(want.size), Bytes(choice.start))
}

/// The most that can be set aside of so much RAM.
fn most(ram: u64) -> u64 {
    let left = ram.saturating_sub(LEAST_LEFT);
    left / (STRUCT_PAGES + 1) * STRUCT_PAGES / LEAST_ALIGNMENT * LEAST_ALIGNMENT
}

fn text(suggestion: &Suggestion) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_text(suggestion, &mut out);
    out
}

fn write_text(suggestion: &Suggestion, out: &mut String) -> std::fmt::Result {
    if let Some(now) = &suggestion.now {
        writeln!(
            out,
            "At once: {} at {:#x} is set aside already, and free.",
            now.memory, now.start
        )?;
        writeln!(out, "  # modprobe rpmem {}", now.regions)?;
        writeln!(
            out,
            "If rpmem is loaded, unload it first, and name the regions that it had as well."
        )?;
    }
    if let Some(boot) = &suggestion.boot {
        if suggestion.now.is_some() {
            writeln!(out)?;
        }
        let last = boot.start + suggestion.size - 1;
        let node = boot
            .numa_node
            .map_or(String::new(), |node| format!(", NUMA node {node}"));
        writeln!(
            out,
            "With a reboot: {} of RAM at {:#x}-{last:#x}{node}, aligned to {}.",
            Human(suggestion.size),
            boot.start,
            Human(boot.alignment)
        )?;
        writeln!(
            out,
            "Of {} of RAM {} remain; struct pages take {}.",
            Human(boot.ram),
            Human(boot.ram_left),
            Human(boot.struct_pages)
        )?;
        writeln!(
            out,
            "\n1. As persistent memory, which rpmem finds by itself. Kernel command line:"
        )?;
        writeln!(out, "     {}", boot.memmap)?;
        writeln!(out, "   in /etc/default/grub:")?;
        writeln!(out, "     GRUB_CMDLINE_LINUX='{}'", boot.memmap)?;
        writeln!(
            out,
            "\n2. Or as reserved memory, which no other driver looks at. Kernel command line:"
        )?;
        writeln!(out, "     {}", boot.memmap_reserved)?;
        writeln!(
            out,
            "   in /etc/default/grub, where both the shell and GRUB want the $ protected:"
        )?;
        writeln!(
            out,
            "     GRUB_CMDLINE_LINUX='{}'",
            boot.memmap_reserved_grub
        )?;
        writeln!(out, "   and the driver is told:")?;
        writeln!(
            out,
            "     # echo 'options rpmem {}' > /etc/modprobe.d/rpmem-regions.conf",
            boot.regions
        )?;
        writeln!(out, "     # echo rpmem > /etc/modules-load.d/rpmem.conf")?;
        writeln!(
            out,
            "\nThen: update-grub, reboot, and look at /proc/cmdline."
        )?;
    }
    for note in &suggestion.notes {
        writeln!(out, "\nNote: {note}.")?;
    }
    Ok(())
}
