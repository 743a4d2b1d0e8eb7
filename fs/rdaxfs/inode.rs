// SPDX-License-Identifier: GPL-2.0

//! The VFS's inode of one on the medium, and its eviction.

use core::convert::Infallible;

use kernel::{
    prelude::*,
    str::{CStr, CString},
    sync::aref::ARef,
};
use kernel_ext::{
    fs::{
        dir,
        inode::{flags, Attributes, Evicted, Found, InitialisedInode, NewInode},
        namei::Ops,
        Inode, SuperBlock,
    },
    new_rwsem,
    sync::RwSemaphore,
};
use rdaxfs_core::{
    format::{Time, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG},
    inode::{Attributes as CoreAttributes, MapState, XattrState},
};

use crate::{
    dir::Directory,
    error::{errno, Reason},
    namei::DirectoryOperations,
    super_block::Rdaxfs,
    symlink,
    time::from_medium,
};

/// Sectors of 512 bytes in a block, which `st_blocks` counts.
const SECTORS_PER_BLOCK: u64 = rdaxfs_core::format::BLOCK_SIZE / 512;

/// What rdaxfs has of an inode in memory.
#[pin_data]
pub(crate) struct InodeData {
    /// Guards contents, size, attributes, times and links.
    #[pin]
    pub(crate) map: RwSemaphore<MapState>,
    /// Guards the extended attributes. Taken before the map lock.
    #[pin]
    pub(crate) xattrs: RwSemaphore<XattrState>,
    /// When it was made.
    pub(crate) btime: Time,
    /// Of a symbolic link: the target.
    pub(crate) target: Option<CString>,
}

/// The operations on regular files: what reads, writes and maps them comes with `file`.
struct FileOperations;

#[vtable]
impl kernel_ext::fs::namei::Operations for FileOperations {
    type FileSystem = Rdaxfs;
}

/// The operations on devices, fifos and sockets.
struct SpecialOperations;

#[vtable]
impl kernel_ext::fs::namei::Operations for SpecialOperations {
    type FileSystem = Rdaxfs;
}

/// What the VFS calls for an inode of a type.
fn operations(mode: u16) -> Ops<Rdaxfs> {
    match mode & S_IFMT {
        S_IFDIR => const { Ops::new::<DirectoryOperations>().with_file(dir::ops::<Directory>()) },
        S_IFREG => const { Ops::new::<FileOperations>() },
        S_IFLNK => const { Ops::new::<symlink::SymlinkOperations>() },
        _ => const { Ops::new::<SpecialOperations>() },
    }
}

/// The inode with a number that a directory has, whose lock is held, or the root's.
///
/// # Errors
///
/// `EUCLEAN` if there is none; `EIO`, `ENOMEM`.
pub(crate) fn get(sb: &SuperBlock<Rdaxfs>, ino: u64) -> Result<ARef<Inode<Rdaxfs>>> {
    let volume = sb.data().mounted.volume();
    let (map, _) = volume.open(ino, None).map_err(|error| match error {
        // A name for an inode that does not exist.
        rdaxfs_core::Error::Stale => errno(rdaxfs_core::Error::Corrupt),
        error => errno(error),
    })?;
    match sb.inode(ino, map.generation())? {
        Found::Cached(inode) => Ok(inode),
        Found::New(new) => {
            // Only now does nobody else change it.
            let (map, attributes) = volume.open(ino, Some(map.generation())).map_err(errno)?;
            let target = symlink::read(volume, &map, &attributes)?;
            Ok(init(new, sb, map, &attributes, target).unlock())
        }
    }
}

/// Gives a new inode in memory what it is on the medium.
pub(crate) fn init(
    new: NewInode<Rdaxfs>,
    sb: &SuperBlock<Rdaxfs>,
    map: MapState,
    attributes: &CoreAttributes,
    target: Option<CString>,
) -> InitialisedInode<Rdaxfs> {
    let known = Attributes {
        mode: attributes.mode,
        uid: attributes.uid,
        gid: attributes.gid,
        links: attributes.links as u32,
        size: attributes.size as i64,
        sectors: attributes.blocks.saturating_mul(SECTORS_PER_BLOCK),
        device: ((attributes.device >> 32) as u32, attributes.device as u32),
        flags: vfs_flags(sb, attributes),
        atime: from_medium(attributes.atime),
        mtime: from_medium(attributes.mtime),
        ctime: from_medium(attributes.ctime),
    };
    new.init(
        &known,
        operations(attributes.mode),
        new_data(map, attributes.btime, target),
    )
}

fn new_data(
    map: MapState,
    btime: Time,
    target: Option<CString>,
) -> impl PinInit<InodeData, Infallible> {
    pin_init!(InodeData {
        xattrs <- new_rwsem!(XattrState::new(&map), "rdaxfs_xattrs"),
        map <- new_rwsem!(map, "rdaxfs_map"),
        btime,
        target,
    })
}

/// `FS_*_FL` that the VFS has a flag for.
const FS_SYNC_FL: u32 = 0x8;
const FS_IMMUTABLE_FL: u32 = 0x10;
const FS_APPEND_FL: u32 = 0x20;
const FS_NOATIME_FL: u32 = 0x80;
const FS_DIRSYNC_FL: u32 = 0x1_0000;

/// The VFS's flags of an inode. Whether its pages are those of the medium is decided here, once.
fn vfs_flags(_sb: &SuperBlock<Rdaxfs>, attributes: &CoreAttributes) -> u32 {
    [
        (FS_SYNC_FL, flags::SYNC),
        (FS_IMMUTABLE_FL, flags::IMMUTABLE),
        (FS_APPEND_FL, flags::APPEND),
        (FS_NOATIME_FL, flags::NOATIME),
        (FS_DIRSYNC_FL, flags::DIRSYNC),
    ]
    .into_iter()
    .filter(|(flag, _)| attributes.flags & flag != 0)
    .fold(0, |all, (_, flag)| all | flag)
}

/// Updates what the VFS knows of a directory's size. The map lock is held.
pub(crate) fn refresh(
    inode: &kernel_ext::fs::inode::Locked<'_, Rdaxfs>,
    attributes: &CoreAttributes,
) {
    inode.set_size(attributes.size as i64);
    inode.set_sectors(attributes.blocks.saturating_mul(SECTORS_PER_BLOCK));
    inode.set_links(attributes.links as u32);
}

/// The target of a symbolic link.
pub(crate) fn target(inode: &Inode<Rdaxfs>) -> Option<&CStr> {
    inode.data().target.as_deref()
}

/// An inode leaves memory. Without links it leaves the medium, too.
pub(crate) fn evict(inode: &Evicted<'_, Rdaxfs>) {
    let sb = inode.super_block();
    let mounted = &sb.data().mounted;
    if inode.links() > 0 || sb.is_read_only() {
        // Nothing is stored here: memory reclaim may be the caller.
        mounted.volume().close(&mut inode.data().map.write());
        return;
    }
    let mut operation = mounted.begin();
    let mut map = inode.data().map.write();
    if let Err(error) = operation.volume.finish(&mut operation.workspace, &mut map) {
        pr_err!(
            "{}: inode {} without a name cannot be freed ({}); the next mount tries again, or fsck.rdaxfs\n",
            sb.id(),
            inode.ino(),
            Reason(error),
        );
    }
}
