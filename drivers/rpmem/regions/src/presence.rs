// SPDX-License-Identifier: GPL-2.0

//! Whether there is memory behind a range of addresses.
//!
//! `memmap=` of the kernel's command line turns any range into persistent memory, whether the machine
//! has memory there or not. Where there is none, stores go nowhere, and loads give zeroes or ones. So
//! some cache lines of the range are looked at:
//!
//! 1. A line that holds anything but zeroes or ones is memory. It is not written.
//! 2. Any other line is written a [`pattern`], which must come back from behind the CPU's caches; then
//!    what it held is written again.
//!
//! A hole is seen if it reaches to an end of the range, is a 64th of it, or has 128 MiB, the section that
//! the kernel's memory map comes in on x86-64. More lines would cost more: each one may make a hypervisor
//! allocate a huge page.
//!
//! # Examples
//!
//! ```
//! use rpmem_regions::presence::{is_telling, lines, pattern, LINE};
//!
//! assert!(lines(4 << 20).eq([0, 2 << 20, (4 << 20) - LINE as u64]));
//! assert_eq!(lines(1 << 40).count(), 8193);
//! assert!(!is_telling(&[0xff; LINE]));
//! assert!(is_telling(&pattern(4096)));
//! ```

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// The most bytes from a line that is looked at to the next, and the fewest.
const WIDEST: u64 = 128 << 20;
const NARROWEST: u64 = 2 << 20;

/// Lines of a range that is too small for [`WIDEST`].
const FEW: u64 = 64;

/// Bytes from a line that is looked at to the next.
fn spacing(size: u64) -> u64 {
    let even = size.div_ceil(FEW);
    let aligned = even.checked_next_multiple_of(NARROWEST);
    aligned.unwrap_or(WIDEST).clamp(NARROWEST, WIDEST)
}

/// The offsets of the lines to look at in a range of `size` bytes: evenly spread, the first and the last
/// line of the range among them.
///
/// All of them lie in the range; in ascending order. None if the range is shorter than a line.
pub fn lines(size: u64) -> impl Iterator<Item = u64> {
    let line = LINE as u64;
    let last = size.checked_sub(line).map(|last| last - last % line);
    let spacing = spacing(size);
    let before_last = last.unwrap_or(0).div_ceil(spacing);
    (0..before_last)
        .map(move |nth| nth.wrapping_mul(spacing))
        .chain(last)
}

/// Whether only memory can have given these bytes: they are neither all zeroes nor all ones.
pub fn is_telling(line: &[u8; LINE]) -> bool {
    line.iter().any(|byte| *byte != 0) && line.iter().any(|byte| *byte != 0xff)
}

/// What to write to the line at `offset`: no two lines have the same, and no byte of it is 0 or 0xff in
/// every line.
pub fn pattern(offset: u64) -> [u8; LINE] {
    // An odd multiplier is a bijection; the golden ratio's spreads the low bits.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

    let mut line = [0; LINE];
    for (nth, word) in (1u64..).zip(line.chunks_exact_mut(8)) {
        let value = (offset ^ nth).wrapping_mul(SPREAD) ^ SPREAD;
        word.copy_from_slice(&value.to_le_bytes());
    }
    line
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{is_telling, lines, pattern, spacing, LINE, NARROWEST, WIDEST};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn both_ends_are_looked_at() {
        assert_eq!(lines(0).count(), 0);
        assert_eq!(lines(63).count(), 0);
        assert!(lines(64).eq([0]));
        assert!(lines(4096).eq([0, 4032]));
        assert!(lines(NARROWEST).eq([0, NARROWEST - 64]));
        assert!(lines(NARROWEST + 64).eq([0, NARROWEST]));
        assert_eq!(lines(512 << 20).nth(1), Some(8 << 20));
        assert_eq!(lines(512 << 20).count(), 65);
        assert_eq!(lines(16 << 30).count(), 129);
        assert_eq!(lines(16 << 40).count(), (16 << 13) + 1);
        // The end is right whatever the size.
        assert_eq!(lines((1 << 52) + 63).last(), Some((1 << 52) - 64));
    }

    #[test]
    fn zeroes_and_ones_tell_nothing() {
        assert!(!is_telling(&[0; LINE]));
        assert!(!is_telling(&[0xff; LINE]));
        for at in 0..LINE {
            let mut line = [0; LINE];
            line[at] = 1;
            assert!(is_telling(&line));
            let mut line = [0xff; LINE];
            line[at] = 0xfe;
            assert!(is_telling(&line));
        }
    }

    #[test]
    fn patterns_differ() {
        let patterns: BTreeSet<_> = lines(16 << 40).map(pattern).collect();
        assert_eq!(patterns.len(), lines(16 << 40).count());
    }

    proptest! {
        #[test]
        fn no_large_hole_is_passed_over(size in 64u64..1 << 42, at in 0u64..1 << 42) {
            let hole = at..at + spacing(size);
            prop_assume!(hole.end <= size);
            prop_assert!(lines(size).any(|line| hole.contains(&line)));
            prop_assert!(spacing(size) <= WIDEST);
        }

        #[test]
        fn lines_lie_in_the_range(size in 0u64..1 << 34) {
            let all: Vec<_> = lines(size).collect();
            prop_assert!(all.is_sorted_by(|one, next| one < next));
            for line in all {
                prop_assert_eq!(line % LINE as u64, 0);
                prop_assert!(line + LINE as u64 <= size);
            }
        }

        #[test]
        fn patterns_tell(offset in any::<u64>()) {
            prop_assert!(is_telling(&pattern(offset)));
        }
    }
}
