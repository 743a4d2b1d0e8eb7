// SPDX-License-Identifier: GPL-2.0

//! Sectors and pages become bytes and frames of the region, never others.

#[kernel::macros::kunit_tests(rpmem_translation)]
mod tests {
    use crate::kunit::rig::{with_rig, PAGES, SECTORS, SIZE};
    use kernel::prelude::*;
    use kernel_ext::{
        dax::AccessMode,
        kunit::dax::{direct_access, Access},
        PAGE_SIZE,
    };
    use rpmem_regions::span::{pages_from, Pgoff, Sector, Span};

    const REGION: u64 = SIZE as u64;

    /// First and last byte of a span, `None` if there is none.
    fn bytes(span: Option<Span>) -> Option<(u64, u64)> {
        span.map(|span| (span.offset(), span.end() - 1))
    }

    #[test]
    fn sectors_to_bytes() {
        for (sector, len, expected) in [
            (0, 512, Some((0, 511))),
            (0, REGION, Some((0, REGION - 1))),
            (1, REGION - 512, Some((512, REGION - 1))),
            (SECTORS - 1, 512, Some((REGION - 512, REGION - 1))),
            // One past, by a sector and by a byte.
            (SECTORS, 512, None),
            (SECTORS, 1, None),
            (SECTORS - 1, 513, None),
            (0, REGION + 1, None),
            // Nothing.
            (0, 0, None),
            (SECTORS, 0, None),
            // The product wraps to 0, and to the last sector.
            (1 << 55, 512, None),
            ((1 << 55) + SECTORS - 1, 512, None),
            (u64::MAX, 512, None),
            // The sum wraps.
            (SECTORS - 1, u64::MAX - 511, None),
            ((1 << 55) - 1, 1024, None),
        ] {
            assert_eq!(
                bytes(Span::from_sector(Sector(sector), len, REGION)),
                expected
            );
        }
    }

    #[test]
    fn pages_to_bytes() {
        const PAGE: u64 = PAGE_SIZE as u64;
        for (first, pages, expected) in [
            (0, 1, Some((0, PAGE - 1))),
            (PAGES - 1, 1, Some((REGION - PAGE, REGION - 1))),
            (0, PAGES, Some((0, REGION - 1))),
            (PAGES, 1, None),
            (PAGES - 1, 2, None),
            (0, PAGES + 1, None),
            (0, 0, None),
            (1 << 52, 1, None),
            (0, 1 << 52, None),
            (u64::MAX, u64::MAX, None),
        ] {
            assert_eq!(
                bytes(Span::from_pages(Pgoff(first), pages, PAGE, REGION)),
                expected
            );
        }
    }

    #[test]
    fn pages_that_are_left() {
        for (first, wanted, expected) in [
            (0, 1, Some(1)),
            (0, u64::MAX, Some(PAGES)),
            (PAGES - 1, 5, Some(1)),
            (PAGES - 1, 1, Some(1)),
            (PAGES, 1, None),
            (u64::MAX, u64::MAX, None),
            (0, 0, None),
        ] {
            assert_eq!(pages_from(Pgoff(first), PAGES, wanted), expected);
        }
    }

    #[test]
    fn sectors_that_a_span_touches() {
        for (offset, len, expected) in [
            (0, 1, (0, 1)),
            (511, 1, (0, 1)),
            (511, 2, (0, 2)),
            (512, 512, (1, 1)),
            (1, 512, (0, 2)),
            (REGION - 1, 1, (SECTORS - 1, 1)),
            (0, REGION, (0, SECTORS)),
        ] {
            let touched = Span::new(offset, len, REGION).map(Span::sectors_touched);
            assert_eq!(touched, Some((Sector(expected.0), expected.1)));
        }
    }

    #[test]
    fn windows_lie_in_the_region() -> Result {
        with_rig(|rig| {
            for (sector, len, is_there) in [
                (0, 512, true),
                (0, SIZE, true),
                (SECTORS - 1, 512, true),
                (SECTORS - 1, 1024, false),
                (SECTORS, 512, false),
                (0, SIZE + 512, false),
                (1 << 55, 512, false),
                (u64::MAX, 512, false),
                (u64::MAX / 512, usize::MAX, false),
            ] {
                let window = rig.medium().window(sector, len);
                assert_eq!(window.map(|window| window.len()), is_there.then_some(len));
            }
            Ok(())
        })
    }

    #[test]
    fn pages_to_frames() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            let first_pfn = rig.range.start() as usize / PAGE_SIZE;
            let all = PAGES as usize;
            for (pgoff, wanted, pages) in [
                (0, 1, 1),
                (0, 2, 2),
                (0, all, all),
                (0, all + 1, all),
                (1, all, all - 1),
                (all - 1, 1, 1),
                (all - 1, all, 1),
                // Asked for nothing, the core says so, and the frame is the right one.
                (5, 0, 0),
            ] {
                for mode in [AccessMode::Access, AccessMode::RecoveryWrite] {
                    let access = direct_access(dax, pgoff as u64, wanted as isize, mode)?;
                    assert_eq!((access.pages, access.pfn), (pages, first_pfn + pgoff));
                    assert!(access.addresses_agree());
                }
            }
            Ok(())
        })
    }

    #[test]
    fn no_frames_beyond_the_region() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            let errno = |access: Result<Access>| access.err().map(Error::to_errno);
            for pgoff in [
                PAGES,
                PAGES + 1,
                1 << 52,
                u64::MAX / PAGE_SIZE as u64,
                u64::MAX,
            ] {
                for mode in [AccessMode::Access, AccessMode::RecoveryWrite] {
                    let refused = errno(direct_access(dax, pgoff, 1, mode));
                    assert_eq!(refused, Some(ERANGE.to_errno()));
                }
            }
            let negative = errno(direct_access(dax, 0, -1, AccessMode::Access));
            assert_eq!(negative, Some(EINVAL.to_errno()));
            Ok(())
        })
    }
}
