// SPDX-License-Identifier: GPL-2.0

//! Inode chunks. Those of a group that have a free inode are on a list, whose head is in the
//! group's header; the group's lock guards list and chunks.

use core::mem::offset_of;

use zerocopy::little_endian::U32;
use zerocopy::IntoBytes;

use super::open::read_held_chunk;
use crate::alloc::{allocate, free_run, group_with_room, header_word, Request};
use crate::format::{
    block_offset, group_of, inode_block, inode_number, inode_offset, inode_slot, ChunkHead,
    GroupHeader, InodeChunk, CHUNK_FULL, INODE_CHUNK_MAGIC, INODE_SIZE,
};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::{Error, Result};

/// Takes an inode, near the group. Its bytes are the caller's to write, as
/// [`fresh`](Transaction::fresh). Returns its number, and a generation that no inode with that number has had.
pub(crate) fn allocate_inode<P: Platform>(
    tx: &mut Transaction<'_, P>,
    group: u32,
) -> Result<(u64, u32)> {
    let groups = tx.volume().groups();
    let group = if group < groups { group } else { 0 };
    let ino = match take_near(tx, group)? {
        Some(ino) => ino,
        None => match take_new(tx, group_with_room(tx.volume(), group)) {
            Err(Error::NoSpace) => take_anywhere(tx, group)?,
            taken => taken?,
        },
    };
    count(tx, group_of(inode_block(ino)), true)?;
    Ok((ino, generation(tx, ino)))
}

/// An inode of a chunk that exists: in the group, or when that is full, in the one that has room.
fn take_near<P: Platform>(tx: &mut Transaction<'_, P>, group: u32) -> Result<Option<u64>> {
    let held = tx.has_group(group);
    let listed = take_listed(tx, group)?;
    let other = group_with_room(tx.volume(), group);
    if listed.is_some() || other == group {
        return Ok(listed);
    }
    if !held {
        tx.leave(group);
    }
    take_listed(tx, other)
}

/// An inode of the group's first listed chunk.
fn take_listed<P: Platform>(tx: &mut Transaction<'_, P>, group: u32) -> Result<Option<u64>> {
    tx.group(group)?;
    let head = header_word(group, offset_of!(GroupHeader, inode_chunks));
    let block = tx.word(head)?;
    if block == 0 {
        return Ok(None);
    }
    let chunk = read_listed(tx, group, block)?;
    let slot = u64::from((!chunk.used.get() & CHUNK_FULL).trailing_zeros());
    let used = chunk.used.get() | 1 << slot;
    let field = word(block, offset_of!(InodeChunk, used));
    tx.change(field, chunk.used.get(), used)?;
    if used == CHUNK_FULL {
        unlist(tx, group, block, &chunk)?;
    }
    Ok(Some(inode_number(block, slot)))
}

/// An inode of a new chunk in the group, or where there is room for one.
fn take_new<P: Platform>(tx: &mut Transaction<'_, P>, group: u32) -> Result<u64> {
    let (run, _) = allocate(tx, &Request::structure(group, 1, true))?;
    let group = group_of(run.block);
    let head = header_word(group, offset_of!(GroupHeader, inode_chunks));
    let next = tx.word(head)?;

    let mut chunk: InodeChunk = zerocopy::FromZeros::new_zeroed();
    chunk.magic.set(INODE_CHUNK_MAGIC);
    chunk.block.set(run.block);
    chunk.crc = U32::new(tx.volume().platform().crc32c(0, chunk.block.as_bytes()));
    chunk.used.set(1 << 1);
    chunk.next.set(next);
    tx.fresh(block_offset(run.block), chunk.as_bytes())?;
    tx.set(head, run.block)?;
    if next != 0 {
        read_listed(tx, group, next)?;
        tx.set(word(next, offset_of!(InodeChunk, prev)), run.block)?;
    }
    Ok(inode_number(run.block, 1))
}

/// No block is free: an inode of a chunk that exists, in any group.
fn take_anywhere<P: Platform>(tx: &mut Transaction<'_, P>, group: u32) -> Result<u64> {
    let groups = tx.volume().groups();
    for turn in 1..groups {
        let other = (u64::from(group) + u64::from(turn)) % u64::from(groups);
        let held = tx.has_group(other as u32);
        if let Some(ino) = take_listed(tx, other as u32)? {
            return Ok(ino);
        }
        if !held {
            tx.leave(other as u32);
        }
    }
    Err(Error::NoSpace)
}

/// Gives an inode back. The transaction changes nothing of its bytes, also what was listed before.
///
/// # Errors
///
/// [`Error::Corrupt`] if it is free, [`Error::Busy`] as [`Transaction::group`] says.
pub(crate) fn free_inode<P: Platform>(tx: &mut Transaction<'_, P>, ino: u64) -> Result {
    let (block, slot) = (inode_block(ino), inode_slot(ino));
    let group = group_of(block);
    tx.group(group)?;
    let chunk = read_held_chunk(tx.volume(), tx, block)?;
    let used = chunk.used.get();
    if slot == 0 || used >> slot & 1 == 0 {
        return Err(Error::Corrupt);
    }
    count(tx, group, false)?;
    tx.forget(inode_offset(ino), INODE_SIZE);

    let now = used & !(1 << slot);
    let head = header_word(group, offset_of!(GroupHeader, inode_chunks));
    let first = tx.word(head)?;
    // The only chunk with free inodes stays, so that making and removing one file does not make and
    // remove chunks.
    if now == 0 && first != 0 && !(first == block && chunk.next.get() == 0) {
        if used != CHUNK_FULL {
            unlist(tx, group, block, &chunk)?;
        }
        return free_run(tx, block, 1, true);
    }
    tx.change(word(block, offset_of!(InodeChunk, used)), used, now)?;
    if used == CHUNK_FULL {
        tx.set(word(block, offset_of!(InodeChunk, next)), first)?;
        tx.set(word(block, offset_of!(InodeChunk, prev)), 0)?;
        if first != 0 {
            read_listed(tx, group, first)?;
            tx.set(word(first, offset_of!(InodeChunk, prev)), block)?;
        }
        tx.set(head, block)?;
    }
    Ok(())
}

/// Takes a chunk off its group's list.
fn unlist<P: Platform>(
    tx: &mut Transaction<'_, P>,
    group: u32,
    block: u64,
    chunk: &ChunkHead,
) -> Result {
    let (next, prev) = (chunk.next.get(), chunk.prev.get());
    if next != 0 {
        read_listed(tx, group, next)?;
        tx.set(word(next, offset_of!(InodeChunk, prev)), prev)?;
    }
    let before = if prev == 0 {
        header_word(group, offset_of!(GroupHeader, inode_chunks))
    } else {
        read_listed(tx, group, prev)?;
        word(prev, offset_of!(InodeChunk, next))
    };
    if tx.word(before)? != block {
        return Err(Error::Corrupt);
    }
    tx.set(before, next)?;
    tx.set(word(block, offset_of!(InodeChunk, next)), 0)?;
    tx.set(word(block, offset_of!(InodeChunk, prev)), 0)
}

/// A chunk of the group's list.
fn read_listed<P: Platform>(tx: &Transaction<'_, P>, group: u32, block: u64) -> Result<ChunkHead> {
    if group_of(block) != group {
        return Err(Error::Corrupt);
    }
    let chunk = read_held_chunk(tx.volume(), tx, block)?;
    if chunk.used.get() == CHUNK_FULL {
        return Err(Error::Corrupt);
    }
    Ok(chunk)
}

fn word(block: u64, field: usize) -> u64 {
    block_offset(block) + field as u64
}

/// Counts an inode of the group.
fn count<P: Platform>(tx: &mut Transaction<'_, P>, group: u32, more: bool) -> Result {
    let at = header_word(group, offset_of!(GroupHeader, inodes));
    let inodes = tx.word(at)?;
    let now = if more {
        inodes.checked_add(1)
    } else {
        inodes.checked_sub(1)
    };
    tx.change(at, inodes, now.ok_or(Error::Corrupt)?)?;
    tx.group(group)?.count_inodes(if more { 1 } else { -1 });
    Ok(())
}

/// A number that an inode's predecessors have not had for 2³² transactions: a checksum tells numbers
/// apart that differ in 32 bits.
fn generation<P: Platform>(tx: &Transaction<'_, P>, ino: u64) -> u32 {
    let volume = tx.volume();
    let unique = crate::volume::next(&volume.next_sequence);
    let [key, _] = &volume.superblock().hash_key;
    let seed = key.get() as u32;
    let digest = volume.platform().crc32c(seed, [unique, ino].as_bytes());
    digest.max(1)
}
