// SPDX-License-Identifier: GPL-2.0

//! A node's header.

use zerocopy::IntoBytes;

use super::Tree;
use crate::format::{block_offset, NodeHeader, MAX_CHILDREN, NODE_CRC};
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

/// The header of a new node; `word` is [`NodeHeader::word`].
pub(crate) fn make_header<P: Platform>(
    volume: &Volume<P>,
    tree: &Tree,
    block: u64,
    level: u8,
    (low, word): (u64, u64),
) -> NodeHeader {
    let mut header: NodeHeader = zerocopy::FromZeros::new_zeroed();
    header.magic.set(tree.magic(level));
    header.block.set(block);
    header.owner.set(tree.ino);
    header.generation.set(tree.generation);
    header.level.set(u16::from(level));
    header.low.set(low);
    header.word.set(word);
    header.crc.set(checksum(volume, &header));
    header
}

/// The header of a node, judged: it is this tree's node at that place. Of an inner node, the number of
/// children is possible.
///
/// # Errors
///
/// [`Error::Corrupt`] if it is not; [`Error::Io`].
pub(crate) fn read_header<P: Platform>(
    source: &impl Source,
    volume: &Volume<P>,
    tree: &Tree,
    place: &Place,
) -> Result<NodeHeader> {
    volume.check_block(place.block)?;
    let header: NodeHeader = source.get(block_offset(place.block))?;
    let low = header.low.get();
    let count_fits = place.level == 0 || (1..=MAX_CHILDREN as u64).contains(&header.word.get());
    let good = header.magic.get() == tree.magic(place.level)
        && header.crc.get() == checksum(volume, &header)
        && header.block.get() == place.block
        && header.owner.get() == tree.ino
        && header.generation.get() == tree.generation
        && header.level.get() == u16::from(place.level)
        && place.low <= low
        && low < place.end
        && count_fits;
    if good {
        Ok(header)
    } else {
        Err(Error::Corrupt)
    }
}

fn checksum<P: Platform>(volume: &Volume<P>, header: &NodeHeader) -> u32 {
    let covered = header.as_bytes().get(NODE_CRC).unwrap_or(&[]);
    volume.platform().crc32c(0, covered)
}
