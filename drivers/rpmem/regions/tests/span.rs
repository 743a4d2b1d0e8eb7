// SPDX-License-Identifier: GPL-2.0

//! Never past the end, and nothing lost on the way.

use proptest::prelude::*;
use rpmem_regions::span::{pages_from, Pgoff, Sector, Span, SECTOR_SIZE};

const SIZE: u64 = 1 << 20;
const PAGE: u64 = 4096;

fn bytes(span: Option<Span>) -> Option<(u64, u64)> {
    span.map(|span| (span.offset(), span.len()))
}

#[test]
fn sectors_to_bytes() {
    for (sector, len, expected) in [
        (0, 512, Some((0, 512))),
        (0, SIZE, Some((0, SIZE))),
        (1, SIZE - 512, Some((512, SIZE - 512))),
        (2047, 512, Some((SIZE - 512, 512))),
        (2047, 1, Some((SIZE - 512, 1))),
        (0, 0, None),
        (0, SIZE + 1, None),
        (1, SIZE, None),
        (2047, 513, None),
        (2048, 1, None),
        (2048, 0, None),
        // Where the multiplication or the sum would wrap to something small.
        (1 << 55, 512, None),
        (u64::MAX, 512, None),
        ((1 << 55) - 1, 1024, None),
        (1, u64::MAX - 511, None),
        (0, u64::MAX, None),
    ] {
        let span = Span::from_sector(Sector(sector), len, SIZE);
        assert_eq!(bytes(span), expected, "{sector} {len}");
    }
    assert_eq!(Span::from_sector(Sector(0), 1, 0), None);
    let all = Span::new(0, u64::MAX, u64::MAX).unwrap();
    assert_eq!(all.end(), u64::MAX);
    assert_eq!(Span::new(1, u64::MAX, u64::MAX), None);
}

#[test]
fn pages_to_bytes() {
    for (first, pages, expected) in [
        (0, 1, Some((0, PAGE))),
        (255, 1, Some((SIZE - PAGE, PAGE))),
        (0, 256, Some((0, SIZE))),
        (0, 0, None),
        (0, 257, None),
        (256, 1, None),
        (1 << 52, 1, None),
        (0, 1 << 52, None),
        (u64::MAX, u64::MAX, None),
    ] {
        let span = Span::from_pages(Pgoff(first), pages, PAGE, SIZE);
        assert_eq!(bytes(span), expected, "{first} {pages}");
    }
}

#[test]
fn bytes_to_sectors() {
    for (offset, len, touched) in [
        (0, 512, (0, 1)),
        (0, 1, (0, 1)),
        (511, 1, (0, 1)),
        (511, 2, (0, 2)),
        (511, 513, (0, 2)),
        (1, 1023, (0, 2)),
        (64, 64, (0, 1)),
        (4096, 4096, (8, 8)),
        (4095, 4098, (7, 10)),
    ] {
        let span = Span::new(offset, len, SIZE).unwrap();
        let (first, sectors) = span.sectors_touched();
        assert_eq!((first.0, sectors), touched, "{offset} {len}");
    }
    let last = Span::new(u64::MAX - 1, 1, u64::MAX).unwrap();
    assert_eq!(last.sectors_touched(), (Sector((1 << 55) - 1), 1));
}

#[test]
fn errors_to_bytes() {
    const START: u64 = 4 << 30;
    for (addr, granule, expected) in [
        (START, 0, Some((0, 1))),
        (START + 777, 0, Some((777, 1))),
        (START + 777, 6, Some((768, 64))),
        (START + 8191, 12, Some((4096, 4096))),
        (START + SIZE - 1, 6, Some((SIZE - 64, 64))),
        (START + SIZE - 1, 12, Some((SIZE - PAGE, PAGE))),
        // Blocks that are larger than the region, or than anything.
        (START + 5, 21, Some((0, SIZE))),
        (START + 5, 63, Some((0, SIZE))),
        (START + 5, 64, Some((0, SIZE))),
        (START + 5, u32::MAX, Some((0, SIZE))),
        (START - 1, 0, None),
        (START - 1, 63, None),
        (START + SIZE, 6, None),
        (0, 12, None),
        (u64::MAX, 12, None),
    ] {
        let span = Span::of_error(addr, granule, START, SIZE);
        assert_eq!(bytes(span), expected, "{addr:#x} {granule}");
    }
    // A region that does not begin or end with a block.
    assert_eq!(bytes(Span::of_error(4000, 12, 3584, 1024)), Some((0, 512)));
    assert_eq!(
        bytes(Span::of_error(4100, 12, 3584, 1024)),
        Some((512, 512))
    );
    assert_eq!(Span::of_error(u64::MAX, 64, 0, 0), None);
    let all = Span::of_error(u64::MAX - 1, 12, 0, u64::MAX);
    assert_eq!(bytes(all), Some((u64::MAX - 4095, 4095)));
}

#[test]
fn contiguous_pages() {
    for (first, wanted, expected) in [
        (0, 1, Some(1)),
        (0, 10, Some(10)),
        (0, 11, Some(10)),
        (9, 1, Some(1)),
        (9, u64::MAX, Some(1)),
        (10, 1, None),
        (u64::MAX, 1, None),
        (0, 0, None),
    ] {
        assert_eq!(pages_from(Pgoff(first), 10, wanted), expected);
    }
    assert_eq!(pages_from(Pgoff(0), 0, 1), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inside_or_not_at_all(sector: u64, len: u64, size: u64) {
        let end = u128::from(sector) * u128::from(SECTOR_SIZE) + u128::from(len);
        let span = Span::from_sector(Sector(sector), len, size);
        prop_assert_eq!(span.is_some(), len > 0 && end <= u128::from(size));
        if let Some(span) = span {
            prop_assert!(span.end() <= size);
        }
    }

    #[test]
    fn an_error_spoils_its_own_byte(addr: u64, granule in 0..70u32, start: u64, size: u64) {
        let inside = addr >= start && addr - start < size;
        let span = Span::of_error(addr, granule, start, size);
        prop_assert_eq!(span.is_some(), inside);
        if let Some(span) = span {
            prop_assert!(span.offset() <= addr - start && addr - start < span.end());
            prop_assert!(span.end() <= size);
            prop_assert!(granule >= 64 || span.len() <= 1 << granule);
        }
    }

    #[test]
    fn sectors_around(offset in 0..SIZE, len in 1..SIZE) {
        let Some(span) = Span::new(offset, len, SIZE) else { return Ok(()) };
        let (first, sectors) = span.sectors_touched();
        prop_assert!(sectors > 0 && first.0 + sectors <= SIZE / SECTOR_SIZE);
        for sector in 0..SIZE / SECTOR_SIZE {
            let (start, end) = (sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE);
            let touched = start < span.end() && span.offset() < end;
            prop_assert_eq!(touched, first.0 <= sector && sector < first.0 + sectors);
        }
    }
}
