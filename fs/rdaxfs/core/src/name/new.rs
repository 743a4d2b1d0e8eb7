// SPDX-License-Identifier: GPL-2.0

//! Inodes that come into being.

use core::sync::atomic::Ordering::Relaxed;

use zerocopy::little_endian::U64;
use zerocopy::IntoBytes;

use crate::format::{
    group_of, inode_block, inode_offset, Inode, Root, Time, GROUP_BLOCKS, INODE_CRC, INODE_MAGIC,
    S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT,
};
use crate::inode::allocate_inode;
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::volume::{next, Volume};
use crate::xattr::{write_new, NewXattr};
use crate::{Error, Result};

/// How many groups are looked at for a new directory.
const LOOKED_AT: u64 = 8;

/// What an inode is made as.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewInode<'a> {
    /// Type and permissions.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The project.
    pub project: u32,
    /// `FS_*_FL`.
    pub flags: u32,
    /// A device's major (upper 32 bits) and minor number; of others 0.
    pub device: u64,
    /// The attributes that it has from the start: default ACLs, security labels.
    pub xattrs: &'a [NewXattr<'a>],
}

/// For what makes inodes, when nobody else can look for them.
///
/// # Errors
///
/// None.
pub fn unannounced(_ino: u64, _generation: u32) -> Result {
    Ok(())
}

impl NewInode<'_> {
    /// Its type.
    pub(super) const fn kind(&self) -> u16 {
        self.mode & S_IFMT
    }

    /// Whether only a device has a device number.
    pub(super) fn check(&self) -> Result {
        if self.device != 0 && !matches!(self.kind(), S_IFCHR | S_IFBLK) {
            return Err(Error::Invalid);
        }
        Ok(())
    }

    /// Takes an inode in a group and writes its attributes to `inode`, which is zero, or what an attempt before
    /// has made of it. The rest is the caller's to set, before it [`write`]s the inode.
    pub(super) fn start<P: Platform>(
        &self,
        tx: &mut Transaction<'_, P>,
        group: u32,
        now: Time,
        inode: &mut Inode,
    ) -> Result {
        let (ino, generation) = allocate_inode(tx, group)?;
        inode.magic.set(INODE_MAGIC);
        inode.ino.set(ino);
        inode.generation.set(generation);
        write_new(tx, inode, self.xattrs)?;
        inode.mode.set(self.mode);
        inode.uid.set(self.uid);
        inode.gid.set(self.gid);
        inode.project.set(self.project);
        inode.flags.set(self.flags);
        if matches!(self.kind(), S_IFCHR | S_IFBLK) {
            inode.root.set(Root::Device.to_word());
            if let Some(number) = inode.inline.first_chunk_mut() {
                *number = self.device.to_le_bytes();
            }
        }
        inode.links.set(1);
        let now = U64::new(now.0);
        (inode.btime, inode.atime, inode.mtime, inode.ctime) = (now, now, now, now);
        Ok(())
    }
}

/// Writes a new inode.
pub(super) fn write<P: Platform>(tx: &mut Transaction<'_, P>, inode: &mut Inode) -> Result {
    let covered = inode.as_bytes().get(INODE_CRC).unwrap_or(&[]);
    let crc = tx.volume().platform().crc32c(0, covered);
    inode.crc.set(crc);
    tx.fresh(inode_offset(inode.ino.get()), inode.as_bytes())
}

/// The group for an inode of a type in a directory: files go near their directory, whose other
/// files are mostly used together with it; directories spread, so that there is room near each.
pub(super) fn group_for<P: Platform>(volume: &Volume<P>, parent: u64, kind: u16) -> u32 {
    let near = group_of(inode_block(parent));
    let groups = u64::from(volume.groups());
    if kind != S_IFDIR || groups <= 1 {
        return near;
    }
    let turn = next(&volume.turn);
    let (mut best, mut most) = (near, 0);
    for group in (0..groups.min(LOOKED_AT)).map(|at| (turn.wrapping_add(at) % groups) as u32) {
        let free = volume.platform().hint(group).load(Relaxed) as u32;
        if u64::from(free) >= GROUP_BLOCKS / 4 {
            return group;
        }
        if free > most {
            (best, most) = (group, free);
        }
    }
    best
}
