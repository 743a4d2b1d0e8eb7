// SPDX-License-Identifier: GPL-2.0

//! What an inode says of itself, and how that changes.

use core::mem::offset_of;

use zerocopy::IntoBytes;

use super::{inode_word, Inodes, MapState};
use crate::format::{
    entry_type, inode_offset, Inode, Root, Time, INODE_CRC, S_IFDIR, S_IFMT, S_IFREG,
};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::workspace::Workspace;
use crate::{Error, Result};

/// What an inode says, judged: what stat(2) shows, and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The inode's number.
    pub ino: u64,
    /// Which of the inodes with that number.
    pub generation: u32,
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
    /// A device's major (upper 32 bits) and minor number.
    pub device: u64,
    /// The size in bytes; of a directory the length of its blocks, of a symbolic link that of its target.
    pub size: u64,
    /// The number of links.
    pub links: u64,
    /// The number of blocks.
    pub blocks: u64,
    /// Last access.
    pub atime: Time,
    /// Last change of the contents.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
    /// When it was made.
    pub btime: Time,
    /// Of a directory: its parent; else 0.
    pub parent: u64,
    /// Whether it has extended attributes.
    pub has_xattrs: bool,
    /// Whether something is left to do: see
    /// [`Files::finish`](crate::file::Files::finish). The file is read as it is going to be, and the
    /// next change completes it.
    pub has_intent: bool,
}

impl Attributes {
    pub(crate) fn of(inode: &Inode) -> Result<Self> {
        if entry_type(inode.mode.get()) == 0 || Root::from_word(inode.root.get()).is_none() {
            return Err(Error::Corrupt);
        }
        Ok(Self {
            ino: inode.ino.get(),
            generation: inode.generation.get(),
            mode: inode.mode.get(),
            uid: inode.uid.get(),
            gid: inode.gid.get(),
            project: inode.project.get(),
            flags: inode.flags.get(),
            device: device_of(inode),
            size: inode.size.get(),
            links: u64::from(inode.links.get()),
            blocks: inode.blocks.get(),
            atime: Time(inode.atime.get()),
            mtime: Time(inode.mtime.get()),
            ctime: Time(inode.ctime.get()),
            btime: Time(inode.btime.get()),
            parent: inode.parent.get(),
            has_xattrs: inode.xattrs.get() != 0,
            has_intent: inode.intent().kind != 0,
        })
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR
    }

    /// Whether it is a regular file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.mode & S_IFMT == S_IFREG
    }
}

/// The number of the device that an inode is; 0 if it is none.
fn device_of(inode: &Inode) -> u64 {
    match (
        Root::from_word(inode.root.get()),
        inode.inline.first_chunk(),
    ) {
        (Some(Root::Device), Some(&number)) => u64::from_le_bytes(number),
        _ => 0,
    }
}

/// What setattr changes; what is [`None`] stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The permissions; the type stays.
    pub permissions: Option<u16>,
    /// The owner.
    pub uid: Option<u32>,
    /// The owning group.
    pub gid: Option<u32>,
    /// The project.
    pub project: Option<u32>,
    /// `FS_*_FL`.
    pub flags: Option<u32>,
    /// Last access.
    pub atime: Option<Time>,
    /// Last change of the contents.
    pub mtime: Option<Time>,
    /// Last change of the inode.
    pub ctime: Option<Time>,
}

impl Change {
    /// What writing to a file changes: mtime and ctime.
    #[must_use]
    pub const fn modified(now: Time) -> Self {
        Self {
            mtime: Some(now),
            ctime: Some(now),
            ..Self::none()
        }
    }

    /// What changing an attribute of an inode changes at least: ctime.
    #[must_use]
    pub const fn changed(now: Time) -> Self {
        Self {
            ctime: Some(now),
            ..Self::none()
        }
    }

    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            permissions: None,
            uid: None,
            gid: None,
            project: None,
            flags: None,
            atime: None,
            mtime: None,
            ctime: None,
        }
    }
}

impl<P: Platform> Inodes<'_, P> {
    /// The inode's attributes as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Corrupt`].
    pub fn attributes(self, map: &MapState) -> Result<Attributes> {
        Attributes::of(&self.volume.get::<Inode>(inode_offset(map.ino))?)
    }

    /// Changes attributes, all at once: `setattr` without the size, flags, the project.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Io`].
    pub fn change(self, workspace: &mut Workspace, map: &mut MapState, change: &Change) -> Result {
        self.volume.check_writable()?;
        let mut held = Transaction::new(self.volume, &mut workspace.log);
        let mut tx = held.open();
        tx.join(&mut map.stamp)?;
        set_attributes(&mut tx, map.ino, change)?;
        tx.commit()
    }
}

/// Changes attributes as part of a transaction that has joined the inode's map lock.
pub(crate) fn set_attributes<P: Platform>(
    tx: &mut Transaction<'_, P>,
    ino: u64,
    change: &Change,
) -> Result {
    let Change {
        permissions,
        uid,
        gid,
        project,
        flags,
        atime,
        mtime,
        ctime,
    } = *change;
    if permissions.is_some()
        || uid.is_some()
        || gid.is_some()
        || project.is_some()
        || flags.is_some()
    {
        let mut inode: Inode = tx.get(inode_offset(ino))?;
        if let Some(permissions) = permissions {
            inode
                .mode
                .set(inode.mode.get() & S_IFMT | permissions & !S_IFMT);
        }
        for (field, value) in [
            (&mut inode.uid, uid),
            (&mut inode.gid, gid),
            (&mut inode.project, project),
            (&mut inode.flags, flags),
        ] {
            if let Some(value) = value {
                field.set(value);
            }
        }
        let crc = tx
            .volume()
            .platform()
            .crc32c(0, inode.as_bytes().get(INODE_CRC).unwrap_or(&[]));
        inode.crc.set(crc);
        for field in [
            offset_of!(Inode, magic),
            offset_of!(Inode, generation),
            offset_of!(Inode, uid),
            offset_of!(Inode, project),
        ] {
            let bytes = inode
                .as_bytes()
                .get(field..field + 8)
                .and_then(|bytes| bytes.try_into().ok());
            let word = u64::from_le_bytes(bytes.ok_or(Error::Invalid)?);
            tx.set(inode_word(ino, field), word)?;
        }
    }
    for (field, time) in [
        (offset_of!(Inode, atime), atime),
        (offset_of!(Inode, mtime), mtime),
        (offset_of!(Inode, ctime), ctime),
    ] {
        if let Some(time) = time {
            tx.set(inode_word(ino, field), time.0)?;
        }
    }
    Ok(())
}
