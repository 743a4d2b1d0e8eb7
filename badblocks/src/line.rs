// SPDX-License-Identifier: GPL-2.0

//! One line of the text form.

use crate::extent::Extent;

/// The longest line: two numbers of 20 digits, a space and a newline.
pub const MAX_LINE: usize = 42;

/// How many bytes the line of `extent` takes.
pub(crate) fn line_len(extent: Extent) -> u64 {
    digits(extent.start()) + digits(extent.sectors()) + 2
}

fn digits(n: u64) -> u64 {
    u64::from(n.checked_ilog10().unwrap_or(0)) + 1
}

/// The bytes of a line, or what is left of them to show.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    bytes: [u8; MAX_LINE],
    /// The first byte still to show; the line ends where `bytes` does.
    first: usize,
}

impl Line {
    /// Nothing to show.
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; MAX_LINE],
        first: MAX_LINE,
    };

    /// `START LEN` and a newline.
    pub(crate) fn new(extent: Extent) -> Self {
        let mut line = Self::EMPTY;
        line.prepend(b'\n');
        line.prepend_number(extent.sectors());
        line.prepend(b' ');
        line.prepend_number(extent.start());
        line
    }

    fn prepend(&mut self, byte: u8) {
        // MAX_LINE bytes hold every line.
        if let Some(first) = self.first.checked_sub(1) {
            if let Some(b) = self.bytes.get_mut(first) {
                *b = byte;
                self.first = first;
            }
        }
    }

    fn prepend_number(&mut self, mut n: u64) {
        loop {
            self.prepend(b'0' + (n % 10) as u8);
            n /= 10;
            if n == 0 {
                return;
            }
        }
    }

    /// What is left to show.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.first..).unwrap_or(&[])
    }

    /// Takes `bytes` bytes off the front as shown.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.first = self.first.saturating_add(bytes).min(MAX_LINE);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{line_len, Line, MAX_LINE};
    use crate::Extent;
    use std::format;

    #[test]
    fn as_display_says() {
        for (start, sectors) in [
            (0, 1),
            (9, 10),
            (10, 9),
            (99, 100),
            (1, u64::MAX - 1),
            (u64::MAX - 1, 1),
            (1 << 63, 1 << 62),
        ] {
            let extent = Extent::new(start, sectors).unwrap();
            let text = format!("{extent}\n");
            assert_eq!(Line::new(extent).rest(), text.as_bytes());
            assert_eq!(line_len(extent), text.len() as u64);
            assert!(text.len() <= MAX_LINE);
        }
    }
}
