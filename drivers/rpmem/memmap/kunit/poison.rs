// SPDX-License-Identifier: GPL-2.0

//! Who meets a bad sector, and who repairs it.

#[kernel::macros::kunit_tests(rpmem_poison)]
mod tests {
    use crate::kunit::rig::{blank, pattern, with_rig, SECTORS};
    use kernel::prelude::*;
    use kernel_ext::{
        block::gen_disk::Operations,
        kunit::{
            bio::{Opf, TestBio},
            fault::fail_page,
        },
        PAGE_SIZE, SECTOR_SIZE,
    };
    use rpmem_core::poison::Waiting;

    fn is_eio(outcome: Result) -> bool {
        outcome.err().map(Error::to_errno) == Some(EIO.to_errno())
    }

    #[test]
    fn reads_fail_wherever_the_bad_sector_is() -> Result {
        with_rig(|rig| {
            let sectors = 16;
            let mut data = pattern(1, sectors as usize * SECTOR_SIZE)?;
            rig.write(40, &mut data)?;
            for bad in 40..40 + sectors {
                rig.edit(kernel_str(&mut [0; 32], "", bad, 1)?)?;
                let mut found = blank(data.len())?;
                assert!(is_eio(rig.read(40, &mut found)));
                // Nothing was copied: the medium was not touched.
                assert!(found.iter().all(|byte| *byte == 0xa5));
                // Right before it and right behind it all is well.
                if bad > 40 {
                    rig.read(40, &mut found[..(bad - 40) as usize * SECTOR_SIZE])?;
                }
                if bad < 55 {
                    rig.read(bad + 1, &mut found[..(55 - bad) as usize * SECTOR_SIZE])?;
                }
                rig.repair_all()?;
                rig.read(40, &mut found)?;
                assert_eq!(&found[..], &data[..]);
            }
            Ok(())
        })
    }

    /// `{prefix}{start} {len}`, in `buffer`.
    fn kernel_str<'a>(
        buffer: &'a mut [u8; 32],
        prefix: &str,
        start: u64,
        len: u64,
    ) -> Result<&'a str> {
        use kernel::fmt::Write;
        let mut text = kernel::str::Formatter::new(buffer);
        write!(text, "{prefix}{start} {len}").map_err(|_| EINVAL)?;
        let len = text.bytes_written();
        core::str::from_utf8(&buffer[..len]).map_err(|_| EINVAL)
    }

    #[test]
    fn writes_repair_what_they_cover() -> Result {
        with_rig(|rig| {
            for (bad, sector, sectors, left) in [
                ("10 4", 10, 4, ""),
                ("10 4", 9, 6, ""),
                ("10 4", 10, 1, "11 3\n"),
                ("10 4", 13, 1, "10 3\n"),
                ("10 4", 11, 2, "10 1\n13 1\n"),
                ("10 4", 8, 3, "11 3\n"),
                ("10 4", 13, 3, "10 3\n"),
                // Beside it.
                ("10 4", 9, 1, "10 4\n"),
                ("10 4", 14, 1, "10 4\n"),
                // Several at once.
                ("10 1\n12 1\n14 1", 11, 3, "10 1\n14 1\n"),
                // First and last of the device.
                ("0 1", 0, 1, ""),
                ("8191 1", SECTORS - 1, 1, ""),
                ("63 2", 63, 1, "64 1\n"),
            ] {
                for zeroes in [false, true] {
                    rig.edit(bad)?;
                    if zeroes {
                        rig.write_zeroes(sector, sectors as u32)?;
                    } else {
                        rig.write(sector, &mut pattern(2, sectors * SECTOR_SIZE)?)?;
                    }
                    assert!(rig.lists(left));
                    // What was written is there.
                    let mut found = blank(sectors * SECTOR_SIZE)?;
                    rig.read(sector, &mut found)?;
                    let expected = if zeroes {
                        KVec::from_elem(0, found.len(), GFP_KERNEL)?
                    } else {
                        pattern(2, found.len())?
                    };
                    assert_eq!(&found[..], &expected[..]);
                    rig.repair_all()?;
                }
            }
            Ok(())
        })
    }

    #[test]
    fn a_bad_sector_in_one_half_of_a_split_bio() -> Result {
        with_rig(|rig| {
            let take = |bio| rig.medium().submit_bio(bio);
            rig.write(0, &mut pattern(3, 8 * SECTOR_SIZE)?)?;
            rig.edit("5 1")?;
            for at in 1..8 {
                let mut found = blank(8 * SECTOR_SIZE)?;
                let bio = TestBio::new(rig.disk(), Opf::READ, 0, [&mut found[..]])?;
                let [front, rest] = bio.hand_split_to(at, take)?;
                // Only the half with the bad sector fails.
                assert_eq!(is_eio(front), at > 5);
                assert_eq!(is_eio(rest), at <= 5);
            }
            // Written in halves, the half that covers it repairs it.
            for at in [5, 6] {
                let mut data = pattern(4, 8 * SECTOR_SIZE)?;
                let bio = TestBio::new(rig.disk(), Opf::WRITE, 0, [&mut data[..]])?;
                assert_eq!(bio.hand_split_to(at, take)?, [Ok(()), Ok(())]);
                assert!(rig.lists(""));
                rig.edit("5 1")?;
            }
            Ok(())
        })
    }

    #[test]
    fn zeroes_repair_over_several_strides() -> Result {
        with_rig(|rig| {
            // Bad sectors on both sides of the border between two strides, and far from it.
            rig.edit("0 1\n4095 2\n8191 1")?;
            rig.write_zeroes(0, SECTORS as u32)?;
            assert!(rig.lists(""));
            Ok(())
        })
    }

    #[test]
    fn a_page_that_failed_is_repaired_whole() -> Result {
        with_rig(|rig| {
            let page = 2;
            rig.write(8, &mut pattern(1, 3 * PAGE_SIZE)?)?;
            fail_page(rig.range.start() as usize / PAGE_SIZE + page);
            assert!(rig.lists("16 8\n"));
            let mut found = blank(PAGE_SIZE)?;
            assert!(is_eio(rig.read(16, &mut found)));
            rig.read(8, &mut found)?;
            rig.read(24, &mut found)?;
            // What covers a part of it stores nothing, there or beside it.
            for (sector, sectors) in [(16, 1), (23, 1), (16, 7), (17, 7), (12, 8), (23, 2)] {
                let mut data = pattern(2, sectors * SECTOR_SIZE)?;
                assert!(is_eio(rig.write(sector, &mut data)));
                assert!(is_eio(rig.write_zeroes(sector, sectors as u32)));
                assert!(rig.lists("16 8\n"));
            }
            rig.read(8, &mut found)?;
            assert_eq!(&found[..], &pattern(1, PAGE_SIZE)?[..]);
            // Nor is a part of it called good.
            assert!(rig.edit("-16 4").is_err());
            assert!(rig.lists("16 8\n"));

            let mut data = pattern(3, PAGE_SIZE)?;
            rig.write(16, &mut data)?;
            assert!(rig.lists(""));
            rig.read(16, &mut found)?;
            assert_eq!(&found[..], &data[..]);
            // From now on it is like any other.
            rig.edit("16 8")?;
            rig.write(17, &mut pattern(4, SECTOR_SIZE)?)?;
            assert!(rig.lists("16 1\n18 6\n"));
            Ok(())
        })
    }

    #[test]
    fn a_store_that_fails_repairs_nothing() -> Result {
        with_rig(|rig| {
            rig.edit("10 4")?;
            drop(rig.medium().begin(10, 4 * SECTOR_SIZE, Waiting::Allowed)?);
            assert!(rig.lists("10 4\n"));
            rig.medium()
                .begin(10, 4 * SECTOR_SIZE, Waiting::Allowed)?
                .done_up_to(1);
            assert!(rig.lists("11 3\n"));
            Ok(())
        })
    }

    #[test]
    fn an_error_that_comes_during_a_write_stays() -> Result {
        with_rig(|rig| {
            // The write saw no bad sector when it began: it clears nothing.
            let medium = rig.medium();
            let repair = medium.begin(16, 8 * SECTOR_SIZE, Waiting::Allowed)?;
            fail_page(rig.range.start() as usize / PAGE_SIZE + 2);
            repair.done();
            assert!(rig.lists("16 8\n"));
            Ok(())
        })
    }
}
