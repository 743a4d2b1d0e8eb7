// SPDX-License-Identifier: GPL-2.0

//! Makes a volume.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromZeros, IntoBytes};

use crate::format::{
    block_offset, group_bitmap, group_body, group_header, group_metadata, group_start, groups_of,
    inode_number, inode_offset, GroupHeader, Inode, InodeChunk, Root, Superblock, Time, BLOCK_SIZE,
    CHUNK_BLOCKS, GROUP_BLOCKS, GROUP_CHUNKS, GROUP_CRC, GROUP_MAGIC, INODE_CHUNK_MAGIC, INODE_CRC,
    INODE_MAGIC, INODE_SIZE, LABEL_BYTES, MAX_BLOCKS, MAX_SLOTS, MIN_BLOCKS, STATE_CLEAN,
    SUPER_CRC, SUPER_MAGIC, S_IFDIR,
};
use crate::platform::{Digest, Stores};
use crate::superblock::checksum;
use crate::{Error, Result};

/// What kind of volume to make.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The length in blocks, [`MIN_BLOCKS`] to [`MAX_BLOCKS`].
    pub blocks: u64,
    /// The number of journal slots, 1 to [`MAX_SLOTS`]: how many operations can commit at once.
    pub slots: u32,
    /// The first block whose physical address is a multiple of 2 MiB, below
    /// [`CHUNK_BLOCKS`].
    pub align_offset: u32,
    /// The UUID.
    pub uuid: [u8; 16],
    /// The label, padded with zeros.
    pub label: [u8; LABEL_BYTES],
    /// The key of the directories' hashes: random.
    pub hash_key: [u64; 2],
    /// The time.
    pub now: Time,
    /// The root directory's permissions.
    pub root_mode: u16,
    /// Its owner.
    pub root_uid: u32,
    /// Its owning group.
    pub root_gid: u32,
}

impl Options {
    /// A volume of so many blocks with as many slots as it bears, and all else zero: the UUID and the key are
    /// the caller's to set.
    #[must_use]
    pub const fn new(blocks: u64) -> Self {
        Self {
            blocks,
            slots: Self::slots_for(blocks),
            align_offset: 0,
            uuid: [0; 16],
            label: [0; LABEL_BYTES],
            hash_key: [0; 2],
            now: Time::new(0, 0),
            root_mode: 0o755,
            root_uid: 0,
            root_gid: 0,
        }
    }

    /// As many slots as take at most a 64th of the first group.
    const fn slots_for(blocks: u64) -> u32 {
        let slots = if blocks > GROUP_BLOCKS {
            GROUP_BLOCKS
        } else {
            blocks
        } / 64;
        if slots > MAX_SLOTS as u64 {
            MAX_SLOTS
        } else if slots == 0 {
            1
        } else {
            slots as u32
        }
    }

    /// Whether the numbers are in their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if one is not, or the slots do not leave room for anything else.
    pub fn check(&self) -> Result {
        let first_group = self.blocks.min(GROUP_BLOCKS);
        let good = (MIN_BLOCKS..=MAX_BLOCKS).contains(&self.blocks)
            && (1..=MAX_SLOTS).contains(&self.slots)
            && u64::from(self.slots) <= first_group / 2
            && u64::from(self.align_offset) < CHUNK_BLOCKS
            && self.root_mode & !0o7777 == 0;
        if good {
            Ok(())
        } else {
            Err(Error::Invalid)
        }
    }
}

/// Makes an empty volume, and returns its superblock. Until all of it is on the medium there is no
/// good copy of the superblock; the last fence makes both durable.
///
/// # Errors
///
/// [`Error::Invalid`] if `options` are out of range or the medium is shorter than the volume,
/// [`Error::Io`] where it cannot be written.
pub fn make(medium: &(impl Stores + Digest), options: &Options) -> Result<Superblock> {
    options.check()?;
    if medium.len() / BLOCK_SIZE < options.blocks {
        return Err(Error::Invalid);
    }
    // Whoever looks for a file system here finds none until all is there, nor an earlier, longer one.
    let last = options.blocks - 1;
    for block in [0, last, medium.len() / BLOCK_SIZE - 1] {
        medium.zero_nt(block_offset(block), BLOCK_SIZE)?;
    }
    medium.fence();

    let groups = groups_of(options.blocks);
    let mut free = 0;
    for group in 0..groups {
        free += u64::from(make_group(medium, options, group)?);
    }
    let root = make_root(medium, options)?;
    medium.zero_nt(
        block_offset(group_body(0)),
        u64::from(options.slots) * BLOCK_SIZE,
    )?;

    let superblock = superblock(medium, options, root, free);
    let (covered, rest) = superblock
        .as_bytes()
        .split_at_checked(SUPER_CRC.end)
        .ok_or(Error::Invalid)?;
    // What no checksum covers is there, with the rest of the volume, before a copy can be good.
    for block in [last, 0] {
        medium.copy_nt(block_offset(block) + SUPER_CRC.end as u64, rest)?;
    }
    medium.fence();
    for block in [last, 0] {
        medium.copy_nt(block_offset(block), covered)?;
    }
    medium.fence();
    Ok(superblock)
}

fn superblock(digest: &impl Digest, options: &Options, root: u64, free: u64) -> Superblock {
    let mut superblock = Superblock::new_zeroed();
    superblock.magic = U64::new(SUPER_MAGIC);
    superblock.uuid = options.uuid;
    superblock.label = options.label;
    superblock.blocks = U64::new(options.blocks);
    superblock.root = U64::new(root);
    superblock.hash_key = options.hash_key.map(U64::new);
    superblock.align_offset = U32::new(options.align_offset);
    superblock.slots = U32::new(options.slots);
    superblock.slots_at = U64::new(group_body(0));
    superblock.created = U64::new(options.now.0);
    superblock.inode_size = U32::new(INODE_SIZE as u32);
    superblock.state = U64::new(STATE_CLEAN);
    superblock.free_blocks = U64::new(free);
    superblock.inodes = U64::new(1);
    superblock.crc = U32::new(checksum(digest, &superblock));
    superblock
}

/// The block of the root directory's inode chunk.
fn root_block(options: &Options) -> u64 {
    group_body(0) + u64::from(options.slots)
}

/// Writes a group's head; returns its free blocks.
fn make_group(medium: &(impl Stores + Digest), options: &Options, group: u32) -> Result<u32> {
    let start = group_start(group);
    let body = if group == 0 {
        root_block(options) + 1
    } else {
        group_body(group)
    } - start;
    let end = (options.blocks - start).min(GROUP_BLOCKS);
    // The copy of the superblock is the volume's last block.
    let free_end = if start + end == options.blocks {
        end - 1
    } else {
        end
    };

    medium.zero_nt(block_offset(group_header(group)), 3 * BLOCK_SIZE)?;
    set_bits(medium, group_bitmap(group), 0, body)?;
    set_bits(medium, group_bitmap(group), free_end, GROUP_BLOCKS)?;
    set_bits(medium, group_metadata(group), 0, body)?;
    set_bits(medium, group_metadata(group), free_end, end)?;

    let whole = (0..u64::from(GROUP_CHUNKS)).filter(|chunk| {
        let first = u64::from(options.align_offset) + chunk * CHUNK_BLOCKS;
        first >= body && first + CHUNK_BLOCKS <= free_end
    });
    let free = free_end.checked_sub(body).ok_or(Error::Invalid)? as u32;
    let mut header = GroupHeader::new_zeroed();
    header.magic = U32::new(GROUP_MAGIC);
    header.group = U64::new(u64::from(group));
    header.uuid = options.uuid;
    header.free = U32::new(free);
    header.free_chunks = U32::new(whole.count() as u32);
    if group == 0 {
        header.inode_chunks = U64::new(root_block(options));
        header.inodes = U64::new(1);
    }
    let crc = medium.crc32c(0, header.as_bytes().get(GROUP_CRC).unwrap_or(&[]));
    header.crc = U32::new(crc);
    medium.copy_nt(block_offset(group_header(group)), header.as_bytes())?;
    Ok(free)
}

/// Sets the bits `first` to before `end` of a bitmap; all bits of a word are written by one call at most, except
/// where the ends of two calls share a word.
fn set_bits(medium: &impl Stores, bitmap: u64, first: u64, end: u64) -> Result {
    let mut word = first / 64;
    while word * 64 < end {
        let offset = block_offset(bitmap) + word * 8;
        let mut bytes = [0; 8];
        medium.read(offset, &mut bytes)?;
        let from = first.saturating_sub(word * 64).min(63);
        let to = (end - word * 64).min(64);
        let bits = u64::from_le_bytes(bytes) | u64::MAX << from & u64::MAX >> (64 - to);
        medium.copy_nt(offset, &bits.to_le_bytes())?;
        word += 1;
    }
    Ok(())
}

/// Writes the root directory and the chunk that it is in; returns its number.
fn make_root(medium: &(impl Stores + Digest), options: &Options) -> Result<u64> {
    let block = root_block(options);
    let ino = inode_number(block, 1);
    medium.zero_nt(block_offset(block), BLOCK_SIZE)?;

    let mut chunk = InodeChunk::new_zeroed();
    chunk.magic = U32::new(INODE_CHUNK_MAGIC);
    chunk.block = U64::new(block);
    chunk.crc = U32::new(medium.crc32c(0, chunk.block.as_bytes()));
    chunk.used = U64::new(1 << 1);
    medium.copy_nt(block_offset(block), chunk.as_bytes())?;

    let mut inode = Inode::new_zeroed();
    inode.magic = U32::new(INODE_MAGIC);
    inode.ino = U64::new(ino);
    inode.generation = U32::new(1);
    inode.mode.set(S_IFDIR | options.root_mode);
    inode.uid = U32::new(options.root_uid);
    inode.gid = U32::new(options.root_gid);
    inode.links = U32::new(2);
    inode.parent = U64::new(ino);
    inode.root = U64::new(Root::Empty.to_word());
    for time in [
        &mut inode.btime,
        &mut inode.atime,
        &mut inode.mtime,
        &mut inode.ctime,
    ] {
        *time = U64::new(options.now.0);
    }
    inode.crc = U32::new(medium.crc32c(0, inode.as_bytes().get(INODE_CRC).unwrap_or(&[])));
    medium.copy_nt(inode_offset(ino), inode.as_bytes())?;
    Ok(ino)
}
