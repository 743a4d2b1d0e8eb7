// SPDX-License-Identifier: GPL-2.0

//! /proc/iomem: who has which physical addresses.
//!
//! A tree, indented by two blanks a level: what is deeper lies inside what is above it. The ends are
//! inclusive. Who may not see addresses gets zeroes.

use crate::system::System;
use anyhow::{bail, ensure, Context, Result};
use rangemap::RangeSet;
use std::ops::Range;

/// RAM that the kernel uses.
pub const SYSTEM_RAM: &str = "System RAM";
/// What `memmap=nn!ss` and firmware's type 12 are called.
pub const LEGACY: &str = "Persistent Memory (legacy)";
/// What ACPI's NFIT describes.
pub const PERSISTENT: &str = "Persistent Memory";
/// What firmware or `memmap=nn$ss` keeps from everybody.
pub const RESERVED: &str = "Reserved";

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The addresses.
    pub range: Range<u64>,
    /// What it is, or who has it.
    pub name: String,
    depth: usize,
}

/// All lines, in their order.
#[derive(Clone, Debug, Default)]
pub struct Iomem {
    resources: Vec<Resource>,
}

impl Iomem {
    /// Reads that of a machine.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or shows no addresses.
    pub fn of(system: &System) -> Result<Self> {
        Self::parse(&system.read("/proc/iomem")?).context("/proc/iomem")
    }

    /// Understands the text.
    ///
    /// # Errors
    ///
    /// If it is not of this form, or has no addresses.
    pub fn parse(text: &str) -> Result<Self> {
        let resources = text
            .lines()
            .map(|line| {
                parse_line(line).with_context(|| format!("line {line:?} is not START-END : NAME"))
            })
            .collect::<Result<Vec<_>>>()?;
        if resources.iter().all(|resource| resource.range.end <= 1) {
            bail!("the addresses are hidden from all but root; run this as root");
        }
        Ok(Self { resources })
    }

    /// Those on the top level.
    pub fn top(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(|resource| resource.depth == 0)
    }

    /// All, whatever their level.
    pub fn all(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter()
    }

    /// The addresses of those of this name.
    pub fn named(&self, name: &str) -> RangeSet<u64> {
        let named = self
            .resources
            .iter()
            .filter(|resource| resource.name == name);
        named.map(|resource| resource.range.clone()).collect()
    }

    /// What lies inside this one, at any depth.
    pub fn inside<'a>(&'a self, outer: &'a Resource) -> impl Iterator<Item = &'a Resource> {
        let after = self
            .resources
            .iter()
            .skip_while(move |resource| !std::ptr::eq(*resource, outer))
            .skip(1);
        after.take_while(|resource| resource.depth > outer.depth)
    }

    /// The top one in which these addresses are, whole.
    pub fn holding(&self, range: &Range<u64>) -> Option<&Resource> {
        self.top()
            .find(|top| top.range.start <= range.start && range.end <= top.range.end)
    }
}

fn parse_line(line: &str) -> Result<Resource> {
    let text = line.trim_start_matches(' ');
    let (range, name) = text.split_once(" : ").context("there is no ' : '")?;
    let (first, last) = range.split_once('-').context("there is no '-'")?;
    let first = u64::from_str_radix(first, 16)?;
    let last = u64::from_str_radix(last, 16)?;
    ensure!(first <= last, "it ends before it begins");
    Ok(Resource {
        // The last address of all has none behind it, and no memory.
        range: first..last.saturating_add(1).max(first.saturating_add(1)),
        name: name.to_owned(),
        depth: (line.len() - text.len()) / 2,
    })
}

#[cfg(test)]
mod tests {
    use super::{Iomem, LEGACY, SYSTEM_RAM};

    const TEXT: &str = "\
00001000-0009fbff : System RAM
00100000-77fdcfff : System RAM
  01000000-021d3f8f : Kernel code
100000000-11fffffff : Persistent Memory (legacy)
  100000000-10fffffff : rpmem0
    100000000-100000fff : inner
120000000-ffffffffffffffff : Reserved
";

    #[test]
    fn reads_the_tree() {
        let iomem = Iomem::parse(TEXT).unwrap();
        assert_eq!(iomem.top().count(), 4);
        assert_eq!(iomem.named(SYSTEM_RAM).len(), 2);
        let legacy = iomem.top().find(|top| top.name == LEGACY).unwrap();
        assert_eq!(legacy.range, 0x1_0000_0000..0x1_2000_0000);
        let names: Vec<_> = iomem.inside(legacy).map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["rpmem0", "inner"]);
        assert_eq!(iomem.holding(&(0x1_0000_0000..0x1_0000_1000)), Some(legacy));
        assert_eq!(iomem.holding(&(0x1_1000_0000..0x1_3000_0000)), None);
    }

    #[test]
    fn refuses_hidden_addresses_and_other_texts() {
        let hidden = "00000000-00000000 : Reserved\n  00000000-00000000 : PCI Bus 0000:00\n";
        assert!(format!("{:#}", Iomem::parse(hidden).unwrap_err()).contains("as root"));
        for text in ["", "x", "0-1", "1-0 : x", "0-g : x", "0:1 : x"] {
            assert!(Iomem::parse(text).is_err(), "{text}");
        }
    }
}
