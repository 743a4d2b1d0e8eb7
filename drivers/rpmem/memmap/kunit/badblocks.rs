// SPDX-License-Identifier: GPL-2.0

//! The list: injecting, clearing, its text, its users' mistakes.

#[kernel::macros::kunit_tests(rpmem_badblocks)]
mod tests {
    use crate::kunit::rig::{with_rig, SECTORS};
    use badblocks::MAX_SECTORS;
    use kernel::{prelude::*, sync::Arc};
    use kernel_ext::{
        kunit::{
            fault::{fail_page, with_nth_unmappable},
            open_file,
        },
        PAGE_SIZE,
    };
    use rpmem_core::{name::Name, poison::Poison, sysfs::edit_badblocks};

    fn new(sectors: u64) -> Result<Arc<Poison>> {
        Arc::pin_init(Poison::new(Name::of_region(0), sectors), GFP_KERNEL)
    }

    #[test]
    fn a_new_list_is_empty() -> Result {
        // A word of the bitmap and its neighbours, and a level of it.
        for sectors in [1, 63, 64, 65, 4095, 4096, 4097, 1 << 20] {
            let list = new(sectors)?;
            assert!(!list.any_in(0, sectors));
            assert_eq!(list.first_in(0, sectors), None);
            assert!(!list.any_in(0, u64::MAX));
        }
        Ok(())
    }

    #[test]
    fn sizes_that_no_list_has() {
        for sectors in [0, MAX_SECTORS + 1, u64::MAX] {
            assert!(new(sectors).is_err());
        }
    }

    #[test]
    fn injecting_and_clearing() -> Result {
        with_rig(|rig| {
            for (text, list) in [
                ("10 4", "10 4\n"),
                // Touching in front and behind, inside, around.
                ("8 2", "8 6\n"),
                ("14 2", "8 8\n"),
                ("9 3", "8 8\n"),
                ("4 20", "4 20\n"),
                // Apart.
                ("30 1", "4 20\n30 1\n"),
                // The gap.
                ("24 6", "4 27\n"),
                // Off the front, off the back, out of the middle, more than there is.
                ("-0 5", "5 26\n"),
                ("-30 4", "5 25\n"),
                ("-10 2", "5 5\n12 18\n"),
                ("-4 9", "13 17\n"),
                // What is good stays good.
                ("-0 13", "13 17\n"),
                ("-0 8192", ""),
                ("-7 1", ""),
                // Several lines, in their order.
                ("1 1\n-1 1\n2 2\n\n 5  1 \n", "2 2\n5 1\n"),
            ] {
                rig.edit(text)?;
                assert!(rig.lists(list));
            }
            Ok(())
        })
    }

    #[test]
    fn first_and_last_sector() -> Result {
        with_rig(|rig| {
            rig.edit("0 1\n8191 1\n")?;
            assert!(rig.lists("0 1\n8191 1\n"));
            let list = rig.medium().poison();
            for (sector, sectors, first) in [
                (0, 1, Some(0)),
                (1, SECTORS - 2, None),
                (1, SECTORS - 1, Some(SECTORS - 1)),
                (SECTORS - 1, 1, Some(SECTORS - 1)),
                // Beyond the device nothing is bad, and no sum wraps.
                (SECTORS, 1, None),
                (SECTORS - 1, u64::MAX, Some(SECTORS - 1)),
                (u64::MAX, u64::MAX, None),
                (0, 0, None),
            ] {
                assert_eq!(list.first_in(sector, sectors), first);
                assert_eq!(list.any_in(sector, sectors), first.is_some());
            }
            Ok(())
        })
    }

    #[test]
    fn every_border_of_a_word() -> Result {
        with_rig(|rig| {
            let list = rig.medium().poison();
            for (text, first, last) in [
                ("63 1", 63, 63),
                ("64 1", 64, 64),
                ("63 2", 63, 64),
                ("0 64", 0, 63),
                ("64 64", 64, 127),
                ("1 4095", 1, 4095),
                ("4095 2", 4095, 4096),
                ("0 8192", 0, 8191),
            ] {
                rig.edit(text)?;
                for sector in [0, 1, 62, 63, 64, 65, 127, 128, 4094, 4095, 4096, 4097, 8191] {
                    let is_bad = sector >= first && sector <= last;
                    assert_eq!(list.any_in(sector, 1), is_bad);
                }
                assert_eq!(list.first_in(0, SECTORS), Some(first));
                rig.repair_all()?;
            }
            Ok(())
        })
    }

    #[test]
    fn mistakes_change_nothing() -> Result {
        with_rig(|rig| {
            rig.edit("100 8")?;
            for text in [
                "\n",
                "x",
                "5",
                "-5",
                "5 0",
                "5 x",
                "5 1 1",
                "0x10 1",
                "+5 1",
                "- 5 1",
                "8192 1",
                "8191 2",
                "0 8193",
                "18446744073709551615 1",
                "18446744073709551616 1",
                "1 18446744073709551615",
                // The lines before a wrong one too.
                "200 1\n-100 8\nx\n",
            ] {
                assert_eq!(
                    rig.edit(text).err().map(Error::to_errno),
                    Some(EINVAL.to_errno())
                );
                assert!(rig.lists("100 8\n"));
            }
            Ok(())
        })
    }

    #[test]
    fn a_text_in_pieces() -> Result {
        with_rig(|rig| {
            let medium = rig.medium();
            let (file, other) = (open_file(11), open_file(12));
            // A line that a full buffer ends within waits for what comes behind it.
            edit_badblocks(medium, file, 0, b"10 1\n20 ", true)?;
            assert!(rig.lists("10 1\n"));
            // Another file has nothing to do with it.
            edit_badblocks(medium, other, 0, b"30 1\n", false)?;
            edit_badblocks(medium, file, 8, b"2\n", false)?;
            assert!(rig.lists("10 1\n20 2\n30 1\n"));
            Ok(())
        })
    }

    #[test]
    fn text_from_any_offset() -> Result {
        with_rig(|rig| {
            rig.edit("1 1\n30 2\n500 13\n")?;
            let whole = b"1 1\n30 2\n500 13\n";
            let list = rig.medium().poison();
            for at in 0..=whole.len() {
                let mut text = [0; 64];
                // Each with a file of its own: pread(2) at an offset.
                let len = list.read_text(open_file(100 + at as u64), at as u64, &mut text);
                assert_eq!(&text[..len], &whole[at..]);
            }
            // One after the other, in pieces of any size.
            for size in 1..=whole.len() {
                let (mut text, mut at) = ([0; 64], 0);
                loop {
                    let piece = &mut text[at..at + size];
                    match list.read_text(open_file(200 + size as u64), at as u64, piece) {
                        0 => break,
                        len => at += len,
                    }
                }
                assert_eq!(&text[..at], whole);
            }
            Ok(())
        })
    }

    #[test]
    fn failed_pages_are_listed_whole() -> Result {
        with_rig(|rig| {
            let first = rig.range.start() as usize / PAGE_SIZE;
            for page in [0, 3, 4] {
                fail_page(first + page);
            }
            assert!(rig.lists("0 8\n24 16\n"));
            // Beside what is injected.
            rig.edit("20 6")?;
            assert!(rig.lists("0 8\n20 20\n"));
            rig.write_zeroes(0, 40)?;
            assert!(rig.lists(""));
            Ok(())
        })
    }

    #[test]
    fn a_text_is_carried_out_whole_or_not_at_all() -> Result {
        with_rig(|rig| {
            let first = rig.range.start() as usize / PAGE_SIZE;
            for page in [0, 3, 4] {
                fail_page(first + page);
            }
            rig.edit("20 1")?;
            let before = "0 8\n20 1\n24 16\n";
            let text = "100 1\n-20 1\n-0 8\n-24 16";
            // Two pages can be mapped again, the third cannot.
            for nth in 1..=3 {
                assert!(with_nth_unmappable(nth, || rig.edit(text)).is_err());
                assert!(rig.lists(before));
                // All of them still count as failed: a part cannot be cleared.
                for part in ["-0 4", "-24 4", "-36 4"] {
                    assert!(rig.edit(part).is_err());
                }
            }
            // A write is no different.
            assert!(with_nth_unmappable(2, || rig.write_zeroes(24, 16)).is_err());
            assert!(rig.edit("-24 4").is_err());
            assert!(rig.lists(before));
            rig.edit(text)?;
            assert!(rig.lists("100 1\n"));
            rig.repair_all()
        })
    }
}
