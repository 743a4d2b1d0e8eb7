// SPDX-License-Identifier: GPL-2.0

//! What `memmap=` on the kernel's command line says.
//!
//! As `parse_memmap_one()` of `arch/x86/kernel/e820.c` reads it.

use crate::system::System;
use rpmem_regions::parse_number;
use std::ops::Range;

/// One element of a `memmap=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memmap {
    /// As it is written.
    pub text: String,
    /// What it says.
    pub meaning: Meaning,
}

/// What an element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// `nn!ss`: these addresses become legacy persistent memory.
    Persistent(Range<u64>),
    /// `nn$ss`: these are reserved.
    Reserved(Range<u64>),
    /// `nn`, without an address: RAM ends here, as with `mem=nn`.
    Limit(u64),
    /// Anything else.
    Other,
}

/// All `memmap=` of the running kernel, in their order.
pub fn memmaps(system: &System) -> Vec<Memmap> {
    parse(&system.read_if_there("/proc/cmdline").unwrap_or_default())
}

/// All `memmap=` of this command line.
pub fn parse(line: &str) -> Vec<Memmap> {
    let values = words(line).filter_map(|word| Some(word.strip_prefix("memmap=")?.to_owned()));
    values
        .flat_map(|value| {
            let elements: Vec<_> = value.split(',').map(element).collect();
            elements
        })
        .collect()
}

/// The words of a command line; blanks inside double quotes part nothing.
fn words(line: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = rest.find(|c: char| {
            quoted ^= c == '"';
            c.is_whitespace() && !quoted
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(word.replace('"', ""))
    })
}

fn element(text: &str) -> Memmap {
    let range = |size: &str, start: &str| {
        let start = parse_number(start.as_bytes()).ok()?;
        let size = parse_number(size.as_bytes()).ok()?;
        Some(start..start.checked_add(size)?)
    };
    let parsed = if let Some((size, start)) = text.split_once('!') {
        range(size, start).map(Meaning::Persistent)
    } else if let Some((size, start)) = text.split_once('$') {
        range(size, start).map(Meaning::Reserved)
    } else {
        parse_number(text.as_bytes()).ok().map(Meaning::Limit)
    };
    Memmap {
        text: format!("memmap={text}"),
        meaning: parsed.unwrap_or(Meaning::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, Meaning};

    #[test]
    fn reads_every_kind() {
        let line = "quiet x=\"a memmap=1M!2M\" memmap=1G!4G,512M$0x200000000 memmap=2G memmap=exactmap memmap=1M@2M";
        let meanings: Vec<_> = parse(line).into_iter().map(|m| m.meaning).collect();
        assert_eq!(
            meanings,
            [
                Meaning::Persistent(4 << 30..5 << 30),
                Meaning::Reserved(8 << 30..(8 << 30) + (512 << 20)),
                Meaning::Limit(2 << 30),
                Meaning::Other,
                Meaning::Other,
            ]
        );
        assert_eq!(parse(line)[1].text, "memmap=512M$0x200000000");
        assert!(parse("").is_empty());
    }
}
