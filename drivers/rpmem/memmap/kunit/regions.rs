// SPDX-License-Identifier: GPL-2.0

//! Which texts are regions, and where regions may lie.

#[kernel::macros::kunit_tests(rpmem_regions)]
mod tests {
    use crate::regions::{foreign_format, phys_range};
    use kernel::prelude::*;
    use rpmem_regions::{
        infoblock::{recognise, InfoBlock, PROBES},
        ParseError, PhysAddr, PushError, Region, RegionError, Regions, Rule, END_OF_MEMORY,
        MAX_REGIONS,
    };

    const END: u64 = END_OF_MEMORY.get();

    fn region(start: u64, size: u64) -> Option<Region> {
        Region::new(PhysAddr::new(start), size).ok()
    }

    /// What a text of one region says: start and size.
    fn only(text: &[u8]) -> Option<(u64, u64)> {
        match Regions::parse(text).ok()?[..] {
            [one] => Some((one.start().get(), one.size())),
            _ => None,
        }
    }

    /// What is said against a text, and about which part of it.
    fn refused(text: &[u8]) -> Option<(&[u8], Rule)> {
        match Regions::parse(text) {
            Ok(_) => None,
            Err(ParseError { text, rule }) => Some((text, rule)),
        }
    }

    #[test]
    fn one_region() {
        for (text, start, size) in [
            (&b"1G@4G"[..], 4 << 30, 1 << 30),
            (b"1g@4g\n", 4 << 30, 1 << 30),
            (b"2M@0x100000000", 1 << 32, 2 << 20),
            (b"0x200000@6G \t\n", 6 << 30, 2 << 20),
            (b"010@010", 8, 8),
            (b"1@0", 0, 1),
            (b"4P@0", 0, END),
            (b"1@0xfffffffffffff", END - 1, 1),
        ] {
            assert_eq!(only(text), Some((start, size)));
        }
    }

    #[test]
    fn several_regions() {
        let Ok(regions) = Regions::parse(b"1M@2M,1M@1M,1M@3M") else {
            assert!(false);
            return;
        };
        // In the order in which they are named; touching is not overlapping.
        let starts = [2 << 20, 1 << 20, 3 << 20];
        assert_eq!(regions.len(), 3);
        assert!(regions
            .iter()
            .zip(starts)
            .all(|(region, start)| region.start().get() == start));
    }

    #[test]
    fn no_regions() {
        for (text, about, rule) in [
            (&b""[..], &b""[..], Rule::Empty),
            (b" \n", b"", Rule::Empty),
            (b"1G@4G,", b"1G@4G,", Rule::EmptyElement(2)),
            (b",1G@4G", b",1G@4G", Rule::EmptyElement(1)),
            (b"1G", b"1G", Rule::NoAt),
            (b"1G!4G", b"1G!4G", Rule::NoAt),
            (b"1M@0,1G 4G", b"1G 4G", Rule::NoAt),
            (b"@4G", b"@4G", Rule::Size),
            (b"1GB@4G", b"1GB@4G", Rule::Size),
            (b"1G@", b"1G@", Rule::Addr),
            (b"1G@4G@8G", b"1G@4G@8G", Rule::Addr),
            (b"16E@0", b"16E@0", Rule::TooLarge),
            (
                b"1@0x10000000000000000",
                b"1@0x10000000000000000",
                Rule::TooLarge,
            ),
            (b"0@4G", b"0@4G", Rule::ZeroSize),
            (
                b"2@0xfffffffffffff",
                b"2@0xfffffffffffff",
                Rule::BeyondMemory,
            ),
            (b"15E@15E", b"15E@15E", Rule::BeyondMemory),
        ] {
            assert_eq!(refused(text), Some((about, rule)));
        }
    }

    #[test]
    fn regions_that_overlap() {
        let first = region(4 << 30, 1 << 30);
        for second in [
            &b"1G@4G"[..],
            b"4K@0x100000000",
            b"4K@0x13ffff000",
            b"1G@0x0fffff000",
            b"4G@2G",
        ] {
            let mut text = KVec::new();
            let both = text
                .extend_from_slice(b"1G@4G,", GFP_KERNEL)
                .and_then(|()| text.extend_from_slice(second, GFP_KERNEL));
            assert!(both.is_ok());
            assert_eq!(
                refused(&text),
                first.map(|first| (second, Rule::Overlaps(first)))
            );
        }
    }

    #[test]
    fn as_many_regions_as_there_can_be() {
        let mut regions = Regions::new();
        for number in 0..MAX_REGIONS as u64 {
            let Some(region) = region(number << 20, 1 << 20) else {
                assert!(false);
                return;
            };
            assert_eq!(regions.push(region), Ok(()));
        }
        let Some(more) = region(1 << 40, 1) else {
            assert!(false);
            return;
        };
        assert_eq!(regions.push(more), Err(PushError::Full));
    }

    #[test]
    fn where_memory_ends() {
        let new = |start, size| Region::new(PhysAddr::new(start), size).err();
        assert_eq!(new(0, END), None);
        assert_eq!(new(END - 1, 1), None);
        assert_eq!(new(0, END + 1), Some(RegionError::BeyondMemory));
        assert_eq!(new(END, 1), Some(RegionError::BeyondMemory));
        assert_eq!(new(1, u64::MAX), Some(RegionError::BeyondMemory));
        assert_eq!(new(u64::MAX, 1), Some(RegionError::BeyondMemory));
        assert_eq!(new(0, 0), Some(RegionError::Empty));
    }

    #[test]
    fn alignment() {
        const ALIGN: u64 = 2 << 20;
        for (start, size, instead) in [
            (ALIGN, ALIGN, None),
            (ALIGN + 4096, 2 * ALIGN, Some(region(2 * ALIGN, ALIGN))),
            (ALIGN, 2 * ALIGN - 1, Some(region(ALIGN, ALIGN))),
            (ALIGN + 1, ALIGN, Some(None)),
        ] {
            let said = region(start, size).map(|region| region.check_alignment(ALIGN));
            assert!(said.is_some());
            let said = said.and_then(Result::err).map(|error| error.instead);
            assert_eq!(said, instead);
        }
        let trimmed = region(ALIGN, ALIGN + 4096).and_then(|odd| odd.trim_end(ALIGN).ok());
        assert_eq!(trimmed, region(ALIGN, ALIGN));
        let moved = region(ALIGN + 4096, 2 * ALIGN).and_then(|odd| odd.trim_end(ALIGN).ok());
        assert_eq!(moved, None);
    }

    #[test]
    fn ranges_of_the_kernel() {
        let all = region(0, END).and_then(|region| phys_range(region).ok());
        assert_eq!(
            all.map(|range| (range.start(), range.last())),
            Some((0, END - 1))
        );
    }

    #[test]
    fn info_blocks() {
        for (offset, signature, owner) in [
            (0, b"BTT_ARENA_INFO\0\0", Some(InfoBlock::Btt)),
            (4096, b"BTT_ARENA_INFO\0\0", Some(InfoBlock::Btt)),
            (4096, b"NVDIMM_PFN_INFO\0", Some(InfoBlock::Pfn)),
            (4096, b"NVDIMM_DAX_INFO\0", Some(InfoBlock::Dax)),
            // There only the first kind is.
            (0, b"NVDIMM_PFN_INFO\0", None),
            (8192, b"NVDIMM_PFN_INFO\0", None),
            (4096, b"NVDIMM_PFN_INFO!", None),
            (4096, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(recognise(offset, signature), owner);
            // As the driver looks for them; what cannot be read is nobody's.
            let found = foreign_format(|at, bytes| {
                if at == offset {
                    bytes.copy_from_slice(signature);
                    Ok(())
                } else {
                    Err(EIO)
                }
            });
            assert_eq!(found.is_some(), owner.is_some() && PROBES.contains(&offset));
        }
    }
}
