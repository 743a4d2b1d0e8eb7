// SPDX-License-Identifier: GPL-2.0

//! The groups: headers, bitmaps, counters and lists.

use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, group_bitmap, group_header, group_metadata, group_of, group_start, inode_number,
    inode_offset, GroupHeader, Inode, InodeChunk, CHUNK_BLOCKS, CHUNK_FULL, GROUP_BLOCKS,
    GROUP_CHUNKS, GROUP_CRC, GROUP_MAGIC,
};
use rdaxfs_core::platform::{Digest, Medium};
use zerocopy::{FromZeros, IntoBytes};

use crate::claims::{Bits, BITMAP_WORDS};
use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::list::List;
use crate::progress::Progress;
use crate::survey::{InodeInfo, Survey};

/// Claims what belongs to no inode: the groups' heads, the journal, both superblocks.
pub(crate) fn claim_heads<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey) {
    for group in 0..image.groups() {
        let start = group_start(group);
        survey.claim(start, group_header(group) + 3 - start, true);
    }
    let slots = u64::from(image.superblock.slots.get());
    survey.claim(image.superblock.slots_at.get(), slots, true);
    let last = image.blocks() - 1;
    if group_of(last) < image.groups() {
        survey.claim(last, 1, true);
    }
}

/// Compares bitmaps, counters and lists with what was found.
pub(crate) fn judge<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    progress: &mut impl FnMut(Progress),
) {
    for group in 0..image.groups() {
        progress(Progress {
            part: "bitmaps",
            done: u64::from(group),
            all: u64::from(image.groups()),
        });
        let header = judge_header(image, survey, group);
        let rest = (group_header(group), size_of::<GroupHeader>());
        let what = "the header has lines that cannot be read";
        image.judge_rest(survey, rest, Problem::Group { group, what });
        let bits = expected_bits(image, survey, group);
        judge_bitmaps(image, survey, group, &bits);
        judge_counters(image, survey, group, &header, &bits);
        judge_orphans(survey, group, &header);
        judge_chunks(image, survey, group, &header);
    }
}

/// The header, or, if it is none, a repaired one.
pub(crate) fn judge_header<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    group: u32,
) -> GroupHeader {
    let offset = block_offset(group_header(group));
    let mut good = GroupHeader::new_zeroed();
    good.magic.set(GROUP_MAGIC);
    good.group.set(u64::from(group));
    good.uuid = image.superblock.uuid;
    good.crc.set(image.crc(&good.as_bytes()[GROUP_CRC]));

    let found = image
        .get::<GroupHeader>(offset)
        .unwrap_or_else(|_| GroupHeader::new_zeroed());
    let fixed = offset_of!(GroupHeader, free);
    if found.as_bytes()[..fixed] == good.as_bytes()[..fixed] {
        return found;
    }
    let words = good.as_bytes()[..fixed]
        .chunks_exact(8)
        .enumerate()
        .map(|(at, bytes)| -> Word {
            let word = bytes.try_into().expect("the chunks have 8 bytes");
            (offset + 8 * at as u64, u64::from_le_bytes(word))
        });
    let problem = Problem::Group {
        group,
        what: "the header is not this group's",
    };
    survey.add(Finding::words(problem, words.collect()));
    found
}

/// The bitmaps as they have to be.
fn expected_bits<M: Medium + Digest>(image: &Image<'_, M>, survey: &Survey, group: u32) -> Bits {
    let mut bits = survey.claims.group(group);
    let end = (image.blocks() - group_start(group)).min(GROUP_BLOCKS);
    for (word, first) in bits.used.iter_mut().zip((0..GROUP_BLOCKS).step_by(64)) {
        // The word's bits from the volume's end on.
        let within = end.saturating_sub(first).min(64) as u32;
        *word |= u64::MAX.checked_shl(within).unwrap_or(0);
    }
    bits
}

fn judge_bitmaps<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    group: u32,
    bits: &Bits,
) {
    let (mut unmarked, mut leaked, mut metadata) = (0, 0, 0);
    let mut is_lost = false;
    let mut words = Vec::new();
    for (block, expected, is_metadata) in [
        (group_bitmap(group), &bits.used, false),
        (group_metadata(group), &bits.metadata, true),
    ] {
        let found = image.block(block).ok();
        for (at, &expected) in expected.iter().enumerate() {
            let found = found.as_ref().filter(|found| !found.is_lost(8 * at));
            let found = found.map(|found| found.word(8 * at));
            if found == Some(expected) {
                continue;
            }
            is_lost |= found.is_none();
            let found = found.unwrap_or(0);
            if is_metadata {
                metadata += u64::from((found ^ expected).count_ones());
            } else {
                unmarked += u64::from((expected & !found).count_ones());
                leaked += u64::from((found & !expected).count_ones());
            }
            words.push((block_offset(block) + 8 * at as u64, expected));
        }
    }
    if !words.is_empty() {
        let problem = if is_lost {
            let what = "a bitmap cannot be read; it is made anew";
            Problem::Group { group, what }
        } else {
            Problem::Bitmap {
                group,
                unmarked,
                leaked,
                metadata,
            }
        };
        survey.add(Finding::words(problem, words));
    }
}

fn judge_counters<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    group: u32,
    header: &GroupHeader,
    bits: &Bits,
) {
    let free: u64 = bits
        .used
        .iter()
        .map(|word| u64::from(word.count_zeros()))
        .sum();
    let align = u64::from(image.superblock.align_offset.get());
    let is_free = |place: u64| bits.used[(place / 64) as usize] >> (place % 64) & 1 == 0;
    let whole = (0..u64::from(GROUP_CHUNKS))
        .map(|chunk| align + chunk * CHUNK_BLOCKS)
        .filter(|first| first + CHUNK_BLOCKS <= GROUP_BLOCKS)
        .filter(|&first| (first..first + CHUNK_BLOCKS).all(is_free))
        .count() as u64;
    let inodes = inodes_of(survey, group).count();
    survey.free_blocks += free;

    let base = block_offset(group_header(group));
    let blocks_word = (
        base + offset_of!(GroupHeader, free) as u64,
        free | whole << 32,
    );
    let inodes_word = (base + offset_of!(GroupHeader, inodes) as u64, inodes as u64);
    for (which, found, expected, word) in [
        (
            "free blocks",
            u64::from(header.free.get()),
            free,
            blocks_word,
        ),
        (
            "free chunks",
            u64::from(header.free_chunks.get()),
            whole,
            blocks_word,
        ),
        ("inodes", header.inodes.get(), inodes as u64, inodes_word),
    ] {
        if found != expected {
            let problem = Problem::Counter {
                group,
                which,
                found,
                expected,
            };
            survey.add(Finding::words(problem, vec![word]));
        }
    }
    debug_assert_eq!(bits.used.len(), BITMAP_WORDS);
}

/// The inodes of a group, from the lowest number up.
fn inodes_of(survey: &Survey, group: u32) -> impl Iterator<Item = (u64, &InodeInfo)> {
    let first = inode_number(group_start(group), 0);
    let end = inode_number(group_start(group) + GROUP_BLOCKS, 0);
    survey
        .inodes
        .range(first..end)
        .map(|(&ino, info)| (ino, info))
}

/// The list of orphans and intents.
fn judge_orphans(survey: &mut Survey, group: u32, header: &GroupHeader) {
    let is_wanted = |inode: &Inode| inode.intent().kind != 0 || inode.links.get() == 0;
    let wanted = inodes_of(survey, group).filter(|(_, info)| is_wanted(&info.inode));
    let links = |inode: &Inode| (inode.orphan_prev.get(), inode.orphan_next.get());
    let list = List {
        head: header.orphans.get(),
        wanted: wanted.map(|(ino, _)| ino).collect(),
        members: inodes_of(survey, group)
            .map(|(ino, info)| (ino, links(&info.inode)))
            .collect(),
        first_has_itself: true,
    };
    if list.is_good() {
        return;
    }
    let head = block_offset(group_header(group)) + offset_of!(GroupHeader, orphans) as u64;
    let fields = (
        offset_of!(Inode, orphan_prev),
        offset_of!(Inode, orphan_next),
    );
    let words = list.words(head, inode_offset, fields);
    let what = "the list of orphans is wrong";
    survey.add(Finding::words(Problem::Group { group, what }, words));
}

/// The list of inode chunks with a free inode.
fn judge_chunks<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    group: u32,
    header: &GroupHeader,
) {
    let start = group_start(group);
    let own = || survey.chunks.range(start..start + GROUP_BLOCKS);
    let links = |block| match image.get::<InodeChunk>(block_offset(block)) {
        Ok(chunk) => (chunk.prev.get(), chunk.next.get()),
        // No chunk has these.
        Err(_) => (u64::MAX, u64::MAX),
    };
    let wanted = own().filter(|(_, &used)| used != CHUNK_FULL);
    let list = List {
        head: header.inode_chunks.get(),
        wanted: wanted.map(|(&block, _)| block).collect(),
        members: own().map(|(&block, _)| (block, links(block))).collect(),
        first_has_itself: false,
    };
    if list.is_good() {
        return;
    }
    let head = block_offset(group_header(group)) + offset_of!(GroupHeader, inode_chunks) as u64;
    let fields = (offset_of!(InodeChunk, prev), offset_of!(InodeChunk, next));
    let words = list.words(head, block_offset, fields);
    let what = "the list of inode chunks is wrong";
    survey.add(Finding::words(Problem::Group { group, what }, words));
}
