// SPDX-License-Identifier: GPL-2.0

//! Which texts are regions, what they say, and what is told to whoever wrote another.

use proptest::prelude::*;
use rpmem_regions::{
    PhysAddr, PushError, Region, RegionError, Regions, END_OF_MEMORY, MAX_REGIONS,
};

fn region(start: u64, size: u64) -> Region {
    Region::new(PhysAddr::new(start), size).unwrap()
}

fn parse(text: &str) -> Result<Vec<Region>, String> {
    match Regions::parse(text.as_bytes()) {
        Ok(regions) => Ok(regions.to_vec()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn takes() {
    let end = END_OF_MEMORY.get();
    for (text, regions) in [
        ("1G@4G", &[region(4 << 30, 1 << 30)][..]),
        ("1g@4g\n", &[region(4 << 30, 1 << 30)]),
        ("1G@4G \t\n", &[region(4 << 30, 1 << 30)]),
        ("0x1000@0", &[region(0, 0x1000)]),
        ("010@010", &[region(8, 8)]),
        ("1@0", &[region(0, 1)]),
        (
            "1G@4G,0x1ff000@0x200001000,2M@1M",
            &[
                region(4 << 30, 1 << 30),
                region(0x2_0000_1000, 0x1f_f000),
                region(1 << 20, 2 << 20),
            ],
        ),
        // Touching is not overlapping, in either order.
        (
            "1M@2M,1M@1M,1M@3M",
            &[
                region(2 << 20, 1 << 20),
                region(1 << 20, 1 << 20),
                region(3 << 20, 1 << 20),
            ],
        ),
        (
            "1M@2M:ro,1M@1M,1M@3M:ro\n",
            &[
                region(2 << 20, 1 << 20).with_read_only(true),
                region(1 << 20, 1 << 20),
                region(3 << 20, 1 << 20).with_read_only(true),
            ],
        ),
        ("4P@0", &[region(0, end)]),
        ("1@0xfffffffffffff", &[region(end - 1, 1)]),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(regions), "{text:?}");
    }
}

#[test]
fn refuses() {
    const NUMBER: &str =
        "write it in decimal, 0x hex or 0 octal, with K, M, G, T, P or E behind it if need be";
    const MEMORY: &str = "name memory that the machine has, see /proc/iomem";
    let long = "9".repeat(100);
    for (text, message) in [
        (
            "",
            "\"\": no region is named; write SIZE@ADDR[,SIZE@ADDR...], such as 1G@4G".into(),
        ),
        (
            " \n",
            "\"\": no region is named; write SIZE@ADDR[,SIZE@ADDR...], such as 1G@4G".into(),
        ),
        (
            "1G@4G,",
            "\"1G@4G,\": region 2 is empty; put one comma between two regions and none at the end"
                .into(),
        ),
        (
            ",1G@4G",
            "\",1G@4G\": region 1 is empty; put one comma between two regions and none at the end"
                .into(),
        ),
        (
            "1G",
            "\"1G\": there is no @; write SIZE@ADDR, such as 1G@4G".into(),
        ),
        (
            "1G!4G",
            "\"1G!4G\": there is no @; write SIZE@ADDR, such as 1G@4G".into(),
        ),
        (
            "1M@0,1G 4G",
            "\"1G 4G\": there is no @; write SIZE@ADDR, such as 1G@4G".into(),
        ),
        ("@4G", format!("\"@4G\": SIZE is not a number; {NUMBER}")),
        (
            " 1G@4G",
            format!("\" 1G@4G\": SIZE is not a number; {NUMBER}"),
        ),
        (
            "1GB@4G",
            format!("\"1GB@4G\": SIZE is not a number; {NUMBER}"),
        ),
        ("1G@", format!("\"1G@\": ADDR is not a number; {NUMBER}")),
        (
            "1G@4G@8G",
            format!("\"1G@4G@8G\": ADDR is not a number; {NUMBER}"),
        ),
        (
            "1G@4G:",
            "\"1G@4G:\": the word behind the address is not known; write SIZE@ADDR:ro for a read-only region".into(),
        ),
        (
            "1G@4G:rw",
            "\"1G@4G:rw\": the word behind the address is not known; write SIZE@ADDR:ro for a read-only region".into(),
        ),
        (
            "1G:ro@4G",
            format!("\"1G:ro@4G\": SIZE is not a number; {NUMBER}"),
        ),
        (
            "1G@-4G",
            format!("\"1G@-4G\": ADDR is not a number; {NUMBER}"),
        ),
        (
            "1G@\u{7f}",
            format!("\"1G@\\x7f\": ADDR is not a number; {NUMBER}"),
        ),
        (
            "16E@0",
            format!("\"16E@0\": SIZE or ADDR is not below 2^64; {MEMORY}"),
        ),
        (
            "1@0x10000000000000000",
            format!("\"1@0x10000000000000000\": SIZE or ADDR is not below 2^64; {MEMORY}"),
        ),
        ("0@4G", "\"0@4G\": SIZE is 0; name at least one page".into()),
        (
            "2@0xfffffffffffff",
            format!(
                "\"2@0xfffffffffffff\": it ends beyond 4P, where physical addresses end; {MEMORY}"
            ),
        ),
        (
            "15E@15E",
            format!("\"15E@15E\": it ends beyond 4P, where physical addresses end; {MEMORY}"),
        ),
        (
            "1G@4G,1M@0,4K@0x13ffff000",
            "\"4K@0x13ffff000\": it overlaps 1G@4G, which stands before it; \
             leave one out or make one smaller"
                .into(),
        ),
        (
            &long,
            format!(
                "\"{}...\": there is no @; write SIZE@ADDR, such as 1G@4G",
                &long[..64]
            ),
        ),
    ] {
        assert_eq!(parse(text), Err(message), "{text:?}");
    }
}

#[test]
fn read_only_stays_what_it_is() {
    let read_only = region(4096, 4 << 20).with_read_only(true);
    assert_eq!(read_only.to_string(), "4M@4K:ro");
    let misaligned = read_only.check_alignment(2 << 20).unwrap_err();
    let instead = misaligned.instead.unwrap();
    assert_eq!(instead.to_string(), "2M@2M:ro");
    let trimmed = region(0, (2 << 20) + 1)
        .with_read_only(true)
        .trim_end(2 << 20);
    assert!(trimmed.unwrap().is_read_only());
}

#[test]
fn sixty_four_and_no_more() {
    let elements: Vec<_> = (0..=MAX_REGIONS).map(|i| format!("1M@{i}M")).collect();
    let fits = elements[..MAX_REGIONS].join(",");
    assert_eq!(Regions::parse(fits.as_bytes()).unwrap().len(), 64);
    let error = elements.join(",");
    let error = Regions::parse(error.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"1M@64M\": more than 64 regions; join those that touch, or leave some out from here on"
    );
}

#[test]
fn pushed_one_by_one() {
    let mut regions = Regions::default();
    assert!(regions.is_empty());
    regions.push(region(4096, 4096)).unwrap();
    assert_eq!(
        regions.push(region(8191, 1)),
        Err(PushError::Overlaps(region(4096, 4096)))
    );
    for i in 1..MAX_REGIONS as u64 {
        regions.push(region((i + 1) * 4096, 4096)).unwrap();
    }
    assert_eq!(regions.push(region(0, 1)), Err(PushError::Full));
    assert_eq!(regions.len(), MAX_REGIONS);
}

#[test]
fn what_is_a_region() {
    let new = |start, size| Region::new(PhysAddr::new(start), size);
    assert_eq!(new(0, 0), Err(RegionError::Empty));
    assert_eq!(new(u64::MAX, 0), Err(RegionError::Empty));
    assert_eq!(new(u64::MAX, 1), Err(RegionError::BeyondMemory));
    assert_eq!(new(1, u64::MAX), Err(RegionError::BeyondMemory));
    assert_eq!(new(1 << 52, 1), Err(RegionError::BeyondMemory));
    let last = new((1 << 52) - 1, 1).unwrap();
    assert_eq!(last.end(), END_OF_MEMORY);
    assert_eq!(last.size(), 1);
    assert_eq!(last.start().get(), (1 << 52) - 1);
}

#[test]
fn alignment() {
    const M: u64 = 1 << 20;
    let aligned = region(4096 * M, 1024 * M);
    assert_eq!(aligned.check_alignment(2 * M), Ok(()));
    assert_eq!(aligned.trim_end(2 * M), Ok(aligned));
    for (region, message) in [
        (
            region(4096 * M, 0x1f_f000),
            "\"0x1ff000@4G\": start and size must be multiples of 2M; \
             there is no aligned 2M inside it, name a larger region",
        ),
        (
            region(4096 * M + 4096, 1024 * M),
            "\"1G@0x100001000\": start and size must be multiples of 2M; \
             write regions=1022M@4098M",
        ),
        (
            region(4096 * M, 1023 * M),
            "\"1023M@4G\": start and size must be multiples of 2M; write regions=1022M@4G",
        ),
        (
            region(4097 * M, 4 * M),
            "\"4M@4097M\": start and size must be multiples of 2M; write regions=2M@4098M",
        ),
    ] {
        let error = region.check_alignment(2 * M).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(
        region(4096 * M, 1023 * M).trim_end(2 * M),
        Ok(region(4096 * M, 1022 * M))
    );
    // Only an end gives way.
    let error = region(4097 * M, 4 * M).trim_end(2 * M).unwrap_err();
    assert_eq!(error.instead, Some(region(4098 * M, 2 * M)));
    let error = region(4096 * M, M).trim_end(2 * M).unwrap_err();
    assert_eq!(error.instead, None);
    // An alignment that is not a power of two, none, and one that no region can have.
    assert_eq!(region(3, 9).check_alignment(3), Ok(()));
    assert_eq!(region(3, 9).check_alignment(0), Ok(()));
    assert_eq!(region(3, 9).trim_end(0), Ok(region(3, 9)));
    let error = region(3, 9).check_alignment(u64::MAX).unwrap_err();
    assert_eq!(error.instead, None);
}

fn any_region() -> impl Strategy<Value = Region> {
    let addr = prop_oneof![
        0..1u64 << 52,
        (0..1u64 << 32).prop_map(|page| page << 12),
        (0..1u64 << 22).prop_map(|m| m << 20),
        (0..1u64 << 12).prop_map(|g| g << 30),
    ];
    (addr.clone(), addr).prop_filter_map("too high", |(start, size)| {
        Region::new(PhysAddr::new(start), size).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_it_shows_it_reads(list in prop::collection::vec(any_region(), 1..20)) {
        let mut regions = Regions::new();
        for region in list {
            let overlapping = regions.iter().find(|other| other.overlaps(region)).copied();
            prop_assert_eq!(
                regions.push(region).err(),
                overlapping.map(PushError::Overlaps)
            );
        }
        let text: Vec<_> = regions.iter().map(Region::to_string).collect();
        let text = text.join(",");
        let again = Regions::parse(text.as_bytes());
        prop_assert_eq!(again.as_deref(), Ok(&*regions));
    }

    #[test]
    fn any_bytes(text in prop::collection::vec(prop_oneof![
        any::<u8>(), b'0'..=b'9', Just(b'@'), Just(b','), Just(b'x'), Just(b'G'),
    ], 0..60)) {
        if let Err(error) = Regions::parse(&text) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn the_advice_is_aligned_inside_and_as_large_as_can_be(
        region in any_region(),
        shift in 0..40u32,
    ) {
        let align = 1 << shift;
        match region.check_alignment(align) {
            Ok(()) => prop_assert_eq!(region.trim_end(align), Ok(region)),
            Err(error) => match error.instead {
                Some(instead) => {
                    prop_assert!(instead.check_alignment(align).is_ok());
                    prop_assert!(instead.start() >= region.start());
                    prop_assert!(instead.end() <= region.end());
                    prop_assert!(instead.start().get() - region.start().get() < align);
                    prop_assert!(region.end().get() - instead.end().get() < align);
                }
                None => prop_assert!(region.size() < 2 * align),
            },
        }
        if let Ok(trimmed) = region.trim_end(align) {
            prop_assert_eq!(trimmed.start(), region.start());
            prop_assert!(trimmed.check_alignment(align).is_ok());
        }
    }
}
