// SPDX-License-Identifier: GPL-2.0

//! What a transaction's list may have, so that most questions need no look at the list.

/// Which words and lines a list may have: a bit for several each. What is taken off the list stays here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    /// For words that are stored.
    words: u64,
    /// For lines with bytes that the record vouches for.
    lines: u64,
    /// How many bytes it vouches for.
    pub(super) checked: u64,
}

/// The bits of `count` numbers from `first` on.
const fn bits(first: u64, count: u64) -> u64 {
    if count >= u64::BITS as u64 {
        return u64::MAX;
    }
    let mask = (1_u64 << count) - 1;
    mask.rotate_left((first % u64::BITS as u64) as u32)
}

/// The bits of the words that have bytes of a range.
const fn words_of(offset: u64, len: u64) -> u64 {
    let first = offset / 8;
    bits(
        first,
        offset.saturating_add(len).div_ceil(8).saturating_sub(first),
    )
}

/// The bits of the lines that have bytes of a range.
const fn lines_of(offset: u64, len: u64) -> u64 {
    let first = offset / 64;
    bits(
        first,
        offset
            .saturating_add(len)
            .div_ceil(64)
            .saturating_sub(first),
    )
}

impl Filter {
    /// Whether words of a range may be on the list.
    #[inline]
    pub(super) const fn may_store(&self, offset: u64, len: u64) -> bool {
        self.words & words_of(offset, len) != 0
    }

    /// Whether a word, whose offset is a multiple of 8, may be on the list.
    #[inline]
    pub(super) const fn may_store_word(&self, offset: u64) -> bool {
        self.words >> (offset / 8 % 64) & 1 == 1
    }

    /// Whether the list may vouch for bytes of a word.
    #[inline]
    pub(super) const fn may_check(&self, offset: u64) -> bool {
        self.lines >> (offset / 64 % 64) & 1 == 1
    }

    /// A word, whose offset is a multiple of 8, is on the list.
    #[inline]
    pub(super) fn store(&mut self, offset: u64) {
        self.words |= 1 << (offset / 8 % 64);
    }

    /// The list vouches for a range.
    pub(super) fn check(&mut self, offset: u64, len: u64) {
        self.lines |= lines_of(offset, len);
        self.checked = self.checked.saturating_add(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_put_in_is_found() {
        for (offset, len) in [
            (0, 8),
            (8, 64),
            (56, 16),
            (4088, 8),
            (4096, 4096),
            (504, 600),
        ] {
            let mut filter = Filter::default();
            filter.check(offset, len);
            assert_eq!(filter.checked, len);
            for at in (offset..offset + len).step_by(8) {
                assert!(filter.may_check(at));
            }
            for at in (offset..offset + len).step_by(8) {
                let mut filter = Filter::default();
                filter.store(at);
                assert!(filter.may_store(offset, len) && filter.may_store_word(at));
                // A range that begins or ends within the word.
                assert!(filter.may_store(at + 7, 3) && filter.may_store(at.saturating_sub(2), 3));
            }
        }
    }

    #[test]
    fn other_places_are_told_apart() {
        let mut filter = Filter::default();
        filter.store(4096);
        filter.check(8192, 64);
        assert!(!filter.may_store(4104, 8) && !filter.may_store(4032, 64));
        assert!(!filter.may_check(8192 + 64) && !filter.may_check(8184));
        assert!(!Filter::default().may_store(0, u64::MAX));
    }
}
