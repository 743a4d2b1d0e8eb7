// SPDX-License-Identifier: GPL-2.0

//! Probe: every way that it fails, and nothing is left.

#[kernel::macros::kunit_tests(rpmem_lifecycle)]
mod tests {
    use crate::{
        device::Bound,
        kunit::rig::{blank, parent, pattern, spare, unused_number, with_rig, LAST_PROBE, SIZE},
        loading::{slot, Place, Places, SIZE as SIZE_PROPERTY, START},
        params,
        regions::phys_range,
        Rpmem,
    };
    use kernel::{
        faux,
        prelude::*,
        str::CString,
        sync::{atomic::Relaxed, Arc},
        ModuleMetadata,
    };
    use kernel_ext::{
        kunit::{fault, mark_skipped},
        memremap::{Memory, PageMap},
        numa::Node,
        platform::{bound_driver, OwnedDevice},
        resource::{self, Claim, PhysRange},
        PAGE_SIZE,
    };
    use rpmem_core::{keeper::Keeper, name::Name, poison::Poison};
    use rpmem_regions::{PhysAddr, Region, Regions};

    /// For lists without a disk.
    const DISK: Name = Name::of_region(0);

    /// A device, and its place, which goes after it: then the region is free.
    struct Registered {
        device: Option<OwnedDevice>,
        number: Option<u32>,
    }

    impl Registered {
        fn is_bound(&self) -> bool {
            self.device.as_ref().is_some_and(OwnedDevice::is_bound)
        }
    }

    impl Drop for Registered {
        fn drop(&mut self) {
            drop(self.device.take());
            // With the place goes its keeper, which waits for the region.
            drop(self.number.and_then(slot).and_then(|slot| slot.take()));
        }
    }

    /// Registers a device with these properties, and returns it with the errno of its probe.
    fn register_with<const N: usize>(
        number: Option<u32>,
        properties: [(&'static CStr, u64); N],
    ) -> Result<(Registered, c_int)> {
        LAST_PROBE.store(0, Relaxed);
        let mut registered = Registered {
            device: None,
            number,
        };
        if let Some(slot) = number.and_then(slot) {
            let place = Place {
                keeper: Keeper::new()?,
                prepared: None,
                last: None,
            };
            slot.put(KBox::new(place, GFP_KERNEL)?);
        }
        registered.device = Some(match number {
            Some(number) => OwnedDevice::register(Rpmem::NAME, number, properties, Node::NONE)?,
            None => OwnedDevice::register_without_number(Rpmem::NAME, properties, Node::NONE)?,
        });
        Ok((registered, LAST_PROBE.load(Relaxed)))
    }

    /// Registers a device for a range.
    fn register(start: u64, size: u64) -> Result<(Registered, c_int)> {
        let properties = [(START, start), (SIZE_PROPERTY, size)];
        register_with(Some(unused_number()), properties)
    }

    /// Whether the probe of such a device fails with this errno, and leaves `range` alone.
    fn fails(probed: Result<(Registered, c_int)>, errno: Error, range: PhysRange) -> bool {
        let Ok((device, found)) = probed else {
            return false;
        };
        let as_expected = !device.is_bound() && found == errno.to_errno();
        drop(device);
        as_expected && !resource::is_busy(range)
    }

    #[test]
    fn regions_of_the_command_line() -> Result {
        if params::REGIONS.get().is_none() {
            mark_skipped("needs rpmem.regions= on the command line");
            return Ok(());
        }
        let driver = bound_driver(c"rpmem.0").ok_or(ENODEV)?;
        assert_eq!(&*driver, Rpmem::NAME);
        Ok(())
    }

    #[test]
    fn there_and_back() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        for _ in 0..3 {
            let (device, _) = register(range.start(), range.size())?;
            assert!(device.is_bound());
            assert!(resource::is_busy(range));
            drop(device);
            assert!(!resource::is_busy(range));
        }
        Ok(())
    }

    #[test]
    fn data_outlives_the_disk() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        let parent = parent()?;
        let device: &faux::Device<kernel::device::Bound> = parent.as_ref();
        for round in 0..3u8 {
            use kernel_ext::kunit::bio::{Opf, TestBio};
            let bound = Bound::drive(device.as_ref(), unused_number(), range, false, Node::NONE)?;
            let mut found = blank(PAGE_SIZE)?;
            TestBio::new(bound.disk().ok_or(ENODEV)?, Opf::READ, 80, [&mut found[..]])?.submit()?;
            assert!(round == 0 || found[..] == pattern(round - 1, PAGE_SIZE)?[..]);
            let mut data = pattern(round, PAGE_SIZE)?;
            TestBio::new(bound.disk().ok_or(ENODEV)?, Opf::WRITE, 80, [&mut data[..]])?.submit()?;
        }
        Ok(())
    }

    #[test]
    fn devices_that_say_too_little() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        let (start, size) = ((START, range.start()), (SIZE_PROPERTY, range.size()));
        let number = || Some(unused_number());
        // No properties at all.
        assert!(fails(register_with(number(), []), ENODEV, range));
        assert!(fails(register_with(number(), [start]), EINVAL, range));
        assert!(fails(register_with(number(), [size]), EINVAL, range));
        let named_otherwise = (c"rpmem,length", range.size());
        assert!(fails(
            register_with(number(), [start, named_otherwise]),
            EINVAL,
            range
        ));
        // No number.
        assert!(fails(register_with(None, [start, size]), ENODEV, range));
        Ok(())
    }

    #[test]
    fn ranges_that_are_none() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        // Empty; with an end that wraps.
        assert!(fails(register(range.start(), 0), EINVAL, range));
        assert!(fails(register(range.start(), u64::MAX), EINVAL, range));
        assert!(fails(register(u64::MAX, 2), EINVAL, range));
        // Beyond what the CPU addresses; ordinary memory.
        assert!(fails(register(1 << 60, SIZE as u64), EINVAL, range));
        assert!(fails(register(16 << 20, 2 << 20), EINVAL, range));
        Ok(())
    }

    #[test]
    fn ranges_that_are_misaligned() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        let page = PAGE_SIZE as u64;
        let half = range.size() / 2;
        assert!(fails(register(range.start() + page, half), EINVAL, range));
        assert!(fails(register(range.start(), half - page), EINVAL, range));
        assert!(fails(register(range.start() + 512, half), EINVAL, range));
        assert!(fails(register(range.start(), half + 1), EINVAL, range));
        Ok(())
    }

    #[test]
    fn ranges_that_are_taken() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        let half = range.size() / 2;
        let (first, _) = register(range.start() + half, half)?;
        assert!(first.is_bound());
        for (start, size) in [
            (range.start() + half, half),
            (range.start(), range.size()),
            (range.start() + half, half / 2),
        ] {
            let (second, errno) = register(start, size)?;
            assert!(!second.is_bound());
            assert_eq!(errno, EBUSY.to_errno());
        }
        // Beside it there is room, and the first one has not noticed.
        let (third, _) = register(range.start(), half)?;
        assert!(third.is_bound() && first.is_bound());
        drop((first, third));
        assert!(!resource::is_busy(range));
        Ok(())
    }

    #[test]
    fn memory_that_another_driver_formatted() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        for (sector, signature) in [
            (0, b"BTT_ARENA_INFO\0\0"),
            (8, b"BTT_ARENA_INFO\0\0"),
            (8, b"NVDIMM_PFN_INFO\0"),
            (8, b"NVDIMM_DAX_INFO\0"),
        ] {
            with_rig(|rig| {
                let mut block = KVec::from_elem(0, 512, GFP_KERNEL)?;
                block[..signature.len()].copy_from_slice(signature);
                rig.write(sector, &mut block)
            })?;
            assert!(fails(register(range.start(), range.size()), EBUSY, range));

            // It is as it was; then it goes, and the range is free to be taken.
            let name = CString::try_from_fmt(kernel::prelude::fmt!("rpmem_kunit"))?;
            let claim = Claim::new(range, name)?;
            let list = Arc::pin_init(Poison::new(DISK, range.size() / 512), GFP_KERNEL)?;
            let pages = PageMap::new(claim, Node::NONE, list)?;
            let mut found = [0; 16];
            let window = |len| pages.window(sector as usize * 512, len).ok_or(EIO);
            window(16)?.read(&mut found)?;
            assert_eq!(&found, signature);
            window(512)?.zero()?;
            drop(pages);
            let (device, _) = register(range.start(), range.size())?;
            assert!(device.is_bound());
        }
        Ok(())
    }

    #[test]
    fn struct_pages_in_the_region() -> Result {
        /// Enough for those of the rest.
        const INSIDE: usize = 1 << 20;

        let Some([range]) = spare() else {
            return Ok(());
        };
        let map = |inside| {
            let name = CString::try_from_fmt(kernel::prelude::fmt!("rpmem_kunit"))?;
            let claim = Claim::new(range, name)?;
            let list = Arc::pin_init(Poison::new(DISK, range.size() / 512), GFP_KERNEL)?;
            let memory = match inside {
                0 => Memory::from(claim),
                inside => Memory::from(claim).with_pages_inside(inside, 0)?,
            };
            PageMap::new(memory, Node::NONE, list)
        };
        let pages = map(INSIDE as u64)?;
        assert_eq!(pages.len(), SIZE - INSIDE);
        assert_eq!(pages.range().start(), range.start() + INSIDE as u64);
        assert!(pages.first_in_use(0).is_none());
        assert!(pages.window(SIZE - INSIDE, 1).is_none());
        let window = |offset| pages.window(offset, 512).ok_or(EIO);
        window(0)?.write(&[1; 512])?;
        window(SIZE - INSIDE - 512)?.write(&[2; 512])?;
        drop(pages);

        // Where the data is.
        let pages = map(0)?;
        let mut found = [0; 512];
        pages.window(INSIDE, 512).ok_or(EIO)?.read(&mut found)?;
        assert_eq!(found, [1; 512]);
        pages.window(SIZE - 512, 512).ok_or(EIO)?.read(&mut found)?;
        assert_eq!(found, [2; 512]);
        pages.window(0, SIZE).ok_or(EIO)?.zero()?;
        Ok(())
    }

    #[test]
    fn a_disk_of_that_name() -> Result {
        let Some([first, second]) = spare() else {
            return Ok(());
        };
        let parent = parent()?;
        let device: &faux::Device<kernel::device::Bound> = parent.as_ref();
        let number = unused_number();
        let bound = Bound::drive(device.as_ref(), number, first, false, Node::NONE)?;
        let properties = [(START, second.start()), (SIZE_PROPERTY, second.size())];
        // The disk cannot be shown, after all else has been done.
        assert!(fails(
            register_with(Some(number), properties),
            EEXIST,
            second
        ));
        assert!(resource::is_busy(first));
        drop(bound);
        let (device, _) = register_with(Some(number), properties)?;
        assert!(device.is_bound());
        Ok(())
    }

    #[test]
    fn a_device_of_that_number() -> Result {
        let Some([first, second]) = spare() else {
            return Ok(());
        };
        let number = unused_number();
        let (taken, _) = register_with(
            Some(number),
            [(START, first.start()), (SIZE_PROPERTY, first.size())],
        )?;
        // What the module does when it is loaded; a device that cannot be made is left out.
        let mut regions = Regions::new();
        let region =
            Region::new(PhysAddr::new(second.start()), second.size()).map_err(|_| EINVAL)?;
        assert_eq!(phys_range(region)?, second);
        regions.push(region).map_err(|_| EINVAL)?;
        let places = Places::prepare_from(number, &regions)?;
        assert!(resource::is_busy(second));
        let mut devices = places.room()?;
        places.show(&mut devices);
        assert!(devices.is_empty());
        assert!(!resource::is_busy(second));
        assert!(taken.is_bound());
        Ok(())
    }

    /// Calls `attempt` with one allocation failing, the first, then the second and so on, until there
    /// are no more.
    fn with_each_allocation_failing(mut attempt: impl FnMut(u32) -> Result<bool>) -> Result<u32> {
        const MOST: u32 = 5000;

        fault::enable()?;
        for nth in 1..MOST {
            if !attempt(nth)? {
                return Ok(nth - 1);
            }
        }
        Err(E2BIG)
    }

    #[test]
    fn every_allocation_of_probe_fails_once() -> Result {
        let Some([range]) = spare() else {
            return Ok(());
        };
        let (mut in_core, mut in_probe, mut bound) = (0, 0, 0);
        let number = unused_number();
        let properties = [(START, range.start()), (SIZE_PROPERTY, range.size())];
        let injected = with_each_allocation_failing(|nth| {
            let (probed, failed) =
                fault::with_nth_failing(nth, || register_with(Some(number), properties));
            match &probed {
                // The device, or its way to the driver: not ours, whatever is said.
                Err(_) => in_core += 1,
                Ok((device, 0)) if !device.is_bound() => in_core += 1,
                Ok((device, errno)) if !device.is_bound() => {
                    // The block core has no name for a disk then, and says that.
                    let of_the_disk = *errno == EINVAL.to_errno();
                    assert!(*errno == ENOMEM.to_errno() || of_the_disk);
                    in_probe += 1;
                }
                // What can be done without, such as an announcement to user space.
                Ok(_) => bound += 1,
            }
            drop(probed);
            // Nothing is left of it.
            assert!(!resource::is_busy(range));
            Ok(failed)
        })?;
        pr_info!(
            "{injected} allocations failed: {in_core} in the device core, {in_probe} in probe, {bound} without harm\n"
        );
        // Name, list, index, struct pages, medium, DAX device, disk: each has several.
        assert!(in_probe >= 20);
        // The last attempt met no failure.
        assert!(bound >= 1);
        let (device, _) = register_with(Some(number), properties)?;
        assert!(device.is_bound());
        Ok(())
    }

    #[test]
    fn every_allocation_of_a_list_fails_once() -> Result {
        let injected = with_each_allocation_failing(|nth| {
            let (list, failed) =
                fault::with_nth_failing(nth, || Arc::pin_init(Poison::new(DISK, 4096), GFP_KERNEL));
            if !failed {
                assert!(list.is_ok());
            } else if let Err(error) = list {
                assert_eq!(error, ENOMEM);
            }
            Ok(failed)
        })?;
        // The bitmap, the index and the list itself.
        assert!(injected >= 3);
        Ok(())
    }

    /// 2 PiB, whose list is larger than what the kernel allocates at a time from the slab, and than this
    /// machine.
    #[test]
    fn a_list_without_memory_is_an_error() -> Result {
        let list = Arc::pin_init(Poison::new(DISK, 1 << 42), GFP_KERNEL);
        assert_eq!(list.err(), Some(ENOMEM));
        Ok(())
    }
}
