// SPDX-License-Identifier: GPL-2.0

//! Decisions made of bytes.

/// Bytes that decide; when there are no more, numbers that follow from those there were.
pub(crate) struct Choices<'d> {
    data: &'d [u8],
    state: u64,
}

impl<'d> Choices<'d> {
    pub(crate) fn new(data: &'d [u8]) -> Self {
        let state = data.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, &byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { data, state }
    }

    fn byte(&mut self) -> u8 {
        if let Some((&first, rest)) = self.data.split_first() {
            self.data = rest;
            return first;
        }
        // xorshift64*, whose state is never 0.
        self.state |= 1;
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }

    /// Any number.
    pub(crate) fn word(&mut self) -> u64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte());
        u64::from_le_bytes(bytes)
    }

    /// A number below `end`, which is at most 2²⁴; 0 if that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let mut number = 0;
        let mut reach = 1_u64;
        while reach < end {
            number = number << 8 | u64::from(self.byte());
            reach <<= 8;
        }
        number.checked_rem(end).unwrap_or(0)
    }

    /// One of a list; [`None`] if that is empty.
    pub(crate) fn of<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        list.get(self.below(list.len() as u64) as usize)
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
