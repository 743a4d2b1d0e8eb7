// SPDX-License-Identifier: GPL-2.0

//! A look at a clean volume that takes no longer than its groups are many.

use rdaxfs_core::platform::{Digest, Medium};

use crate::image::Image;
use crate::survey::Survey;
use crate::{groups, records, superblock};

/// Whether both copies of the superblock, the groups' headers and the journal can be read and are good, and the
/// headers' counters add up to the superblock's totals: whether there is no reason to doubt a volume that says it
/// is clean.
#[must_use]
pub fn heads_agree<M: Medium + Digest>(image: &Image<'_, M>) -> bool {
    let mut survey = Survey::default();
    superblock::judge(image, &mut survey);
    records::judge(image, &mut survey);
    let (mut free, mut inodes) = (0, 0_u64);
    for group in 0..image.groups() {
        let header = groups::judge_header(image, &mut survey, group);
        free += u64::from(header.free.get());
        inodes = inodes.saturating_add(header.inodes.get());
    }
    let totals = (
        image.superblock.free_blocks.get(),
        image.superblock.inodes.get(),
    );
    survey.findings.is_empty() && totals == (free, inodes)
}
