// SPDX-License-Identifier: GPL-2.0

//! The arithmetic of `damage`, against models that look at every sector.

use fs_extents::fiemap::Extent;
use proptest::prelude::*;
use rpmemctl::damage::overlap::{BadBytes, What};
use rpmemctl::device_mapper::{Leg, Line, Target};
use rpmemctl::stack::{striped, BadPiece};
use std::collections::BTreeMap;

const SECTOR: u64 = 512;
/// Sectors of the devices here.
const SECTORS: u64 = 256;

/// Maximal pieces of a device whose sectors are on "disk" from `disk_start` on.
fn pieces(bad: &[bool], disk_start: u64) -> Vec<BadPiece> {
    let mut pieces = Vec::<BadPiece>::new();
    for (sector, _) in (0..).zip(bad).filter(|(_, bad)| **bad) {
        match pieces.last_mut() {
            Some(last) if last.range().end == sector => last.sectors += 1,
            _ => pieces.push(BadPiece {
                start: sector,
                sectors: 1,
                disk: "disk".to_owned(),
                disk_start: disk_start + sector,
            }),
        }
    }
    pieces
}

fn bad_sectors() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(prop::bool::weighted(0.3), SECTORS as usize)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_bad_byte_of_a_file_is_named_once(
        bad in bad_sectors(),
        logical in 0..20u64,
        physical in 0..SECTORS + 4,
        blocks in 1..40u64,
        size in 0..70 * SECTOR,
        unaligned in 0..2u64,
    ) {
        let list = pieces(&bad, 1000);
        // Data that is kept in an inode begins within a sector.
        let physical = physical * SECTOR + unaligned * 100;
        let extent = Extent::written(logical * SECTOR, physical, blocks * SECTOR);
        let mut found = BTreeMap::new();
        for piece in BadBytes::new(&list).pieces_of_extent(&extent, size, What::Data) {
            prop_assert_eq!(piece.sector, piece.device_offset / SECTOR + 1000);
            prop_assert_eq!(piece.device_offset - physical, piece.offset - extent.logical);
            let sectors = piece.device_offset / SECTOR..piece.device_offset / SECTOR + piece.sectors;
            prop_assert!(sectors.clone().all(|sector| bad[sector as usize]));
            prop_assert!(piece.device_offset + piece.length <= sectors.end * SECTOR);
            for byte in piece.offset..piece.offset + piece.length {
                prop_assert_eq!(found.insert(byte, piece.what), None);
            }
        }
        for byte in 0..extent.length {
            let on_device = physical + byte;
            let is_bad = bad.get((on_device / SECTOR) as usize) == Some(&true);
            let offset = extent.logical + byte;
            let what = found.get(&offset);
            if is_bad && offset < size {
                prop_assert_eq!(what, Some(&What::Data));
            } else if !is_bad {
                prop_assert_eq!(what, None);
            } else {
                // What shares a sector with the end needs no line of its own.
                prop_assert!(what != Some(&What::Data));
            }
        }
    }

    #[test]
    fn sectors_of_stripes_are_where_device_mapper_puts_them(
        bad in prop::collection::vec(bad_sectors(), 1..4),
        chunk in prop::sample::select(vec![1u64, 2, 3, 8, 64, 1000]),
        rows in 1..6u64,
        line_start in 0..50u64,
        leg_start in 0..40u64,
    ) {
        let legs = bad.len() as u64;
        let length = rows * chunk * legs;
        let leg = |number: usize| Leg { device: format!("259:{number}"), start: leg_start };
        let line = Line {
            start: line_start,
            length,
            target: Target::Striped { chunk, legs: (0..bad.len()).map(leg).collect() },
        };
        let mut found = BTreeMap::new();
        for (number, bad) in bad.iter().enumerate() {
            let below = pieces(bad, 0);
            for piece in striped(&line, chunk, legs, number as u64, &leg(number), &below) {
                for n in 0..piece.sectors {
                    prop_assert_eq!(found.insert(piece.start + n, (number, piece.disk_start + n)), None);
                }
            }
        }
        // Forwards, as Documentation/admin-guide/device-mapper/striped.rst has it.
        let mut expected = BTreeMap::new();
        for sector in 0..length {
            let (nth, offset) = (sector / chunk, sector % chunk);
            let (row, number) = (nth / legs, (nth % legs) as usize);
            let on_leg = leg_start + row * chunk + offset;
            if bad[number].get(on_leg as usize) == Some(&true) {
                expected.insert(line_start + sector, (number, on_leg));
            }
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn nothing_is_lost_where_nothing_was_written() {
    let list = pieces(&[true; 16], 0);
    let bad = BadBytes::new(&list);
    let kinds = |size| {
        let extent = Extent::written(0, 0, 8192);
        let pieces = bad.pieces_of_extent(&extent, size, What::Data);
        pieces
            .iter()
            .map(|piece| (piece.what, piece.offset, piece.length))
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(8192), [(What::Data, 0, 8192)]);
    assert_eq!(kinds(0), [(What::BeyondEnd, 0, 8192)]);
    assert_eq!(
        kinds(5000),
        [(What::Data, 0, 5000), (What::BeyondEnd, 5120, 3072)]
    );
    assert!(!What::BeyondEnd.is_loss() && !What::Unwritten.is_loss() && What::Data.is_loss());
}
