// SPDX-License-Identifier: GPL-2.0

//! The VFS's inode of one on the medium, and its eviction.

use core::{
    convert::Infallible,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use kernel::{
    prelude::*,
    str::{CStr, CString},
    sync::{aref::ARef, new_mutex, Mutex},
};
use kernel_ext::{
    compat::code::ESTALE,
    fs::{
        dir, file,
        inode::{flags, Attributes, Evicted, Found, InitialisedInode, Locked, NewInode},
        iomap::report::FiemapInfo,
        namei::{Operations, Ops},
        posix_acl::AclType,
        Inode, SuperBlock,
    },
    new_rwsem,
    sync::RwSemaphore,
};
use rdaxfs_core::{
    format::{Time, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG},
    inode::{Attributes as CoreAttributes, Changed, MapState, XattrState},
    Error as CoreError,
};

use crate::{
    append::Append,
    attr::AttributeOperations,
    buffered,
    dir::Directory,
    error::{errno, met_at, Reason},
    file::Regular,
    flags::{dax_flag, vfs_flags},
    iomap,
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
    /// `FS_*_FL`. Changes under `i_rwsem`.
    flags: AtomicU32,
    /// The project. Changes under `i_rwsem`.
    project: AtomicU32,
    /// The write that makes the file longer, if there is one. Taken before the map lock.
    #[pin]
    pub(crate) append: Mutex<Option<Append>>,
    /// It was freed with its last name, and is nothing on the medium any more. Only its memory is left to go.
    is_freed: AtomicBool,
    /// Tasks may have zeros mapped where the file has blocks by now.
    pub(crate) zeros_may_be_mapped: AtomicBool,
}

impl InodeData {
    /// `FS_*_FL`.
    pub(crate) fn flags(&self) -> u32 {
        self.flags.load(Relaxed)
    }

    /// Sets them; `i_rwsem` is held.
    pub(crate) fn set_flags(&self, flags: u32) {
        self.flags.store(flags, Relaxed);
    }

    /// The project.
    pub(crate) fn project_id(&self) -> u32 {
        self.project.load(Relaxed)
    }

    /// Whether it was freed with its last name. Does not change while the map lock is held.
    pub(crate) fn is_freed(&self) -> bool {
        self.is_freed.load(Relaxed)
    }

    /// It has been freed; the map lock is held exclusively.
    pub(crate) fn set_freed(&self) {
        self.is_freed.store(true, Relaxed);
    }

    /// Sets it; `i_rwsem` is held.
    pub(crate) fn set_project_id(&self, project: u32) {
        self.project.store(project, Relaxed);
    }
}

/// The operations on regular files that need no open file.
struct RegularOperations;

#[vtable]
impl Operations for RegularOperations {
    type FileSystem = Rdaxfs;
    type Attributes = AttributeOperations;

    fn fiemap(inode: &Inode<Rdaxfs>, info: &mut FiemapInfo, start: u64, len: u64) -> Result {
        let _locked = inode.lock_shared();
        if info.take_attributes() {
            return info.fill::<iomap::Attributes>(inode, start, len);
        }
        info.fill::<iomap::Read>(inode, start, len)
    }
}

/// What the VFS calls for regular files.
const REGULAR: Ops<Rdaxfs> = Ops::new::<RegularOperations>().with_file(file::ops::<Regular>());

/// The operations on devices, fifos and sockets: those on attributes.
struct PlainOperations;

#[vtable]
impl Operations for PlainOperations {
    type FileSystem = Rdaxfs;
    type Attributes = AttributeOperations;
}

/// What the VFS calls for an inode of a type, of which regular files differ in where their pages are.
fn operations(mode: u16, is_dax: bool) -> Ops<Rdaxfs> {
    match mode & S_IFMT {
        S_IFDIR => const { Ops::new::<DirectoryOperations>().with_file(dir::ops::<Directory>()) },
        S_IFREG if is_dax => const { REGULAR.with_address_space(buffered::DAX) },
        S_IFREG => const { REGULAR.with_address_space(buffered::PAGE_CACHE) },
        S_IFLNK => const { Ops::new::<symlink::SymlinkOperations>() },
        _ => const { Ops::new::<PlainOperations>() },
    }
}

/// The inode with a number that a directory has, whose lock is held, or the root's.
///
/// # Errors
///
/// `EUCLEAN` if there is none; `EIO`, `ENOMEM`.
pub(crate) fn get(sb: &SuperBlock<Rdaxfs>, ino: u64) -> Result<ARef<Inode<Rdaxfs>>> {
    let volume = sb.data().mounted.volume()?;
    // Somebody who has the inode may be changing it: its checksum cannot be judged yet.
    let generation = volume
        .inodes()
        .generation(ino)
        .map_err(|error| met_at(sb, ino, error))?;
    match sb.inode(ino, generation)? {
        Found::Cached(inode) => Ok(inode),
        Found::New(new) => {
            // No other task has it, and those that look for it wait.
            let found = volume
                .inodes()
                .open(ino, Some(generation))
                .map_err(|error| match error {
                    // A name for an inode that does not exist.
                    CoreError::Stale => met_at(sb, ino, CoreError::Corrupt),
                    error => met_at(sb, ino, error),
                });
            let (map, attributes) = found?;
            let target = symlink::read(&volume, &map, &attributes)?;
            Ok(init(new, sb, map, &attributes, target).unlock())
        }
    }
}

/// The inode with a number and a generation from outside, which may be any.
///
/// # Errors
///
/// `ESTALE` if there is none, or it has no name and no task has it; `EUCLEAN`, `EIO`, `ENOMEM`.
pub(crate) fn get_by_handle(
    sb: &SuperBlock<Rdaxfs>,
    ino: u64,
    generation: u32,
) -> Result<ARef<Inode<Rdaxfs>>> {
    let volume = sb.data().mounted.volume()?;
    // Before a number from outside comes into the cache.
    volume.inodes().open(ino, Some(generation)).map_err(errno)?;
    match sb.inode(ino, generation)? {
        // Also one without a name, which a task has open.
        Found::Cached(inode) => Ok(inode),
        Found::New(new) => {
            let (map, attributes) = volume.inodes().open(ino, Some(generation)).map_err(errno)?;
            if attributes.links == 0 {
                return Err(ESTALE);
            }
            let target = symlink::read(&volume, &map, &attributes)?;
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
        flags: vfs_flags(attributes.flags) | dax_flag(sb.data().dax, attributes),
        atime: from_medium(attributes.atime),
        mtime: from_medium(attributes.mtime),
        ctime: from_medium(attributes.ctime),
    };
    let inode = new.init(
        &known,
        operations(attributes.mode, known.flags & flags::DAX != 0),
        new_data(map, attributes, target),
    );
    if !attributes.has_xattrs {
        // So that nobody has to look for lists.
        inode.inode().set_cached_acl(AclType::Access, None);
        inode.inode().set_cached_acl(AclType::Default, None);
    }
    inode
}

fn new_data(
    map: MapState,
    attributes: &CoreAttributes,
    target: Option<CString>,
) -> impl PinInit<InodeData, Infallible> + use<> {
    let (btime, flags, project) = (attributes.btime, attributes.flags, attributes.project);
    pin_init!(InodeData {
        xattrs <- new_rwsem!(XattrState::new(&map), "rdaxfs_xattrs"),
        map <- new_rwsem!(map, "rdaxfs_map"),
        btime,
        target,
        flags: AtomicU32::new(flags),
        project: AtomicU32::new(project),
        append <- new_mutex!(None, "rdaxfs_append"),
        is_freed: AtomicBool::new(false),
        zeros_may_be_mapped: AtomicBool::new(false),
    })
}

/// Updates what the VFS knows of the blocks of an inode, whose map lock is held exclusively.
pub(crate) fn set_blocks(inode: &Inode<Rdaxfs>, blocks: u64) {
    inode.set_sectors(blocks.saturating_mul(SECTORS_PER_BLOCK));
}

/// Tells the VFS what an operation has changed in an inode, which the VFS has locked for it.
pub(crate) fn refresh(inode: &Locked<'_, Rdaxfs>, changed: &Changed) {
    if let Some(size) = changed.size {
        inode.set_size(size as i64);
    }
    if let Some(blocks) = changed.blocks {
        set_blocks(inode, blocks);
    }
    if let Some(links) = changed.links {
        inode.set_links(links as u32);
    }
}

/// Whether the pages of an inode are nobody's, neither in the page cache nor in a mapping.
pub(crate) fn has_no_pages(inode: &Inode<Rdaxfs>) -> bool {
    !inode.is_file() || inode.lock_pages().is_empty()
}

/// The target of a symbolic link.
pub(crate) fn target(inode: &Inode<Rdaxfs>) -> Option<&CStr> {
    inode.data().target.as_deref()
}

/// An inode leaves memory. Without links it leaves the medium, too.
pub(crate) fn evict(inode: &Evicted<'_, Rdaxfs>) {
    let sb = inode.super_block();
    let mounted = &sb.data().mounted;
    if inode.links() > 0 {
        // Nothing is stored here: memory reclaim may be the caller.
        if let Ok(volume) = mounted.volume_to_end() {
            volume.files().close(&mut inode.data().map.write());
        }
        return;
    }
    if inode.data().is_freed() {
        return;
    }
    // Where the device has gone, the next mount does it.
    let Ok(mut operation) = mounted.begin() else {
        return;
    };
    let mut map = inode.data().map.write();
    match operation
        .volume
        .files()
        .finish(&mut operation.workspace, &mut map)
    {
        // A mount for writing does it.
        Ok(()) | Err(CoreError::ReadOnly) => {}
        Err(error) => {
            let _ = met_at(sb, inode.ino(), error);
            pr_err!(
                "{}: inode {} without a name cannot be freed ({}); the next mount tries again, or fsck.rdaxfs\n",
                sb.id(),
                inode.ino(),
                Reason(error),
            );
        }
    }
}
