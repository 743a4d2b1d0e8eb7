// SPDX-License-Identifier: GPL-2.0

//! What file systems get for pages, poisoned or not.

#[kernel::macros::kunit_tests(rpmem_dax)]
mod tests {
    use crate::kunit::rig::{blank, pattern, with_rig, Rig, PAGES, SECTORS};
    use kernel::prelude::*;
    use kernel_ext::{
        dax::{AccessMode, Operations},
        kunit::dax::{direct_access, recovery_write, zero_page_range},
        PAGE_SIZE, SECTOR_SIZE,
    };

    fn errno<T>(outcome: Result<T>) -> Option<i32> {
        outcome.err().map(Error::to_errno)
    }

    /// How many pages there are, or the errno.
    fn pages(rig: &Rig, pgoff: u64, wanted: isize, mode: AccessMode) -> Result<i32> {
        Ok(match direct_access(rig.dax()?, pgoff, wanted, mode) {
            Ok(access) => access.pages as i32,
            Err(error) => error.to_errno(),
        })
    }

    #[test]
    fn access_to_poisoned_pages() -> Result {
        const POISON: i32 = -(kernel::bindings::EHWPOISON as i32);
        // Pages 2 and 5 and the last one are bad, the first only in its last sector.
        const BAD: &str = "23 1\n40 8\n8184 1\n";
        let last = PAGES - 1;
        with_rig(|rig| {
            rig.edit(BAD)?;
            for (pgoff, wanted, access, recovery) in [
                // Before the bad page.
                (0, 1, 1, 1),
                (0, 2, 2, 2),
                // With the bad page in what is asked for: never a part of it.
                (0, 3, POISON, 2),
                (1, 2, POISON, 1),
                (0, 1024, POISON, 2),
                // From the bad page on, that page alone.
                (2, 1, POISON, 1),
                (2, 2, POISON, 1),
                (2, 1024, POISON, 1),
                // Between two bad ones.
                (3, 2, 2, 2),
                (3, 3, POISON, 2),
                (5, 2, POISON, 1),
                (6, 10, 10, 10),
                (last - 1, 1, 1, 1),
                (last - 1, 2, POISON, 1),
                (last, 1, POISON, 1),
                // A caller that can use no page is told of the one that is there.
                (2, 0, POISON, 0),
            ] {
                assert_eq!(pages(rig, pgoff, wanted, AccessMode::Access)?, access);
                assert_eq!(
                    pages(rig, pgoff, wanted, AccessMode::RecoveryWrite)?,
                    recovery
                );
            }
            // Looking changes nothing.
            assert!(rig.lists(BAD));
            Ok(())
        })
    }

    #[test]
    fn zeroing_a_page_repairs_it() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            for (bad, pgoff, left) in [
                ("0 1", 0, ""),
                ("15 2", 1, "16 1\n"),
                ("7 10", 1, "7 1\n16 1\n"),
                ("8191 1", PAGES - 1, ""),
                ("8 8", 0, "8 8\n"),
            ] {
                rig.edit(bad)?;
                zero_page_range(dax, pgoff, 1)?;
                assert!(rig.lists(left));
                rig.repair_all()?;
            }
            Ok(())
        })
    }

    #[test]
    fn zeroing_several_pages() -> Result {
        with_rig(|rig| {
            let medium = rig.medium();
            let one = 8 * SECTOR_SIZE;
            for (pgoff, nr_pages) in [(1u64, 1), (1, 3), (2, 600), (0, PAGES as usize)] {
                // What is before it, and what is behind it, stays.
                let around = [pgoff.checked_sub(1), Some(pgoff + nr_pages as u64)];
                for page in around.into_iter().flatten().filter(|page| *page < PAGES) {
                    rig.write(page * 8, &mut pattern(1, one)?)?;
                }
                rig.write(pgoff * 8, &mut pattern(2, one)?)?;
                rig.edit("16 1")?;
                medium.zero_page_range(pgoff, nr_pages)?;
                for page in [pgoff, pgoff + nr_pages as u64 - 1] {
                    let mut found = blank(one)?;
                    if rig.read(page * 8, &mut found).is_ok() {
                        assert!(found.iter().all(|byte| *byte == 0));
                    }
                }
                for page in around.into_iter().flatten().filter(|page| *page < PAGES) {
                    let mut found = blank(one)?;
                    if page != 2 {
                        rig.read(page * 8, &mut found)?;
                        assert_eq!(&found[..], &pattern(1, one)?[..]);
                    }
                }
                let covers_page_2 = (pgoff..pgoff + nr_pages as u64).contains(&2);
                assert!(rig.lists(if covers_page_2 { "" } else { "16 1\n" }));
                rig.repair_all()?;
            }
            Ok(())
        })
    }

    #[test]
    fn no_zeroes_beyond_the_region() -> Result {
        with_rig(|rig| {
            let medium = rig.medium();
            rig.write(SECTORS - 8, &mut pattern(3, PAGE_SIZE)?)?;
            for (pgoff, nr_pages) in [
                (PAGES, 1),
                (PAGES - 1, 2),
                (0, PAGES as usize + 1),
                (0, 0),
                // The product and the sum would wrap.
                (1 << 52, 1),
                (0, 1 << 52),
                (u64::MAX, 1),
                (PAGES - 1, usize::MAX),
            ] {
                assert_eq!(
                    errno(medium.zero_page_range(pgoff, nr_pages)),
                    Some(EIO.to_errno())
                );
            }
            assert_eq!(
                errno(zero_page_range(rig.dax()?, PAGES, 1)),
                Some(EIO.to_errno())
            );
            let mut found = blank(PAGE_SIZE)?;
            rig.read(SECTORS - 8, &mut found)?;
            assert_eq!(&found[..], &pattern(3, PAGE_SIZE)?[..]);
            Ok(())
        })
    }

    #[test]
    fn recovery_of_whole_pages() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            for (bad, pgoff, nr_pages, written, left) in [
                // The bad page alone, whatever follows.
                ("16 1", 2, 1, 1, ""),
                ("16 1", 2, 3, 1, ""),
                ("16 24", 2, 3, 1, "24 16\n"),
                // Good ones before a bad one are written, and the bad one is left for the next call.
                ("32 1", 2, 3, 2, "32 1\n"),
                // Someone else has repaired it meanwhile.
                ("0 1", 2, 2, 2, "0 1\n"),
                ("8191 1", PAGES - 1, 1, 1, ""),
            ] {
                rig.edit(bad)?;
                let data = pattern(pgoff as u8, nr_pages * PAGE_SIZE)?;
                let done = recovery_write(dax, pgoff, 0, &data)?;
                assert_eq!(done, written * PAGE_SIZE);
                assert!(rig.lists(left));
                rig.repair_all()?;
                let mut found = blank(done)?;
                rig.read(pgoff * 8, &mut found)?;
                assert_eq!(&found[..], &data[..done]);
            }
            Ok(())
        })
    }

    #[test]
    fn recovery_of_a_part_of_a_page() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            rig.write(0, &mut pattern(1, 4 * PAGE_SIZE)?)?;
            rig.edit("8 1")?;
            for (offset, len) in [
                (0, SECTOR_SIZE),
                (0, PAGE_SIZE - 1),
                (SECTOR_SIZE, PAGE_SIZE - SECTOR_SIZE),
                (1, 1),
                (PAGE_SIZE - 1, 1),
            ] {
                let data = pattern(2, len)?;
                // Refused, and nothing is stored.
                assert_eq!(recovery_write(dax, 1, offset, &data)?, 0);
                assert!(rig.lists("8 1\n"));
            }
            rig.repair_all()?;
            let mut found = blank(4 * PAGE_SIZE)?;
            rig.read(0, &mut found)?;
            assert_eq!(&found[..], &pattern(1, 4 * PAGE_SIZE)?[..]);

            // On a good page any part is written.
            let data = pattern(2, 100)?;
            assert_eq!(recovery_write(dax, 1, 700, &data)?, 100);
            rig.read(0, &mut found)?;
            assert_eq!(&found[PAGE_SIZE + 700..PAGE_SIZE + 800], &data[..]);
            assert_eq!(
                &found[..PAGE_SIZE + 700],
                &pattern(1, 4 * PAGE_SIZE)?[..PAGE_SIZE + 700]
            );
            Ok(())
        })
    }

    #[test]
    fn the_write_cache_is_a_switch() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            assert!(dax.write_cache());
            dax.set_write_cache(false);
            assert!(!dax.write_cache());
            dax.set_write_cache(true);
            assert!(dax.write_cache());
            Ok(())
        })
    }

    #[test]
    fn a_dead_device_answers_nothing() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            dax.kill();
            for mode in [AccessMode::Access, AccessMode::RecoveryWrite] {
                assert_eq!(pages(rig, 0, 1, mode)?, ENXIO.to_errno());
            }
            assert_eq!(errno(zero_page_range(dax, 0, 1)), Some(ENXIO.to_errno()));
            // Twice is once, and the disk goes on.
            dax.kill();
            rig.write(0, &mut pattern(1, SECTOR_SIZE)?)?;
            Ok(())
        })
    }
}
