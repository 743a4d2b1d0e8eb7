// SPDX-License-Identifier: GPL-2.0

//! One reading of all metadata.

use rdaxfs_core::platform::{Digest, Medium};

use crate::image::Image;
use crate::progress::Progress;
use crate::survey::Survey;
use crate::{bad_blocks, groups, inodes, links, records, superblock};

/// Reads all metadata of a volume and judges it.
pub fn survey<M: Medium + Digest>(
    image: &Image<'_, M>,
    mut progress: impl FnMut(Progress),
) -> Survey {
    let mut survey = Survey::default();
    superblock::judge(image, &mut survey);
    records::judge(image, &mut survey);
    groups::claim_heads(image, &mut survey);
    survey.bad_blocks_owner = bad_blocks::named(image);
    inodes::find(image, &mut survey, &mut progress);
    bad_blocks::judge(image, &mut survey);
    links::judge(image, &mut survey, &mut progress);
    groups::judge(image, &mut survey, &mut progress);
    superblock::judge_totals(image, &mut survey);
    survey
}
