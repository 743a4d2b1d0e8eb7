// SPDX-License-Identifier: GPL-2.0

//! From a number to an inode.

use core::mem::offset_of;

use zerocopy::little_endian::{U32, U64};
use zerocopy::IntoBytes;

use super::{Attributes, Inodes, MapState};
use crate::alloc::is_metadata;
use crate::format::{
    block_offset, inode_block, inode_offset, inode_slot, ChunkHead, Inode, XattrRoot, CHUNK_FULL,
    INODE_CHUNK_MAGIC, INODE_CRC, INODE_MAGIC,
};
use crate::judged::Judged;
use crate::platform::Platform;
use crate::source::Source;
use crate::volume::Volume;
use crate::{Error, Result};

/// The byte offset of a field of an inode.
#[inline]
pub(crate) const fn inode_word(ino: u64, field: usize) -> u64 {
    inode_offset(ino) + field as u64
}

/// Where an inode's attributes are. The map lock is held, or the attributes' lock.
#[inline]
pub(crate) fn xattr_root(source: &impl Source, ino: u64) -> Result<XattrRoot> {
    let word = source.word(inode_word(ino, offset_of!(Inode, xattrs)))?;
    XattrRoot::from_word(word).ok_or(Error::Corrupt)
}

/// Whether a number is that of an inode in use, as its chunk says. Any number is safe: nothing is taken for a chunk
/// that is not one.
pub(super) fn is_in_use<P: Platform>(
    volume: &Volume<P>,
    source: &impl Source,
    ino: u64,
) -> Result<bool> {
    let (block, slot) = (inode_block(ino), inode_slot(ino));
    if slot == 0 || !is_metadata(volume, block)? {
        return Ok(false);
    }
    match read_chunk(volume, source, block) {
        Ok(chunk) => Ok(chunk.used.get() >> slot & 1 == 1),
        // Metadata of another kind: the number is wrong, not the volume.
        Err(Error::Corrupt) => Ok(false),
        Err(error) => Err(error),
    }
}

impl<P: Platform> Inodes<'_, P> {
    /// Looks an inode up by its number, and by its generation if that is known (NFS). Any number is
    /// safe: nothing is taken for an inode that is not one.
    ///
    /// The caller makes sure that there is one [`MapState`] for an inode, as by asking its cache
    /// first. A new one is returned with what the inode says.
    ///
    /// No inode has generation 0.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] if there is no such inode, [`Error::Corrupt`] if what is there makes no sense.
    pub fn open(self, ino: u64, generation: Option<u32>) -> Result<(MapState, Attributes)> {
        if generation == Some(0) || ino == self.volume.bad_blocks_owner() {
            return Err(Error::Stale);
        }
        self.volume.open_any(ino, generation)
    }

    /// The generation of the inode that a name leads to, for a cache that is keyed by number and
    /// generation: one word is read.
    ///
    /// The map lock of the directory that has the name is held, shared will do, so that the number is
    /// an inode's. [`open`](Self::open) judges the inode.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if no inode can be there or it has no generation, [`Error::Io`].
    pub fn generation(self, ino: u64) -> Result<u32> {
        self.volume.check_block(inode_block(ino))?;
        // The word also has the mode, above.
        let generation = self
            .volume
            .word(inode_word(ino, offset_of!(Inode, generation)))? as u32;
        if inode_slot(ino) == 0 || generation == 0 {
            return Err(Error::Corrupt);
        }
        Ok(generation)
    }
}

impl<P: Platform> Volume<P> {
    /// As [`open`](Inodes::open), also for the owner of the bad blocks.
    pub(crate) fn open_any(
        &self,
        ino: u64,
        generation: Option<u32>,
    ) -> Result<(MapState, Attributes)> {
        let inode = self.read_inode(ino)?;
        let found = inode.generation.get();
        if generation.is_some_and(|wanted| wanted != found) {
            return Err(Error::Stale);
        }
        let map = MapState::new(ino, found, inode.mode.get());
        Ok((map, Attributes::of(&inode)?))
    }

    /// An inode, judged.
    pub(crate) fn read_inode(&self, ino: u64) -> Result<Inode> {
        if !is_in_use(self, self, ino)? {
            return Err(Error::Stale);
        }
        let inode: Inode = self.get(inode_offset(ino))?;
        let covered = inode.as_bytes().get(INODE_CRC).unwrap_or(&[]);
        let good = inode.magic.get() == INODE_MAGIC
            && inode.ino.get() == ino
            && inode.generation.get() != 0
            && inode.crc.get() == self.platform().crc32c(0, covered);
        if good {
            Ok(inode)
        } else {
            Err(Error::Corrupt)
        }
    }
}

/// As [`read_chunk`], of a block that cannot be given back meanwhile: that it is a chunk is noted.
pub(super) fn read_held_chunk<P: Platform>(
    volume: &Volume<P>,
    source: &impl Source,
    block: u64,
) -> Result<ChunkHead> {
    let chunk = read_chunk(volume, source, block)?;
    volume.set_judged(block, Judged::Chunk);
    Ok(chunk)
}

/// The header of an inode chunk that has been judged: the words that change.
fn known_chunk(source: &impl Source, block: u64) -> Result<ChunkHead> {
    let word = |field| {
        source
            .word(block_offset(block) + field as u64)
            .map(U64::new)
    };
    let chunk = ChunkHead {
        magic: U32::new(INODE_CHUNK_MAGIC),
        crc: U32::ZERO,
        block: U64::new(block),
        used: word(offset_of!(ChunkHead, used))?,
        next: word(offset_of!(ChunkHead, next))?,
        prev: word(offset_of!(ChunkHead, prev))?,
    };
    if chunk.used.get() & !CHUNK_FULL == 0 {
        Ok(chunk)
    } else {
        Err(Error::Corrupt)
    }
}

/// The header of the inode chunk at a block, judged.
pub(super) fn read_chunk<P: Platform>(
    volume: &Volume<P>,
    source: &impl Source,
    block: u64,
) -> Result<ChunkHead> {
    volume.check_block(block)?;
    if volume.is_judged(block, Judged::Chunk) {
        return known_chunk(source, block);
    }
    let chunk: ChunkHead = source.get(block_offset(block))?;
    let good = chunk.magic.get() == INODE_CHUNK_MAGIC
        && chunk.block.get() == block
        && chunk.crc.get() == volume.platform().crc32c(0, chunk.block.as_bytes())
        && chunk.used.get() & !CHUNK_FULL == 0;
    if good {
        Ok(chunk)
    } else {
        Err(Error::Corrupt)
    }
}
