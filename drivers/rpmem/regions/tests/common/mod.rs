// SPDX-License-Identifier: GPL-2.0

//! What is a region and which are taken, as the plainest model says: wide numbers, whole strings,
//! and nothing but what the documentation has.

// The fuzz targets use their own part of this each.
#![allow(dead_code)]

use rpmem_regions::infoblock::{recognise, InfoBlock, PROBES, SIGNATURE_LEN};
use rpmem_regions::{PhysAddr, PushError, Region, Regions, MAX_REGIONS};

const END_OF_MEMORY: u128 = 1 << 52;

/// Start and end.
type Range = (u128, u128);

/// A number of the kernel's command line; `None` for what is none, or not below 2^64.
fn number(text: &str) -> Option<u128> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = match lower.strip_prefix("0x") {
        Some(hex) => (16, hex),
        None if lower.starts_with('0') => (8, lower.as_str()),
        None => (10, lower.as_str()),
    };
    // An e is a digit of a hex number.
    let suffixes = if base == 16 { "kmgtp" } else { "kmgtpe" };
    let suffix = digits.chars().last().and_then(|last| suffixes.find(last));
    let (digits, scale) = match suffix {
        Some(power) => (&digits[..digits.len() - 1], 1 << (10 * (power + 1))),
        None => (digits, 1u128),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    // 40 hex digits are 160 bits: too many for the model's numbers, and for everybody's.
    let digits = digits.trim_start_matches('0');
    let value = match digits.len() {
        0 => 0,
        1..=22 => u128::from_str_radix(digits, base).unwrap(),
        _ => return None,
    };
    Some(value.checked_mul(scale)?).filter(|&value| value < 1 << 64)
}

/// The ranges that a text names, or `None` if it is no `regions=`.
fn ranges(text: &[u8]) -> Option<Vec<Range>> {
    let text = std::str::from_utf8(text.trim_ascii_end()).ok()?;
    let mut ranges = Vec::new();
    for element in text.split(',') {
        let (size, start) = element.split_once('@')?;
        let start = start.strip_suffix(":ro").unwrap_or(start);
        let (size, start) = (number(size)?, number(start)?);
        let range = (start, start + size);
        if size == 0 || range.1 > END_OF_MEMORY || ranges.iter().any(|&other| overlap(other, range))
        {
            return None;
        }
        ranges.push(range);
    }
    (ranges.len() <= MAX_REGIONS).then_some(ranges)
}

fn overlap(one: Range, other: Range) -> bool {
    one.0.max(other.0) < one.1.min(other.1)
}

fn range(region: &Region) -> Range {
    let start = u128::from(region.start().get());
    (start, start + u128::from(region.size()))
}

/// Compares how a text is read, what it shows again, and the advice about its alignment.
///
/// # Panics
///
/// If the model and the crate differ.
pub(crate) fn compare_parse(text: &[u8], align: u64) -> Option<Regions> {
    let regions = match Regions::parse(text) {
        Ok(regions) => regions,
        Err(error) => {
            assert_eq!(ranges(text), None, "refused: {error}");
            let message = error.to_string();
            assert!(message.is_ascii() && !message.contains('\n'), "{message:?}");
            return None;
        }
    };
    let taken: Vec<_> = regions.iter().map(range).collect();
    assert_eq!(Some(taken), ranges(text));

    let shown: Vec<_> = regions.iter().map(Region::to_string).collect();
    let again = shown.join(",");
    assert_eq!(*Regions::parse(again.as_bytes()).unwrap(), *regions);
    for region in regions.iter() {
        let Err(error) = region.check_alignment(align) else {
            continue;
        };
        let message = error.to_string();
        let advice = message.split_once("write regions=").map(|(_, text)| {
            let advice = Regions::parse(text.as_bytes()).unwrap();
            assert_eq!(advice.len(), 1);
            assert!(advice[0].check_alignment(align).is_ok());
            advice[0]
        });
        assert_eq!(advice, error.instead);
    }
    Some(regions)
}

/// Adds `legacy` ranges to what was named, as `auto=1` does, and compares with the model: what is
/// aligned at its start, trimmed at its end and overlaps nothing is added while there is room.
pub(crate) fn compare_auto(mut regions: Regions, legacy: &[(u64, u64)], align: u64) {
    let mut model: Vec<_> = regions.iter().map(range).collect();
    for &(start, size) in legacy {
        let wide = (u128::from(start), u128::from(start) + u128::from(size));
        let Ok(region) = Region::new(PhysAddr::new(start), size) else {
            assert!(size == 0 || wide.1 > END_OF_MEMORY);
            continue;
        };
        let wide_align = u128::from(align);
        let trimmed = (wide.0, wide.1 - (wide.1 - wide.0) % wide_align);
        let fits = wide.0 % wide_align == 0 && trimmed.1 > trimmed.0;
        let Ok(region) = region.trim_end(align) else {
            assert!(!fits);
            continue;
        };
        assert!(fits);
        assert_eq!(range(&region), trimmed);
        let overlapped = model.iter().position(|&other| overlap(other, trimmed));
        match regions.push(region) {
            Ok(()) => {
                assert_eq!(overlapped, None);
                model.push(trimmed);
            }
            Err(PushError::Overlaps(other)) => {
                assert_eq!(Some(range(&other)), overlapped.map(|at| model[at]));
            }
            Err(PushError::Full) => {
                assert_eq!((overlapped, model.len()), (None, MAX_REGIONS));
            }
        }
    }
    assert_eq!(regions.iter().map(range).collect::<Vec<_>>(), model);
}

/// Looks into a medium where the driver looks, and compares with a search for the signatures there.
pub(crate) fn compare_infoblock(medium: &[u8]) {
    for offset in PROBES.into_iter().chain([512, 8192]) {
        let bytes = medium.get(offset as usize..).unwrap_or(&[]);
        let bytes = &bytes[..bytes.len().min(SIGNATURE_LEN)];
        let expected = match (offset, bytes) {
            (4096, b"NVDIMM_PFN_INFO\0") => Some(InfoBlock::Pfn),
            (4096, b"NVDIMM_DAX_INFO\0") => Some(InfoBlock::Dax),
            (0 | 4096, b"BTT_ARENA_INFO\0\0") => Some(InfoBlock::Btt),
            _ => None,
        };
        assert_eq!(recognise(offset, bytes), expected);
    }
}
