// SPDX-License-Identifier: GPL-2.0

//! The inode that owns blocks which must not be used.

use std::mem::offset_of;

use rdaxfs_core::format::{
    entry_type, inode_offset, Inode, INODE_CRC, INODE_MAGIC, OWN_BAD_BLOCKS, S_IFMT, S_IFREG,
};
use rdaxfs_core::platform::{Digest, Medium};
use zerocopy::IntoBytes;

use crate::finding::{Finding, Problem, Word};
use crate::image::Image;
use crate::inodes::find_by_name;
use crate::survey::Survey;

/// Whether an inode says that it is one.
fn is_owner(inode: &Inode) -> bool {
    inode.mode.get() & S_IFMT == S_IFREG && inode.own_flags.get() & OWN_BAD_BLOCKS != 0
}

/// The one that the superblock names, if it is one; else 0.
pub(crate) fn named<M: Medium + Digest>(image: &Image<'_, M>) -> u64 {
    let ino = image.superblock.bad_blocks.get();
    let is_named = ino != 0
        && image
            .get::<Inode>(inode_offset(ino))
            .is_ok_and(|inode| inode.ino.get() == ino && is_owner(&inode));
    if is_named {
        ino
    } else {
        0
    }
}

/// Whether the superblock names the inode that is it, and no other one is.
pub(crate) fn judge<M: Medium + Digest>(image: &Image<'_, M>, survey: &mut Survey) {
    let said = image.superblock.bad_blocks.get();
    let mut owner = survey.bad_blocks_owner;
    if owner != 0 {
        // Whatever bitmaps say of its chunk.
        find_by_name(image, survey, owner, entry_type(S_IFREG));
    }
    if !survey.inodes.contains_key(&owner) {
        owner = 0;
    }
    let others = survey.inodes.iter();
    let others = others.filter(|(&ino, info)| ino != owner && is_owner(&info.inode));
    let others: Vec<Inode> = others.map(|(_, info)| info.inode).collect();
    for inode in others {
        if owner == 0 && inode.links.get() == 1 {
            owner = inode.ino.get();
            continue;
        }
        let problem = Problem::Inode {
            ino: inode.ino.get(),
            what: "is not the owner of the bad blocks, as it says",
        };
        survey.add(Finding::words(problem, without_flag(image, inode)));
    }
    survey.bad_blocks_owner = owner;
    if owner == said {
        return;
    }
    let mut superblock = image.superblock;
    superblock.bad_blocks.set(owner);
    let what = if owner == 0 {
        "names an owner of bad blocks that is none; blocks that are bad may be used again"
    } else {
        "does not name the owner of the bad blocks"
    };
    let words = crate::superblock::changed(image, superblock);
    survey.add(Finding::words(
        Problem::Superblock { block: 0, what },
        words,
    ));
}

/// The words of an inode that does not say so.
fn without_flag<M: Medium + Digest>(image: &Image<'_, M>, inode: Inode) -> Vec<Word> {
    let mut inode = inode;
    inode.own_flags.set(inode.own_flags.get() & !OWN_BAD_BLOCKS);
    let crc = image.crc(&inode.as_bytes()[INODE_CRC]);
    let base = inode_offset(inode.ino.get());
    let flags = u64::from(inode.own_flags.get()) | u64::from(inode.reserved_flags.get()) << 32;
    vec![
        (base + offset_of!(Inode, own_flags) as u64, flags),
        (base, u64::from(INODE_MAGIC) | u64::from(crc) << 32),
    ]
}

const _: () = assert!(offset_of!(Inode, own_flags) % 8 == 0);
