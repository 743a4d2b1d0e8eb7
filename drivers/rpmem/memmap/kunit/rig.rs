// SPDX-License-Identifier: GPL-2.0

//! A disk on a spare piece of persistent memory, for a test.

use crate::{device::Bound, Memmap};
use kernel::{
    faux,
    prelude::*,
    str::CString,
    sync::atomic::{Atomic, Relaxed},
};
use kernel_ext::{
    block::gen_disk::Disk,
    dax,
    kunit::{self, bio::Opf, bio::TestBio},
    memremap,
    numa::Node,
    resource::{self, Kind, PhysRange},
    SECTOR_SIZE,
};
use rpmem_core::{
    medium::{Medium, PAGE_SECTORS},
    sysfs::edit_badblocks,
};

/// Bytes of a test's medium: more than one stride of zeroing, and all is soon written.
pub(super) const SIZE: usize = 4 << 20;

/// Its pages and sectors.
pub(super) const PAGES: u64 = SECTORS / PAGE_SECTORS;
pub(super) const SECTORS: u64 = (SIZE / SECTOR_SIZE) as u64;

/// Numbers of disks and devices that the driver has not given away.
static NEXT: Atomic<u32> = Atomic::new(100);

/// The errno of the probe that ended last, as the device core does not pass it on.
pub(super) static LAST_PROBE: Atomic<i32> = Atomic::new(0);

/// Called when a probe ends.
pub(crate) fn note_probe(error: Option<Error>) {
    LAST_PROBE.store(error.map_or(0, Error::to_errno), Relaxed);
}

/// Returns a number for a disk or a device of a test.
pub(super) fn unused_number() -> u32 {
    NEXT.fetch_add(1, Relaxed)
}

/// Returns the first `N` pieces of [`SIZE`] bytes of legacy persistent memory that nobody holds; without
/// that many the test is marked as skipped.
pub(super) fn spare<const N: usize>() -> Option<[PhysRange; N]> {
    let everything = PhysRange::new(0, u64::MAX)?;
    let align = memremap::compat_align().max(SIZE as u64);
    let mut pieces = [everything; N];
    let mut found = 0;
    let walked = resource::for_each(Kind::PersistentMemoryLegacy, everything, |range| {
        let end = range.last().saturating_add(1);
        let mut start = range.start().next_multiple_of(align);
        while start + SIZE as u64 <= end {
            let piece = PhysRange::new(start, SIZE as u64).ok_or(EINVAL)?;
            let place = pieces.get_mut(found);
            if let (Some(place), false) = (place, resource::is_busy(piece)) {
                *place = piece;
                found += 1;
            }
            start += align;
        }
        Ok(())
    });
    if walked.is_err() || found < N {
        kunit::mark_skipped("needs free persistent memory, such as memmap=64M!512M makes");
        return None;
    }
    Some(pieces)
}

/// A disk of [`SIZE`] bytes, all of which are good.
pub(super) struct Rig {
    // Dropped in this order.
    bound: Bound,
    _parent: faux::Registration,
    pub(super) range: PhysRange,
}

impl Rig {
    fn new(range: PhysRange) -> Result<Self> {
        let parent = parent()?;
        let device: &faux::Device<kernel::device::Bound> = parent.as_ref();
        let bound = Bound::drive(device.as_ref(), unused_number(), range, false, Node::NONE)?;
        Ok(Self {
            bound,
            _parent: parent,
            range,
        })
    }

    pub(super) fn disk(&self) -> &Disk<Medium<Memmap>> {
        match self.bound.disk() {
            Some(disk) => disk,
            // There until it is dropped.
            None => unreachable!(),
        }
    }

    pub(super) fn medium(&self) -> &Medium<Memmap> {
        self.disk().data()
    }

    pub(super) fn dax(&self) -> Result<&dax::Device<Medium<Memmap>>> {
        self.disk().dax().ok_or(ENXIO)
    }

    /// Reads `memory` from the disk, from `sector` on, by a bio that the block core sees.
    pub(super) fn read(&self, sector: u64, memory: &mut [u8]) -> Result {
        TestBio::new(self.disk(), Opf::READ, sector, [memory])?.submit()
    }

    /// Writes `memory` to the disk, from `sector` on.
    pub(super) fn write(&self, sector: u64, memory: &mut [u8]) -> Result {
        TestBio::new(self.disk(), Opf::WRITE, sector, [memory])?.submit()
    }

    /// Writes zeroes to `sectors` sectors from `sector` on.
    pub(super) fn write_zeroes(&self, sector: u64, sectors: u32) -> Result {
        let bytes = sectors * SECTOR_SIZE as u32;
        TestBio::without_data(self.disk(), Opf::WRITE_ZEROES, sector, bytes)?.submit()
    }

    /// Writes a text to the list of bad blocks, as a user does.
    pub(super) fn edit(&self, text: &str) -> Result {
        let file = kunit::open_file(1);
        edit_badblocks(self.medium(), file, 0, text.as_bytes(), false)
    }

    /// Whether the list of bad blocks is `expected`, as a user reads it.
    pub(super) fn lists(&self, expected: &str) -> bool {
        let mut text = [0; 256];
        let len = self
            .medium()
            .poison()
            .read_text(kunit::open_file(2), 0, &mut text);
        text.get(..len) == Some(expected.as_bytes())
    }

    /// Empties the list of bad blocks.
    pub(super) fn repair_all(&self) -> Result {
        self.edit("-0 8192\n")
    }
}

/// Returns a device for a disk to be below. A test that failed may have left one, with another name.
pub(super) fn parent() -> Result<faux::Registration> {
    let name = CString::try_from_fmt(fmt!("rpmem_kunit.{}", unused_number()))?;
    faux::Registration::new(&name, None)
}

/// Runs a test on a fresh disk, or marks it as skipped where there is no memory for one.
pub(super) fn with_rig(test: impl FnOnce(&Rig) -> Result) -> Result {
    match spare() {
        Some([range]) => test(&Rig::new(range)?),
        None => Ok(()),
    }
}

/// Returns `len` bytes that can be a bio's, no two sectors of which are alike.
pub(super) fn pattern(seed: u8, len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::with_capacity(len, GFP_KERNEL)?;
    for index in 0..len {
        let sector = index / SECTOR_SIZE;
        let byte = seed
            .wrapping_mul(31)
            .wrapping_add(sector as u8)
            .wrapping_mul(7)
            .wrapping_add(index as u8);
        bytes.push(byte, GFP_KERNEL)?;
    }
    Ok(bytes)
}

/// Returns `len` bytes that can be a bio's, none of which is in any [`pattern`] by intent.
pub(super) fn blank(len: usize) -> Result<KVec<u8>> {
    Ok(KVec::from_elem(0xa5, len, GFP_KERNEL)?)
}
