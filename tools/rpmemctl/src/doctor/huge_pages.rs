// SPDX-License-Identifier: GPL-2.0

//! Whether a file's blocks lie so that huge pages can map them.
//!
//! A huge page maps 2 MiB of a file that begin at a multiple of 2 MiB, if they are in one piece on the medium and begin
//! at a multiple of 2 MiB there, too. Disks of rpmem and nd_pmem begin at one; a partition begins where its table says.

use super::{Diagnosis, Finding};
use crate::block_device::BlockDevice;
use crate::quantity::{counted, SECTOR};
use crate::suggest::choose::LEAST_ALIGNMENT as HUGE;
use fs_extents::fiemap::{self, Extent, Of};
use std::fs::File;
use std::path::Path;
use terminal::safe_path;

/// Looks at a file with DAX. Returns whether huge pages can map a part of it.
pub(super) fn examine(path: &Path, device: &BlockDevice, diagnosis: &mut Diagnosis) -> bool {
    let place = safe_path(path);
    let looked = File::open(path).and_then(|file| {
        let size = file.metadata()?.len();
        let extents = fiemap::extents(&file, Of::Data).collect::<Result<Vec<_>, _>>()?;
        Ok((size, extents))
    });
    let (size, extents) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            diagnosis.skip(format!("how huge pages can map {place}: {error}"));
            return false;
        }
    };
    // How device mapper's devices are laid out is not looked at.
    if !device.slaves().is_empty() {
        diagnosis.skip(format!(
            "how huge pages can map {place}: it is on {}, which is made of other devices",
            device.name()
        ));
        return false;
    }
    let start = match device.whole_disk() {
        Ok(Some((_, start))) => start.saturating_mul(SECTOR),
        _ => 0,
    };
    let all = size / HUGE;
    if all == 0 {
        return false;
    }
    let fit = fitting(&extents, start, all);
    let ranges = counted(all, "range");
    if fit > 0 {
        diagnosis.looked_at.push(format!(
            "huge pages can map {fit} of {ranges} of 2 MiB of {place}"
        ));
        return true;
    }
    let finding = Finding::advice(
        "file-without-huge-pages",
        format!("{place} can be mapped by pages of 4 KiB only"),
    );
    let what = match extents.first() {
        None => "it has no blocks yet: what is written later is placed then".to_owned(),
        Some(first) => format!(
            "none of its {ranges} of 2 MiB is in one piece at a multiple of 2 MiB; its first extent has byte {} of the \
             file at byte {} of the disk",
            first.logical,
            first.physical.saturating_add(start)
        ),
    };
    diagnosis.add(finding.seen(what).remedy(format!(
        "follow the advice on {} above, if there is some; then copy the file: cp {place} {place}.new && mv {place}.new {place}",
        device.name()
    )));
    false
}

/// How many of the first `all` ranges of 2 MiB lie as huge pages want them, on a device that begins at byte `start` of
/// its disk.
fn fitting(extents: &[Extent], start: u64, all: u64) -> u64 {
    // Adjacent extents that only differ in what is written are one piece.
    let mut pieces: Vec<(u64, u64, u64)> = Vec::new();
    for extent in extents.iter().filter(|extent| extent.is_placed()) {
        let at = extent.physical.saturating_add(start);
        match pieces.last_mut() {
            Some((logical, physical, length))
                if *logical + *length == extent.logical && *physical + *length == at =>
            {
                *length += extent.length;
            }
            _ => pieces.push((extent.logical, at, extent.length)),
        }
    }
    let fit = pieces.iter().map(|&(logical, physical, length)| {
        if logical % HUGE != physical % HUGE {
            return 0;
        }
        let first = logical.div_ceil(HUGE);
        let end = (logical.saturating_add(length) / HUGE).min(all);
        end.saturating_sub(first)
    });
    fit.sum()
}

#[cfg(test)]
mod tests {
    use super::{fitting, Extent, HUGE};

    #[test]
    fn counts_ranges_that_lie_alike() {
        let mib = |n: u64| n << 20;
        let one = |logical, physical, length| Extent::written(logical, physical, length);
        assert_eq!(fitting(&[one(0, mib(4), mib(8))], 0, 4), 4);
        // A partition from 1 MiB on.
        assert_eq!(fitting(&[one(0, mib(4), mib(8))], mib(1), 4), 0);
        assert_eq!(fitting(&[one(0, mib(5), mib(8))], mib(1), 4), 4);
        // Begins and ends within a range.
        assert_eq!(fitting(&[one(mib(1), mib(5), mib(8))], 0, 5), 3);
        // In two pieces, which are one on the disk, or not.
        let two = [one(0, mib(2), mib(1)), one(mib(1), mib(3), mib(1))];
        assert_eq!(fitting(&two, 0, 1), 1);
        let apart = [one(0, mib(2), mib(1)), one(mib(1), mib(5), mib(1))];
        assert_eq!(fitting(&apart, 0, 1), 0);
        // Behind the end of the file.
        assert_eq!(fitting(&[one(0, 0, mib(8))], 0, 2), 2);
        assert_eq!(fitting(&[], 0, HUGE), 0);
    }
}
