// SPDX-License-Identifier: GPL-2.0

//! Which regions to take, and which to refuse.

use crate::params;
use kernel::{fmt, prelude::*};
use kernel_ext::{
    memremap,
    platform::bound_driver,
    resource::{self, Kind, PhysRange},
};
use rpmem_regions::{
    infoblock::{recognise, InfoBlock, PROBES, SIGNATURE_LEN},
    Misaligned, PhysAddr, PushError, Region, Regions,
};

/// The platform device that the kernel makes when the memory map has legacy persistent memory.
const E820_DEVICE: &CStr = c"e820_pmem";

/// Where a region may lie.
const KINDS: [Kind; 3] = [
    Kind::Reserved,
    Kind::PersistentMemory,
    Kind::PersistentMemoryLegacy,
];

/// Why a region is refused.
enum Refusal {
    NotAddressable,
    SystemRam,
    Busy,
    NotDescribed,
    NotMemory,
    /// Several resources beside each other make up the region; this is the first of them.
    InPieces(Region),
    Misaligned(Misaligned),
    Foreign(Foreign),
}

/// What libnvdimm has made of a region.
///
/// Its block device begins behind the info block: taken as a whole, the region would show a file
/// system at the wrong place, and writing to it would destroy that of another driver.
pub(crate) struct Foreign {
    what: InfoBlock,
    offset: u64,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "carries a {} info block of libnvdimm at byte {:#x}; let nd_pmem drive it, or give it up with ndctl destroy-namespace --force and name it again",
            self.what.name(),
            self.offset
        )
    }
}

/// Looks for an info block of libnvdimm, with a function that reads bytes of the region.
pub(crate) fn foreign_format(peek: impl Fn(u64, &mut [u8]) -> Result) -> Option<Foreign> {
    PROBES.into_iter().find_map(|offset| {
        let mut bytes = [0; SIGNATURE_LEN];
        // Poison there is no signature.
        peek(offset, &mut bytes).ok()?;
        recognise(offset, &bytes).map(|what| Foreign { what, offset })
    })
}

impl Refusal {
    fn errno(&self) -> Error {
        match self {
            Refusal::Busy | Refusal::Foreign(_) => EBUSY,
            Refusal::NotAddressable
            | Refusal::SystemRam
            | Refusal::NotDescribed
            | Refusal::NotMemory
            | Refusal::InPieces(_)
            | Refusal::Misaligned(_) => EINVAL,
        }
    }

    /// Says which region is refused, by which rule, and the way out.
    fn report(&self, region: Region) {
        match self {
            Refusal::NotAddressable => pr_err!(
                "regions={}: lies beyond the physical addresses of this CPU; name a range of /proc/iomem\n",
                format_args!("{region}")
            ),
            Refusal::SystemRam => pr_err!(
                "regions={}: overlaps System RAM; keep it out of the kernel's hands with memmap= on its command line, or name another range\n",
                format_args!("{region}")
            ),
            Refusal::Busy => pr_err!(
                "regions={}: is busy: another driver holds it, which /proc/iomem names; unbind or unload that, or name another range\n",
                format_args!("{region}")
            ),
            Refusal::NotDescribed => pr_err!(
                "regions={}: is not wholly Reserved or Persistent Memory in /proc/iomem; name a range that is, or add force=1 if you know that memory is there\n",
                format_args!("{region}")
            ),
            Refusal::NotMemory => pr_err!(
                "regions={}: is in part no memory but a device's, or the firmware's, as /proc/iomem shows; name a range that is Reserved or Persistent Memory there\n",
                format_args!("{region}")
            ),
            Refusal::InPieces(first) => pr_err!(
                "regions={}: is in pieces in /proc/iomem; name each on its own, such as regions={}\n",
                format_args!("{region}"),
                format_args!("{first}")
            ),
            Refusal::Foreign(found) => {
                pr_err!("regions={}: {}\n", format_args!("{region}"), found);
            }
            Refusal::Misaligned(misaligned) => {
                pr_err!("regions={}\n", format_args!("{misaligned}"));
            }
        }
    }
}

/// Returns the region as the kernel's resources know it.
pub(crate) fn phys_range(region: Region) -> Result<PhysRange> {
    PhysRange::new(region.start().get(), region.size()).ok_or(EINVAL)
}

/// Returns the regions that the parameters select, every one of which may be taken.
///
/// # Errors
///
/// `EINVAL`, `EBUSY` or `ENODEV`, after a message that names the region, the rule and the way out.
pub(crate) fn select() -> Result<Regions> {
    let text = params::REGIONS.get();
    let mut regions = match text {
        Some(text) => parse(text)?,
        None => Regions::new(),
    };
    for region in regions.iter() {
        judge(*region)
            .inspect_err(|refusal| refusal.report(*region))
            .map_err(|r| r.errno())?;
    }
    if params::AUTO.get().0.unwrap_or(text.is_none()) {
        add_legacy(&mut regions)?;
    }
    if regions.is_empty() {
        pr_err!("no region to take: boot with memmap=SIZE!ADDR, such as memmap=1G!4G, or give regions=SIZE@ADDR\n");
        return Err(ENODEV);
    }
    Ok(regions)
}

fn parse(text: &CStr) -> Result<Regions> {
    Regions::parse(text.to_bytes()).map_err(|error| {
        pr_err!("regions={}\n", format_args!("{error}"));
        EINVAL
    })
}

/// Whether a region may be taken.
fn judge(region: Region) -> Result<(), Refusal> {
    let Ok(range) = phys_range(region) else {
        return Err(Refusal::NotDescribed);
    };
    if !resource::is_addressable(range) {
        return Err(Refusal::NotAddressable);
    }
    if resource::overlaps_system_ram(range) {
        return Err(Refusal::SystemRam);
    }
    if resource::is_busy(range) {
        return Err(Refusal::Busy);
    }
    if !params::FORCE.get() && !KINDS.iter().any(|kind| resource::is_wholly(*kind, range)) {
        return Err(Refusal::NotDescribed);
    }
    if !resource::is_memory(range) {
        return Err(Refusal::NotMemory);
    }
    if let Some(first) = first_piece(range) {
        return Err(Refusal::InPieces(first));
    }
    region
        .check_alignment(memremap::compat_align())
        .map_err(Refusal::Misaligned)?;
    match foreign_format(|offset, bytes| memremap::peek(range, offset, bytes)) {
        Some(found) => Err(Refusal::Foreign(found)),
        None => Ok(()),
    }
}

/// Returns the first resource of a range that several make up: they cannot be claimed as one.
fn first_piece(range: PhysRange) -> Option<Region> {
    KINDS.into_iter().find_map(|kind| {
        let mut first = None;
        let walked = resource::for_each(kind, range, |piece| {
            // The walk cuts off what is outside.
            if piece.start() == range.start() && piece.size() < range.size() {
                first = Region::new(PhysAddr::new(piece.start()), piece.size()).ok();
            }
            Ok(())
        });
        walked.ok().and(first)
    })
}

/// Adds every free range of legacy persistent memory that is not named already.
///
/// A range that cannot be taken is left alone with a message: the user did not ask for it.
fn add_legacy(regions: &mut Regions) -> Result {
    if let Some(driver) = bound_driver(E820_DEVICE) {
        pr_err!(
            "auto: driver \"{}\" is bound to the {} device and owns its ranges; take them from it (echo {} > /sys/bus/platform/drivers/{}/unbind), and keep it from coming back with the modprobe.d file that rpmem installs\n",
            &*driver,
            E820_DEVICE,
            E820_DEVICE,
            &*driver
        );
        return Err(EBUSY);
    }
    let everything = PhysRange::new(0, u64::MAX).ok_or(EINVAL)?;
    resource::for_each(Kind::PersistentMemoryLegacy, everything, |range| {
        let Ok(region) = Region::new(PhysAddr::new(range.start()), range.size()) else {
            return Ok(());
        };
        add_one_legacy(regions, region)
    })
}

fn add_one_legacy(regions: &mut Regions, whole: Region) -> Result {
    let region = match whole.trim_end(memremap::compat_align()) {
        Ok(region) => region,
        Err(misaligned) => {
            pr_warn!(
                "auto: leaving a range alone: {}\n",
                format_args!("{misaligned}")
            );
            return Ok(());
        }
    };
    if region.size() != whole.size() {
        pr_notice!(
            "auto: taking {} of {}: the end is not a multiple of what struct pages come in\n",
            format_args!("{region}"),
            format_args!("{whole}")
        );
    }
    match judge(region) {
        Ok(()) => {}
        Err(Refusal::Busy) => {
            pr_notice!(
                "auto: leaving {} alone: it is busy, another driver holds it\n",
                format_args!("{region}")
            );
            return Ok(());
        }
        // Another driver's data: which of the ranges are meant has to be said.
        Err(refusal @ Refusal::Foreign(_)) => {
            refusal.report(region);
            return Err(refusal.errno());
        }
        Err(refusal) => {
            refusal.report(region);
            return Ok(());
        }
    }
    match regions.push(region) {
        Ok(()) => {}
        // Named in regions=, whole or in part.
        Err(PushError::Overlaps(_)) => {}
        Err(PushError::Full) => {
            pr_warn!(
                "auto: leaving {} alone: there are {} devices already, the most that there can be\n",
                format_args!("{region}"),
                rpmem_regions::MAX_REGIONS
            );
        }
    }
    Ok(())
}
