// SPDX-License-Identifier: GPL-2.0

//! The kernel's functions, as the guest's `/proc/kallsyms` has them.

use crashcheck_trace::Site;

/// No function is longer: what is farther away belongs to none.
const LONGEST: u64 = 1 << 17;
/// As many callers in modules are named.
const CALLERS: usize = 5;
/// Functions by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    functions: Vec<(u64, String)>,
}

impl Symbols {
    /// Reads the text of `/proc/kallsyms`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let function = |line: &str| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let kind = words.next()?;
            let name = words.next()?;
            // Module functions have the module behind them.
            let module = words.next().unwrap_or_default();
            if address == 0 || !kind.eq_ignore_ascii_case("t") {
                return None;
            }
            let name = short(name);
            Some((
                address,
                format!("{name}{}{module}", if module.is_empty() { "" } else { " " }),
            ))
        };
        let mut functions: Vec<_> = text.lines().filter_map(function).collect();
        functions.sort_by_key(|(address, _)| *address);
        Self { functions }
    }

    /// The function that an address is in, and how far.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<(&str, u64)> {
        let at = self
            .functions
            .partition_point(|(start, _)| *start <= address);
        let (start, name) = self.functions.get(at.checked_sub(1)?)?;
        let inside = address - start;
        (inside < LONGEST).then_some((name, inside))
    }

    /// An instruction and its callers, in a line.
    #[must_use]
    pub fn describe(&self, site: &Site) -> String {
        let mut text = match self.find(site.instruction) {
            Some((name, inside)) => format!("{name}+{inside:#x}"),
            None if site.instruction >> 47 == 0 => format!("a program at {:#x}", site.instruction),
            None => format!("{:#x}", site.instruction),
        };
        let mut named = 0;
        let mut last = self.find(site.instruction).map(|(name, _)| name);
        for &caller in &site.callers {
            let Some((name, _)) = self.find(caller.wrapping_sub(1)) else {
                continue;
            };
            // What an earlier call has left on the stack is mostly the kernel's, and what stores is mostly a module.
            if last == Some(name) || !name.ends_with(']') {
                continue;
            }
            last = Some(name);
            text.push_str(" < ");
            text.push_str(name);
            named += 1;
            if named == CALLERS {
                break;
            }
        }
        text
    }
}

/// The function's path in Rust's mangled names, which are long; other names as they are.
fn short(name: &str) -> String {
    let Some(rest) = name.strip_prefix("_R") else {
        return name.into();
    };
    // The identifiers in it: a length, sometimes an underscore, and as many letters.
    let bytes = rest.as_bytes();
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            // Behind `s` is the number of a crate, behind `B` a place further up, to an underscore.
            if matches!(bytes[at], b's' | b'B') && at + 1 < bytes.len() {
                match rest[at..].find('_') {
                    Some(end)
                        if rest[at + 1..at + end]
                            .bytes()
                            .all(|c| c.is_ascii_alphanumeric())
                            && end < 16 =>
                    {
                        at += end
                    }
                    _ => {}
                }
            }
            at += 1;
            continue;
        }
        let digits = rest[at..].bytes().take_while(u8::is_ascii_digit).count();
        let len: usize = rest[at..at + digits].parse().unwrap_or(0);
        let start = at + digits + usize::from(bytes.get(at + digits) == Some(&b'_'));
        let Some(part) = rest.get(start..start + len).filter(|part| !part.is_empty()) else {
            at += digits;
            continue;
        };
        parts.push(part);
        at = start + len;
    }
    if parts.is_empty() {
        name.into()
    } else {
        parts.join("::")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ffffffff81000000 T _stext
ffffffff81000100 t do_it
ffffffffc0000000 t _RNvMs0_NtCs5lOfC5VaESG_6rdaxfs5inodeNtB5_5Inode5flush\t[rdaxfs]
ffffffff81000200 D data
0000000000000000 t hidden";

    #[test]
    fn addresses_are_in_functions() {
        let symbols = Symbols::parse(TEXT);
        assert_eq!(symbols.find(0xffff_ffff_8100_0234), Some(("do_it", 0x134)));
        assert_eq!(symbols.find(0xffff_ffff_8090_0000), None);
        assert_eq!(symbols.find(0xffff_ffff_8200_0000), None);
        let site = Site {
            instruction: 0xffff_ffff_8100_0104,
            callers: vec![0xffff_ffff_c000_0010, 0xffff_ffff_8100_0001],
        };
        assert_eq!(
            symbols.describe(&site),
            "do_it+0x4 < rdaxfs::inode::Inode::flush [rdaxfs]"
        );
    }
}
