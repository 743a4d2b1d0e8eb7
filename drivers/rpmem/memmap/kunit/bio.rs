// SPDX-License-Identifier: GPL-2.0

//! Every bio moves its bytes, however it is cut, and ends once.

#[kernel::macros::kunit_tests(rpmem_bio)]
mod tests {
    use crate::kunit::rig::{blank, pattern, with_rig, Rig, SECTORS, SIZE};
    use kernel::prelude::*;
    use kernel_ext::{
        block::gen_disk::Operations,
        kunit::{
            bio::{Opf, TestBio},
            set_read_only,
        },
        PAGE_SIZE, SECTOR_SIZE,
    };

    fn errno(outcome: Result) -> Option<i32> {
        outcome.err().map(Error::to_errno)
    }

    /// Whether the disk has `expected` from `sector` on, as one bio reads it.
    fn holds(rig: &Rig, sector: u64, expected: &[u8]) -> Result<bool> {
        let mut found = blank(expected.len())?;
        rig.read(sector, &mut found)?;
        Ok(&found[..] == expected)
    }

    #[test]
    fn one_segment() -> Result {
        with_rig(|rig| {
            // A sector, a page, more than a page, at the first and the last place that there is.
            for sectors in [1, 7, 8, 9, 64, 1000] {
                let len = sectors * SECTOR_SIZE;
                for sector in [0, 1, SECTORS - sectors as u64] {
                    let mut data = pattern(sectors as u8, len)?;
                    rig.write(sector, &mut data)?;
                    assert!(holds(rig, sector, &data)?);
                }
            }
            Ok(())
        })
    }

    #[test]
    fn neighbours_stay() -> Result {
        with_rig(|rig| {
            let mut around = pattern(1, 3 * SECTOR_SIZE)?;
            for sector in [0, 6, SECTORS - 3] {
                rig.write(sector, &mut around)?;
                rig.write(sector + 1, &mut pattern(2, SECTOR_SIZE)?)?;
                assert!(holds(rig, sector, &around[..SECTOR_SIZE])?);
                assert!(holds(rig, sector + 1, &pattern(2, SECTOR_SIZE)?)?);
                assert!(holds(rig, sector + 2, &around[2 * SECTOR_SIZE..])?);
            }
            Ok(())
        })
    }

    /// Cuts a buffer into parts of these lengths, the last of which may be shorter.
    fn cut<'a>(memory: &'a mut [u8], lengths: &[usize]) -> Result<KVec<&'a mut [u8]>> {
        let mut parts = KVec::new();
        let mut rest = memory;
        for len in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, others) = rest.split_at_mut((*len).min(rest.len()));
            parts.push(part, GFP_KERNEL)?;
            rest = others;
        }
        Ok(parts)
    }

    #[test]
    fn many_segments() -> Result {
        with_rig(|rig| {
            let len = 24 * SECTOR_SIZE;
            for lengths in [
                &[512][..],
                &[4096],
                // Not whole sectors, nor aligned to anything.
                &[1, 511],
                &[100, 700, 3],
                &[4095, 1],
                // Longer than a page.
                &[5000],
                &[12288],
            ] {
                let expected = pattern(lengths.len() as u8, len)?;
                let mut data = pattern(lengths.len() as u8, len)?;
                let parts = cut(&mut data, lengths)?;
                TestBio::new(rig.disk(), Opf::WRITE, 5, parts)?.submit()?;
                assert!(holds(rig, 5, &expected)?);

                let mut found = blank(len)?;
                let parts = cut(&mut found, lengths)?;
                TestBio::new(rig.disk(), Opf::READ, 5, parts)?.submit()?;
                assert_eq!(&found[..], &expected[..]);
            }
            Ok(())
        })
    }

    #[test]
    fn split_at_every_sector() -> Result {
        const IN_ALL: u32 = 12;
        with_rig(|rig| {
            let len = IN_ALL as usize * SECTOR_SIZE;
            let take = |bio| rig.medium().submit_bio(bio);
            for lengths in [&[len][..], &[512], &[1024, 3, 509], &[4000, 96]] {
                for at in 1..IN_ALL {
                    let expected = pattern(at as u8, len)?;
                    let mut data = pattern(at as u8, len)?;
                    let parts = cut(&mut data, lengths)?;
                    let bio = TestBio::new(rig.disk(), Opf::WRITE, 3, parts)?;
                    assert_eq!(bio.hand_split_to(at, take)?, [Ok(()), Ok(())]);
                    assert!(holds(rig, 3, &expected)?);

                    let mut found = blank(len)?;
                    let parts = cut(&mut found, lengths)?;
                    let bio = TestBio::new(rig.disk(), Opf::READ, 3, parts)?;
                    assert_eq!(bio.hand_split_to(at, take)?, [Ok(()), Ok(())]);
                    assert_eq!(&found[..], &expected[..]);
                }
            }
            Ok(())
        })
    }

    #[test]
    fn beyond_the_end() -> Result {
        with_rig(|rig| {
            let mut last = pattern(9, SECTOR_SIZE)?;
            rig.write(SECTORS - 1, &mut last)?;
            for (sector, sectors) in [
                (SECTORS, 1),
                (SECTORS - 1, 2),
                (SECTORS + 1, 1),
                (u64::MAX, 1),
                // In bytes it would be the first sector.
                (1 << 55, 1),
            ] {
                for opf in [Opf::READ, Opf::WRITE, Opf::WRITE_ZEROES] {
                    let mut data = blank(sectors * SECTOR_SIZE)?;
                    // As the block core refuses it, and as the driver does by itself.
                    for by_the_core in [true, false] {
                        let bytes = (sectors * SECTOR_SIZE) as u32;
                        let bio = match opf {
                            Opf::WRITE_ZEROES => {
                                TestBio::without_data(rig.disk(), opf, sector, bytes)?
                            }
                            _ => TestBio::new(rig.disk(), opf, sector, [&mut data[..]])?,
                        };
                        let outcome = if by_the_core {
                            bio.submit()
                        } else {
                            bio.hand_to(|bio| rig.medium().submit_bio(bio))
                        };
                        assert_eq!(errno(outcome), Some(EIO.to_errno()));
                    }
                    assert!(data.iter().all(|byte| *byte == 0xa5));
                }
            }
            assert!(holds(rig, SECTORS - 1, &pattern(9, SECTOR_SIZE)?)?);
            Ok(())
        })
    }

    #[test]
    fn zeroes() -> Result {
        with_rig(|rig| {
            let stride = (2 << 20) / SECTOR_SIZE as u64;
            for (sector, sectors) in [
                (0, 1),
                (SECTORS - 1, 1),
                (3, 9),
                // Over what is zeroed at a time, and its border.
                (stride - 1, 2),
                (0, SECTORS as u32),
            ] {
                let len = sectors as usize * SECTOR_SIZE;
                let before = sector.saturating_sub(1);
                rig.write(before, &mut pattern(3, SECTOR_SIZE)?)?;
                let first = sector.min(SECTORS - 2);
                rig.write(first, &mut pattern(4, 2 * SECTOR_SIZE)?)?;
                rig.write_zeroes(sector, sectors)?;
                let window = rig.medium().window(sector, len);
                let mut rest = window.ok_or(EIO)?;
                let mut piece = blank(PAGE_SIZE)?;
                while !rest.is_empty() {
                    let now = rest.len().min(PAGE_SIZE);
                    rest.read(&mut piece[..now])?;
                    assert!(piece[..now].iter().all(|byte| *byte == 0));
                }
                if before < sector && before < first {
                    assert!(holds(rig, before, &pattern(3, SECTOR_SIZE)?)?);
                }
            }
            Ok(())
        })
    }

    #[test]
    fn flushes_and_what_is_not_announced() -> Result {
        with_rig(|rig| {
            let flush = || TestBio::without_data(rig.disk(), Opf::FLUSH, 0, 0);
            assert_eq!(flush()?.submit(), Ok(()));
            assert_eq!(flush()?.hand_to(|bio| rig.medium().submit_bio(bio)), Ok(()));
            // A flush that carries data.
            let mut data = pattern(5, SECTOR_SIZE)?;
            TestBio::new(rig.disk(), Opf::FLUSH, 7, [&mut data[..]])?.submit()?;
            assert!(holds(rig, 7, &data)?);
            TestBio::new(rig.disk(), Opf::WRITE_FUA, 8, [&mut data[..]])?.submit()?;
            assert!(holds(rig, 8, &data)?);

            let discard = || TestBio::without_data(rig.disk(), Opf::DISCARD, 7, 512);
            assert_eq!(errno(discard()?.submit()), Some(EOPNOTSUPP.to_errno()));
            let handed = discard()?.hand_to(|bio| rig.medium().submit_bio(bio));
            assert_eq!(errno(handed), Some(EOPNOTSUPP.to_errno()));
            assert!(holds(rig, 7, &data)?);
            Ok(())
        })
    }

    #[test]
    fn a_read_only_disk() -> Result {
        with_rig(|rig| {
            let mut data = pattern(6, SECTOR_SIZE)?;
            rig.write(2, &mut data)?;
            rig.edit("4 1")?;
            set_read_only(rig.disk(), true);
            let handed = |opf| -> Result<Result> {
                let mut other = pattern(7, SECTOR_SIZE)?;
                let bio = match opf {
                    Opf::WRITE_ZEROES => TestBio::without_data(rig.disk(), opf, 2, 3 * 512)?,
                    _ => TestBio::new(rig.disk(), opf, 2, [&mut other[..]])?,
                };
                Ok(bio.hand_to(|bio| rig.medium().submit_bio(bio)))
            };
            for opf in [Opf::WRITE, Opf::WRITE_FUA, Opf::WRITE_ZEROES] {
                assert_eq!(errno(handed(opf)?), Some(EIO.to_errno()));
            }
            assert!(holds(rig, 2, &data)?);
            assert!(rig.lists("4 1\n"));
            set_read_only(rig.disk(), false);
            assert_eq!(handed(Opf::WRITE_ZEROES)?, Ok(()));
            assert!(rig.lists(""));
            Ok(())
        })
    }

    #[test]
    fn a_bio_that_is_dropped_fails() -> Result {
        with_rig(|rig| {
            let mut data = blank(SECTOR_SIZE)?;
            let bio = TestBio::new(rig.disk(), Opf::READ, 0, [&mut data[..]])?;
            assert_eq!(errno(bio.hand_to(drop)), Some(EIO.to_errno()));
            Ok(())
        })
    }

    #[test]
    fn the_whole_medium() -> Result {
        with_rig(|rig| {
            // As large as a bio gets here: segments of 16 KiB.
            let mut data = KVec::new();
            for index in 0..SIZE / (16 << 10) {
                data.push(pattern(index as u8, 16 << 10)?, GFP_KERNEL)?;
            }
            let mut parts = KVec::new();
            for part in &mut data {
                parts.push(&mut part[..], GFP_KERNEL)?;
            }
            TestBio::new(rig.disk(), Opf::WRITE, 0, parts)?.submit()?;
            for (index, part) in (0u64..).zip(&data) {
                assert!(holds(rig, index * 32, part)?);
            }
            Ok(())
        })
    }
}
