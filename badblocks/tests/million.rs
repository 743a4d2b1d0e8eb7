// SPDX-License-Identifier: GPL-2.0

//! A million ranges: 2,000 times what the kernel's own table holds.

mod common;

use badblocks::Extent;
use common::{map, text};

const RANGES: u64 = 1_000_000;
const STRIDE: u64 = 3;

#[test]
fn a_million_ranges() {
    let (map, mut index) = map(RANGES * STRIDE);
    for i in 0..RANGES {
        assert_eq!(map.set(&mut index, i * STRIDE, 2), Ok(2));
    }
    assert_eq!(index.ranges(), RANGES);
    assert_eq!(map.bad_sectors(), 2 * RANGES);
    assert_eq!(
        map.first_in(1_500_002, 100),
        Extent::new(1_500_003, 2),
        "the third sector of each three is good"
    );

    let whole = text(&map, &mut index, 1, 4096);
    assert_eq!(whole.len() as u64, index.text_len());
    let mut lines = whole.lines();
    for i in 0..RANGES {
        assert_eq!(lines.next(), Some(&*format!("{} 2", i * STRIDE)));
    }
    assert_eq!(lines.next(), None);

    let mut buf = [0; 10];
    for offset in (0..whole.len()).step_by(99_991) {
        let len = map.read_text(&mut index, 2, offset as u64, &mut buf);
        assert_eq!(buf[..len], whole.as_bytes()[offset..offset + len]);
    }

    // The good third between them, all at once: one range is left.
    assert_eq!(map.set(&mut index, 0, RANGES * STRIDE), Ok(RANGES));
    assert_eq!(text(&map, &mut index, 1, 4096), "0 3000000\n");
    for i in 0..RANGES {
        assert_eq!(map.clear(&mut index, i * STRIDE + 2, 1), Ok(1));
    }
    assert_eq!(index.text_len(), whole.len() as u64);
    assert_eq!(
        map.clear(&mut index, 1, RANGES * STRIDE - 1),
        Ok(2 * RANGES - 1)
    );
    assert_eq!(text(&map, &mut index, 1, 4096), "0 1\n");
}
