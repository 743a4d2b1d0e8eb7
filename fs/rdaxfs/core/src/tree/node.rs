// SPDX-License-Identifier: GPL-2.0

//! A node's header.

use core::mem::offset_of;

use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::{Kind, Tree};
use crate::format::{block_offset, NodeHeader, BLOCK_BYTES, MAX_CHILDREN, NODE_CRC};
use crate::judged::Judged;
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// A node as what points to it says it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) block: u64,
    /// 0: a leaf.
    pub(crate) level: u8,
    /// The lowest key that may be there.
    pub(crate) low: u64,
    /// The key of what follows; `u64::MAX`: nothing does.
    pub(crate) end: u64,
}

/// Puts the header of a new node in place, which begins `node`; the words are `word` and `more` of [`NodeHeader`].
pub(crate) fn put_header<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    node: &mut [u8; BLOCK_BYTES],
    (block, level): (u64, u8),
    low: u64,
    [word, more]: [u64; 2],
) -> Result {
    let (header, _) = NodeHeader::mut_from_prefix(node).map_err(|_| Error::Invalid)?;
    header.zero();
    header.magic.set(tree.magic(level));
    header.block.set(block);
    header.owner.set(tree.ino);
    header.generation.set(tree.generation);
    header.level.set(u16::from(level));
    header.low.set(low);
    header.word.set(word);
    header.more.set(more);
    header.crc.set(checksum(volume, header));
    Ok(())
}

/// The header of a node, judged: it is this tree's node at that place. Of an inner node, the number of
/// children is possible.
///
/// # Errors
///
/// [`Error::Corrupt`] if it is not; [`Error::Io`].
fn read_header<P: Platform>(
    source: &impl Source,
    volume: &Volume<P>,
    tree: &Tree,
    place: &Place,
) -> Result<NodeHeader> {
    volume.check_block(place.block)?;
    let header: NodeHeader = source.get(block_offset(place.block))?;
    let good = header.magic.get() == tree.magic(place.level)
        && header.crc.get() == checksum(volume, &header)
        && header.block.get() == place.block
        && header.owner.get() == tree.ino
        && header.generation.get() == tree.generation
        && header.level.get() == u16::from(place.level)
        && low_fits(tree, header.low.get(), place)
        && count_fits(place.level, header.word.get());
    if good {
        Ok(header)
    } else {
        Err(Error::Corrupt)
    }
}

/// The words `word` and, of a leaf, `more` of a node's header, which is judged unless it has been.
///
/// # Errors
///
/// As [`read_header`].
pub(crate) fn read_words<P: Platform>(
    source: &impl Source,
    volume: &Volume<P>,
    tree: &Tree,
    place: &Place,
) -> Result<[u64; 2]> {
    let judged = Judged::Node {
        ino: tree.ino,
        level: place.level,
        directory: tree.kind == Kind::Directory,
    };
    if volume.is_judged(place.block, judged) {
        return known_words(source, tree, place);
    }
    let header = read_header(source, volume, tree, place)?;
    volume.set_judged(place.block, judged);
    Ok([header.word.get(), header.more.get()])
}

/// The words of a node that has been judged. What points to it may have changed since.
#[inline]
fn known_words(source: &impl Source, tree: &Tree, place: &Place) -> Result<[u64; 2]> {
    let header = block_offset(place.block);
    let low = source.word(header + offset_of!(NodeHeader, low) as u64)?;
    let word = source.word(header + offset_of!(NodeHeader, word) as u64)?;
    let more = match place.level {
        0 => source.word(header + offset_of!(NodeHeader, more) as u64)?,
        _ => 0,
    };
    if low_fits(tree, low, place) && count_fits(place.level, word) {
        Ok([word, more])
    } else {
        Err(Error::Corrupt)
    }
}

/// Whether a node at a place may have that [`NodeHeader::low`]: it has its parent's keys, or got more below. Those
/// from there on may have gone to the node behind it since, when that one's pages moved
/// ([`rekey`](super::rekey)).
#[inline]
fn low_fits(tree: &Tree, low: u64, place: &Place) -> bool {
    let end = match tree.kind {
        Kind::Extents => tree.keys(),
        Kind::Directory => place.end,
    };
    (place.low..end).contains(&low)
}

/// Whether a node of a level may have that [`NodeHeader::word`].
#[inline]
fn count_fits(level: u8, word: u64) -> bool {
    level == 0 || (1..=MAX_CHILDREN as u64).contains(&word)
}

/// What [`NodeHeader::crc`] has to say.
pub(crate) fn checksum<P: Platform>(volume: &Volume<P>, header: &NodeHeader) -> u32 {
    let covered = header.as_bytes().get(NODE_CRC).unwrap_or(&[]);
    volume.platform().crc32c(0, covered)
}
