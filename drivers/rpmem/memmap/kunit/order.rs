// SPDX-License-Identifier: GPL-2.0

//! Store, fence, clear.

#[kernel::macros::kunit_tests(rpmem_order)]
mod tests {
    use crate::kunit::rig::{blank, pattern, with_rig, Rig, SECTORS};
    use core::cell::{Cell, RefCell};
    use kernel::prelude::*;
    use kernel_ext::{
        dax::Operations,
        kunit::{
            bio::{Opf, TestBio},
            dax::recovery_write,
            trace::{with_listener, Event},
        },
        PAGE_SIZE, SECTOR_SIZE,
    };

    /// What happened to the medium, and whether the sectors in question were on the list right after
    /// each of it.
    struct Heard {
        events: KVec<(Event, bool)>,
        outcome: Result,
    }

    impl Heard {
        /// Whether there were stores, all of them before a fence.
        fn is_durable(&self) -> bool {
            let last = |event| self.events.iter().rposition(|(heard, _)| *heard == event);
            last(Event::Store).is_some() && last(Event::Store) < last(Event::Fence)
        }

        fn are(&self, expected: &[Event]) -> bool {
            self.events.iter().map(|(event, _)| event).eq(expected)
        }

        /// Whether the sectors were on the list through all of it.
        fn listed_throughout(&self) -> bool {
            self.outcome.is_ok() && self.events.iter().all(|(_, listed)| *listed)
        }
    }

    /// Listens while `f` works on `sectors` sectors from `sector` on.
    fn listen(rig: &Rig, sector: u64, sectors: u64, f: impl FnOnce() -> Result) -> Result<Heard> {
        const MOST: usize = 64;

        let events = RefCell::new(KVec::with_capacity(MOST, GFP_KERNEL)?);
        let lost = Cell::new(false);
        let list = rig.medium().poison();
        let listener = |event| {
            let heard = (event, list.any_in(sector, sectors));
            // There is room: nothing is allocated here.
            match events.try_borrow_mut() {
                Ok(mut events) if events.len() < MOST => {
                    lost.set(lost.get() || events.push(heard, GFP_ATOMIC).is_err());
                }
                _ => lost.set(true),
            }
        };
        let outcome = with_listener(&listener, f);
        if lost.get() {
            return Err(ENOSPC);
        }
        Ok(Heard {
            events: events.into_inner(),
            outcome,
        })
    }

    fn write(rig: &Rig, opf: Opf, sector: u64, sectors: usize) -> Result {
        let mut data = pattern(1, sectors * SECTOR_SIZE)?;
        let (front, rest) = data.split_at_mut(100);
        let bio = TestBio::new(rig.disk(), opf, sector, [front, rest])?;
        bio.submit()
    }

    #[test]
    fn a_write_is_fenced_when_it_ends() -> Result {
        with_rig(|rig| {
            for opf in [Opf::WRITE, Opf::WRITE_FUA] {
                let heard = listen(rig, 4, 4, || write(rig, opf, 4, 4))?;
                // One store a segment, and one fence behind them.
                assert!(heard.are(&[Event::Store, Event::Store, Event::Fence]));
                assert!(heard.is_durable());
            }
            Ok(())
        })
    }

    #[test]
    fn zeroes_are_fenced_when_they_end() -> Result {
        with_rig(|rig| {
            let heard = listen(rig, 0, 1, || rig.write_zeroes(0, SECTORS as u32))?;
            assert!(heard.is_durable());
            let heard = listen(rig, 0, 1, || rig.medium().zero_page_range(1, 3))?;
            assert!(heard.are(&[Event::Store, Event::Fence]));
            Ok(())
        })
    }

    #[test]
    fn a_flush_is_a_fence() -> Result {
        with_rig(|rig| {
            let flush = || TestBio::without_data(rig.disk(), Opf::FLUSH, 0, 0)?.submit();
            assert!(listen(rig, 0, 1, flush)?.are(&[Event::Fence]));
            // Before the data that comes with it, and behind that too.
            let heard = listen(rig, 0, 1, || write(rig, Opf::FLUSH, 0, 1))?;
            assert!(heard.are(&[Event::Fence, Event::Store, Event::Store, Event::Fence]));
            Ok(())
        })
    }

    #[test]
    fn a_read_stores_nothing() -> Result {
        with_rig(|rig| {
            let mut found = blank(PAGE_SIZE)?;
            let heard = listen(rig, 0, 1, || rig.read(0, &mut found))?;
            assert!(heard.are(&[]));
            rig.edit("3 1")?;
            let heard = listen(rig, 3, 1, || rig.read(0, &mut found))?;
            assert!(heard.are(&[]) && heard.outcome.is_err());
            Ok(())
        })
    }

    #[test]
    fn a_bad_sector_is_cleared_after_the_fence() -> Result {
        with_rig(|rig| {
            rig.edit("4 4")?;
            for opf in [Opf::WRITE, Opf::WRITE_FUA] {
                let heard = listen(rig, 4, 4, || write(rig, opf, 4, 4))?;
                assert!(heard.are(&[Event::Store, Event::Store, Event::Fence]));
                assert!(heard.listed_throughout());
                assert!(rig.lists(""));
                rig.edit("4 4")?;
            }
            let heard = listen(rig, 4, 4, || rig.write_zeroes(4, 4))?;
            assert!(heard.is_durable() && heard.listed_throughout());
            assert!(rig.lists(""));

            rig.edit("4 4")?;
            let heard = listen(rig, 4, 4, || rig.medium().zero_page_range(0, 1))?;
            assert!(heard.is_durable() && heard.listed_throughout());
            assert!(rig.lists(""));
            Ok(())
        })
    }

    #[test]
    fn a_recovery_is_cleared_after_the_fence() -> Result {
        with_rig(|rig| {
            let dax = rig.dax()?;
            rig.edit("16 3")?;
            let data = pattern(5, PAGE_SIZE)?;
            let heard = listen(rig, 16, 8, || {
                let written = recovery_write(dax, 2, 0, &data)?;
                if written == PAGE_SIZE {
                    Ok(())
                } else {
                    Err(EIO)
                }
            })?;
            assert!(heard.is_durable() && heard.listed_throughout());
            assert!(rig.lists(""));
            Ok(())
        })
    }

    #[test]
    fn each_stride_of_zeroes_is_cleared_by_itself() -> Result {
        with_rig(|rig| {
            // In the second stride: still listed when the first one is fenced.
            rig.edit("4096 1")?;
            let heard = listen(rig, 4096, 1, || rig.write_zeroes(0, SECTORS as u32))?;
            assert!(heard.listed_throughout());
            assert!(rig.lists(""));
            // In the first: gone before the second is stored.
            rig.edit("4095 1")?;
            let heard = listen(rig, 4095, 1, || rig.write_zeroes(0, SECTORS as u32))?;
            assert!(heard.are(&[Event::Store, Event::Fence, Event::Store, Event::Fence]));
            let listed = heard.events.iter().map(|(_, listed)| *listed);
            assert!(listed.eq([true, true, false, false]));
            Ok(())
        })
    }
}
