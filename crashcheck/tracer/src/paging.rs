// SPDX-License-Identifier: GPL-2.0

//! From a virtual to a physical address, by the machine's page tables (Intel's manual, volume 3, "Paging").
//!
//! The emulator reads memory by virtual addresses only, so the tables are read where Linux maps all
//! memory: its direct map, which is at a fixed place with `nokaslr`.

use crate::{Machine, Register};

/// CR4: the tables have five levels.
const LA57: u64 = 1 << 12;
/// Where Linux maps all memory with four levels, and with five.
const DIRECT_MAP: [u64; 2] = [0xffff_8880_0000_0000, 0xff11_0000_0000_0000];
/// An entry's address.
const FRAME: u64 = 0x000f_ffff_ffff_f000;
const PRESENT: u64 = 1;
const LARGE: u64 = 1 << 7;

/// The physical address of a virtual one; [`None`] if it is not mapped, or the tables cannot be read.
pub fn translate(machine: &dyn Machine, address: u64) -> Option<u64> {
    let five = machine.register(Register::Cr4)? & LA57 != 0;
    let direct_map = DIRECT_MAP[usize::from(five)];
    let mut table = machine.register(Register::Cr3)? & FRAME;
    for level in (0..if five { 5 } else { 4 }).rev() {
        let shift = 12 + 9 * level;
        let index = address >> shift & 0x1ff;
        let mut entry = [0; 8];
        if !machine.read(direct_map + table + index * 8, &mut entry) {
            return None;
        }
        let entry = u64::from_le_bytes(entry);
        if entry & PRESENT == 0 {
            return None;
        }
        if level == 0 || (level <= 2 && entry & LARGE != 0) {
            let inside = (1 << shift) - 1;
            return Some(entry & FRAME & !inside | address & inside);
        }
        table = entry & FRAME;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    struct Tables {
        five: bool,
        words: HashMap<u64, u64>,
    }

    impl Machine for Tables {
        fn register(&self, register: Register) -> Option<u64> {
            match register {
                // The lowest bits are the address space's number.
                Register::Cr3 => Some(0x1000 | 7),
                Register::Cr4 => Some(if self.five { LA57 } else { 0 }),
                _ => None,
            }
        }

        fn read(&self, address: u64, into: &mut [u8]) -> bool {
            let physical = address.wrapping_sub(DIRECT_MAP[usize::from(self.five)]);
            let Some(word) = self.words.get(&physical) else {
                return false;
            };
            into.copy_from_slice(&word.to_le_bytes());
            true
        }
    }

    const NX: u64 = 1 << 63;

    #[test]
    fn pages_of_all_sizes() {
        let address = 0xffff_c900_0123_4567_u64;
        let at = |table: u64, level: u64| table + (address >> (12 + 9 * level) & 0x1ff) * 8;
        let mut tables = Tables {
            five: false,
            words: HashMap::from([
                (at(0x1000, 3), 0x2063),
                (at(0x2000, 2), 0x3063),
                (at(0x3000, 1), 0x4063),
                (at(0x4000, 0), 0x1_2345_6000 | NX | 0x63),
            ]),
        };
        assert_eq!(translate(&tables, address), Some(0x1_2345_6567));
        tables
            .words
            .insert(at(0x3000, 1), 0x1_4000_0000 | NX | 0xe3);
        assert_eq!(
            translate(&tables, address),
            Some(0x1_4000_0000 | address & 0x1f_ffff)
        );
        tables.words.insert(at(0x2000, 2), 0x1_4000_0000 | 0xe3);
        assert_eq!(
            translate(&tables, address),
            Some(0x1_4000_0000 | address & 0x3fff_ffff)
        );
        tables.words.insert(at(0x1000, 3), 0x2062);
        assert_eq!(translate(&tables, address), None);
    }

    #[test]
    fn five_levels() {
        let address = 0xff11_0000_0000_1234_u64;
        let at = |table: u64, level: u64| table + (address >> (12 + 9 * level) & 0x1ff) * 8;
        let tables = Tables {
            five: true,
            words: HashMap::from([
                (at(0x1000, 4), 0x2063),
                (at(0x2000, 3), 0x3063),
                (at(0x3000, 2), 0x4063),
                (at(0x4000, 1), 0xe3),
            ]),
        };
        assert_eq!(translate(&tables, address), Some(0x1234));
    }
}
