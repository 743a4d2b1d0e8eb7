// SPDX-License-Identifier: GPL-2.0

//! A Fenwick tree: prefix sums of per-block numbers that change.

/// Adds `delta` to the number of `block`. Wraps, so that a negative `delta` is its two's
/// complement. A block past the end is ignored.
pub(crate) fn add(tree: &mut [u64], block: usize, delta: u64) {
    let mut i = block;
    while let Some(sum) = tree.get_mut(i) {
        *sum = sum.wrapping_add(delta);
        // In 1-based numbering: add the lowest set bit.
        let Some(one) = i.checked_add(1) else { return };
        i = match one.checked_add(one & one.wrapping_neg()) {
            Some(next) => next.wrapping_sub(1),
            None => return,
        };
    }
}

/// The block in which the running sum passes `target`, and the sum of all blocks before it.
///
/// `None` if all blocks together do not pass `target`.
pub(crate) fn find(tree: &[u64], target: u64) -> Option<(usize, u64)> {
    let mut block = 0usize;
    let mut before = 0u64;
    let mut step = match tree.len().checked_ilog2() {
        Some(log) => 1usize << log,
        None => return None,
    };
    while step > 0 {
        // `block + step` is the 1-based number of the node that sums `step` blocks from `block`.
        if let Some(&sum) = tree.get(block.wrapping_add(step).wrapping_sub(1)) {
            let sum = before.saturating_add(sum);
            if sum <= target {
                block = block.wrapping_add(step);
                before = sum;
            }
        }
        step >>= 1;
    }
    (block < tree.len()).then_some((block, before))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{add, find};
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn sums_of_every_length() {
        for len in 1..70usize {
            let mut tree = vec![0; len];
            let numbers: Vec<u64> = (0..len as u64).map(|i| i * 7 % 5).collect();
            for (block, &n) in numbers.iter().enumerate() {
                add(&mut tree, block, n + 3);
                add(&mut tree, block, 3u64.wrapping_neg());
            }
            let mut before = 0;
            for (block, &n) in numbers.iter().enumerate() {
                for target in before..before + n {
                    assert_eq!(find(&tree, target), Some((block, before)));
                }
                before += n;
            }
            assert_eq!(find(&tree, before), None);
        }
    }

    #[test]
    fn nothing_in_an_empty_tree() {
        add(&mut [], 0, 1);
        assert_eq!(find(&[], 0), None);
    }
}
