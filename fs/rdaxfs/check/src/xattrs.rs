// SPDX-License-Identifier: GPL-2.0

//! The extended attributes of an inode.

use std::collections::HashSet;
use std::mem::offset_of;

use rdaxfs_core::format::{
    block_offset, inode_offset, InlineXattrs, Inode, Root, XattrEntry, XattrHeader, XattrRoot,
    XattrRun, XattrSpace, BLOCK_SIZE, MAX_XATTR_VALUE, XATTR_MAGIC,
};
use rdaxfs_core::platform::{Digest, Medium};
use zerocopy::FromBytes;

use crate::finding::{Finding, Problem};
use crate::image::Image;
use crate::survey::Survey;

/// What is said of entries whose checksum is another.
const WRONG_CHECKSUM: &str = "has attributes with a wrong checksum; they are removed";

/// Claims the blocks of an inode's attributes. `root` says what else is in the inode.
pub(crate) fn xattrs<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    inode: &Inode,
    root: Root,
) {
    let judged = match XattrRoot::from_word(inode.xattrs.get()) {
        Some(XattrRoot::Empty) => Ok(()),
        Some(XattrRoot::Run(run)) => judge_run(image, survey, inode, run),
        Some(XattrRoot::Inline(inline)) => judge_inline(image, inode, inline, root),
        None => Err("has impossible attributes; they are removed"),
    };
    if let Err(what) = judged {
        let ino = inode.ino.get();
        let at = inode_offset(ino) + offset_of!(Inode, xattrs) as u64;
        survey.add(Finding::words(Problem::Inode { ino, what }, vec![(at, 0)]));
    }
}

fn judge_inline<M: Medium + Digest>(
    image: &Image<'_, M>,
    inode: &Inode,
    inline: InlineXattrs,
    root: Root,
) -> Result<(), &'static str> {
    if root.inline_len() > inline.start() {
        return Err("has attributes where its contents are; they are removed");
    }
    let entries = &inode.inline[inline.start()..];
    if image.crc(entries) != inline.crc {
        return Err(WRONG_CHECKSUM);
    }
    judge_entries(entries)
}

fn judge_run<M: Medium + Digest>(
    image: &Image<'_, M>,
    survey: &mut Survey,
    inode: &Inode,
    root: XattrRun,
) -> Result<(), &'static str> {
    if !image.is_run(root.block, root.count) {
        return Err("has attributes outside the volume; they are removed");
    }
    let start = block_offset(root.block);
    let unreadable = "has attributes that cannot be read; they are removed";
    let header: XattrHeader = image.get(start).map_err(|_| unreadable)?;
    let len = size_of::<XattrHeader>();
    if header.magic.get() != XATTR_MAGIC
        || header.block.get() != root.block
        || header.owner.get() != inode.ino.get()
        || header.generation.get() != inode.generation.get()
    {
        return Err("has attributes that are not its own; they are removed");
    }
    let end = len + header.bytes.get() as usize;
    if end as u64 > root.count * BLOCK_SIZE {
        return Err("has attributes of an impossible length; they are removed");
    }
    // Nobody reads what is behind them.
    let mut bytes = vec![0; end];
    image.read(start, &mut bytes).map_err(|_| unreadable)?;
    if header.crc.get() != image.crc(&bytes[offset_of!(XattrHeader, block)..]) {
        return Err(WRONG_CHECKSUM);
    }
    judge_entries(&bytes[len..])?;
    if !survey.claim(root.block, root.count, false) {
        return Err("has attributes in blocks that belong to something else; they are removed");
    }
    Ok(())
}

fn judge_entries(entries: &[u8]) -> Result<(), &'static str> {
    let mut names = HashSet::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let what = "has attributes that make no sense; they are removed";
        let (head, behind) = XattrEntry::read_from_prefix(rest).map_err(|_| what)?;
        let name_len = usize::from(head.name_len.get());
        let value_len = head.value_len.get() as usize;
        let name = behind.get(..name_len).ok_or(what)?;
        let good = (1..=255).contains(&name_len)
            && value_len <= MAX_XATTR_VALUE
            && !name.contains(&0)
            && XattrSpace::from_number(head.space.get()).is_some()
            && names.insert((head.space.get(), name.to_vec()));
        let whole = (size_of::<XattrEntry>() + name_len + value_len).next_multiple_of(8);
        rest = rest.get(whole..).filter(|_| good).ok_or(what)?;
    }
    Ok(())
}
